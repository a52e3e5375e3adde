"""Nobody is given a name that is like the id of a viewer, wherever names are given; who has one keeps it."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"
LIST = "/admin/accounts/user/"
REFUSAL = "This username is like a viewer&#x27;s number. Choose another one."
IDS = ["u17", "U17", "a" + "0f" * 16]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(operator_ensure(username="operator", password=PASSWORD))
    return client


def add(desk: Client, name: str) -> Any:
    sent = {"username": name, "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    return desk.post(f"{LIST}add/", sent)


def change(desk: Client, user: User, **typed: str) -> Any:
    form = desk.get(f"{LIST}{user.pk}/change/").context["adminform"].form
    sent = {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()}
    sent.pop("password")
    sent |= {"is_active": "on", "groups": [], "user_permissions": [], "last_login_0": "", "last_login_1": ""}
    sent |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return desk.post(f"{LIST}{user.pk}/change/", {**sent, **typed})


@pytest.mark.parametrize("name", IDS)
def test_operators_give_no_account_such_a_name(desk: Client, name: str):
    refused = add(desk, name)
    assert (refused.status_code, REFUSAL in refused.content.decode()) == (200, True)
    user = user_register(username="mina", password=PASSWORD)
    refused = change(desk, user, username=name)
    assert (refused.status_code, REFUSAL in refused.content.decode()) == (200, True)
    assert set(User.objects.values_list("username", flat=True)) == {"operator", "mina"}


@pytest.mark.parametrize("name", ["u17x", "u", "a17", "mu17"])
def test_other_names_are_taken(desk: Client, name: str):
    assert add(desk, name).status_code == 302
    assert User.objects.filter(username=name).exists()


def test_who_has_such_a_name_from_before_keeps_it(desk: Client):
    user = User.objects.create(username="u17", password="!")
    assert change(desk, user, display_name="Mina").status_code == 302
    user.refresh_from_db()
    assert (user.username, user.display_name) == ("u17", "Mina")
