"""Users in the admin: found, filtered, and only by operators."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from apps.accounts import services
from apps.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"
LIST = "/admin/accounts/user/"


@pytest.fixture
def operator(client: Client) -> User:
    """An operator, signed in."""
    user = services.operator_ensure(username="operator", password=PASSWORD)
    client.force_login(user)
    return user


def listed(client: Client, **query: str) -> list[str]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return sorted(user.username for user in response.context["cl"].result_list)


def test_users_are_searched_and_filtered(client: Client, operator: User):
    services.user_register(username="mina", password=PASSWORD, display_name="미나")
    services.user_register(username="jun", password=PASSWORD)
    assert listed(client) == ["jun", "mina", "operator"]
    assert listed(client, q="미나") == ["mina"]
    assert listed(client, is_staff__exact="1") == ["operator"]


def test_an_operator_adds_and_changes_a_user(client: Client, operator: User):
    added = client.post(
        f"{LIST}add/", {"username": "bo", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert added.status_code == 302
    user = User.objects.get(username="bo")
    page = client.get(f"{LIST}{user.pk}/change/")
    assert page.status_code == 200
    form = page.context["adminform"].form
    posted = {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()}
    posted.pop("password")
    posted |= {"display_name": "Bo", "is_active": "on", "groups": [], "user_permissions": []}
    posted |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "last_login_0": "", "last_login_1": ""}
    assert client.post(f"{LIST}{user.pk}/change/", posted).status_code == 302
    user.refresh_from_db()
    assert (user.display_name, user.is_active, user.is_superuser) == ("Bo", True, False)
    assert LogEntry.objects.filter(user=operator).count() == 2


@pytest.mark.parametrize("address", [LIST, f"{LIST}add/", "/admin/auth/group/"])
def test_an_ordinary_user_is_kept_out(client: Client, address: str):
    client.force_login(services.user_register(username="mina", password=PASSWORD))
    response = client.get(address)
    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={address}")
