"""Who gives roles in the admin and may not look at accounts: they type a username, and learn nothing of anybody."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.operations import roles
from apps.waitingroom.models import Role, ZoneManager
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
ADD = "/admin/waitingroom/zonemanager/add/"
SEARCH = "/admin/autocomplete/?app_label=waitingroom&model_name=zonemanager&field_name="
PASSWORD = "a long enough pass"


@pytest.fixture
def mina(transactional_db: None) -> User:
    return user_register(username="mina", password=PASSWORD)


@pytest.fixture
def client(transactional_db: None) -> Client:
    """The browser of a zone administrator."""
    roles.roles_ensure()
    user = user_register(username="olga", password=PASSWORD)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.add(Group.objects.get(name=roles.ZONE_ADMINISTRATOR.name))
    client = Client()
    client.force_login(user)
    return client


def given() -> list[tuple[str, str | None, str | None, int]]:
    return list(ZoneManager.objects.values_list("user__username", "zone_id", "app", "role"))


def refused(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)


@pytest.mark.parametrize(("zone", "app"), [("", "shop"), ("concert", "")])
def test_a_role_is_given_to_a_name(client: Client, mina: User, zone: str, app: str) -> None:
    zone_make(app="shop")
    page = client.get(ADD).content.decode()
    assert '<input type="text" name="user"' in page
    assert "field_name=user" not in page
    sent = {"user": "mina", "zone": zone, "app": app, "role": Role.OWNER.value}
    assert client.post(ADD, sent).status_code == 302
    assert given() == [("mina", zone or None, app or None, Role.OWNER)]
    of_them = ZoneManager.objects.get()
    shown = client.get(f"/admin/waitingroom/zonemanager/{of_them.pk}/change/").content.decode()
    assert "mina" in shown
    assert refused(client.post(ADD, sent)).keys() == {"__all__"}  # one that they have already
    assert len(given()) == 1


def test_what_such_a_page_asks_for_is_answered(client: Client, mina: User) -> None:
    zone_make()
    found = client.get(f"{SEARCH}zone&term=con").json()["results"]
    assert [one["id"] for one in found] == ["concert"]
    assert client.get(f"{SEARCH}user&term=min").status_code == 403
    assert client.get("/admin/accounts/user/").status_code == 403


@pytest.mark.parametrize("typed", ["min", "nobody", "gone", "", "<b>"])
def test_a_name_that_is_not_whole_finds_nobody(client: Client, mina: User, typed: str) -> None:
    User.objects.filter(pk=user_register(username="gone", password=PASSWORD).pk).update(is_active=False)
    sent = {"user": typed, "zone": "", "app": "shop", "role": 1}
    response = client.post(ADD, sent)
    said = "Nobody has this username." if typed else "This field is required."
    assert refused(response)["user"] == [said]
    assert "<b>" not in response.content.decode()
    assert given() == []


def test_a_number_is_a_name_like_any_other(client: Client, mina: User) -> None:
    sent = {"user": str(mina.pk), "zone": "", "app": "shop", "role": 1}
    assert refused(client.post(ADD, sent))["user"] == ["Nobody has this username."]
    assert given() == []


def test_who_may_look_at_accounts_chooses_from_them(client: Client, mina: User) -> None:
    client.force_login(operator_ensure(username="root", password=PASSWORD))
    assert [one["text"] for one in client.get(f"{SEARCH}user&term=min").json()["results"]] == ["mina"]
    assert '<input type="text" name="user"' not in client.get(ADD).content.decode()
    assert client.post(ADD, {"user": mina.pk, "zone": "", "app": "shop", "role": 1}).status_code == 302
    assert given() == [("mina", None, "shop", Role.VIEWER)]
