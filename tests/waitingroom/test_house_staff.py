"""Staff at the managers' pages: what their rights in the admin and the roles that they were given add up to."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.operations import roles
from apps.waitingroom import managers
from apps.waitingroom.models import ChangeAction, Role, Zone, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.desks import take_form
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PAGE = "/manage/zones/concert/"
PEOPLE = f"{PAGE}people/"


def person(name: str) -> User:
    return user_register(username=name, password="a long enough pass")


def member(group: roles.Role, name: str = "olga") -> User:
    """Somebody of the house with the rights of this group."""
    roles.roles_ensure()
    user = person(name)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.add(Group.objects.get(name=group.name))
    return User.objects.get(pk=user.pk)


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def given() -> list[tuple[str, int]]:
    return list(ZoneManager.objects.order_by("user__username").values_list("user__username", "role"))


# --- roles of others ----------------------------------------------------------------------------------------------


def test_an_operator_of_the_house_runs_every_zone_and_gives_and_takes_no_roles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    zone = zone_make()
    hers = manager_set(actor=None, user=person("mina"), role=Role.OWNER, zone_id="concert")
    person("friend")
    client = browser(member(roles.OPERATOR))
    shown = client.get(PAGE).content.decode()
    assert (f"{PAGE}settings/" in shown, PEOPLE in shown) == (True, False)
    answers = [
        client.get(PEOPLE),
        client.post(PEOPLE, {"username": "friend", "role": "3"}),
        client.post(PEOPLE, {"username": "mina", "role": "1"}),
        client.post(f"{PEOPLE}{hers.pk}/remove/"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert caplog.text.count("was refused zone 'concert' at the page: role") == 4
    assert given() == [("mina", Role.OWNER)]
    assert ZoneChange.objects.filter(action=ChangeAction.ROLE).count() == 1
    sent = client.post(f"{PAGE}clear/", {"version": zone.version, "typed": "concert"})
    assert (sent.status_code, Zone.objects.get().epoch > zone.epoch) == (302, True)


def test_a_zone_administrator_gives_and_takes_roles() -> None:
    zone_make()
    hers = manager_set(actor=None, user=person("mina"), role=Role.OWNER, zone_id="concert")
    person("friend")
    client = browser(member(roles.ZONE_ADMINISTRATOR))
    assert PEOPLE in client.get(PAGE).content.decode()
    assert client.post(PEOPLE, {"username": "friend", "role": "3"}).status_code == 302
    assert client.post(f"{PEOPLE}{hers.pk}/remove/", take_form(client, hers.pk)).status_code == 302
    assert given() == [("friend", Role.OWNER)]


@pytest.mark.parametrize("place", [{"zone_id": "concert"}, {"app": "shop"}])
def test_an_operator_of_the_house_who_was_made_an_owner_gives_roles_as_any_owner(place: dict[str, Any]) -> None:
    zone_make(app="shop")
    zone_make("other")
    olga = member(roles.OPERATOR)
    manager_set(actor=None, user=olga, role=Role.OWNER, **place)
    person("friend")
    client = browser(olga)
    assert PEOPLE in client.get(PAGE).content.decode()
    assert client.post(PEOPLE, {"username": "friend", "role": "2"}).status_code == 302
    assert client.post("/manage/zones/other/people/", {"username": "friend", "role": "2"}).status_code == 403
    assert given() == [("friend", Role.OPERATOR), ("olga", Role.OWNER)]


def test_who_takes_that_from_themselves_is_shown_the_zone() -> None:
    zone_make()
    olga = member(roles.OPERATOR)
    own = manager_set(actor=None, user=olga, role=Role.OWNER, zone_id="concert")
    client = browser(olga)
    response = client.post(f"{PEOPLE}{own.pk}/remove/", take_form(client, own.pk), follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [(PAGE, 302)])


# --- looking, and more --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [roles.SUPPORT, roles.ANALYST], ids=lambda group: group.name)
def test_being_allowed_to_look_takes_nothing_of_a_role_that_was_given(group: roles.Role) -> None:
    zone = zone_make(app="shop")
    shop, other = zone_make("cart", app="shop"), zone_make("other")
    olga = member(group)
    manager_set(actor=None, user=olga, role=Role.OPERATOR, app="shop")
    manager_set(actor=None, user=olga, role=Role.OWNER, zone_id="concert")
    expected = {"concert": Role.OWNER, "cart": Role.OPERATOR, "other": Role.VIEWER}
    assert managers.zones_of(olga) == expected
    assert {zone_id: managers.role_of(olga, zone_id) for zone_id in expected} == expected
    client = browser(olga)
    shown = client.get("/manage/").content.decode()
    assert all(f'data-zone="{zone_id}"' in shown for zone_id in expected)
    answers = {
        one.pk: client.post(f"/manage/zones/{one.pk}/rate/", {"version": one.version, "per_minute": 5}).status_code
        for one in (zone, shop, other)
    }
    assert answers == {"concert": 302, "cart": 302, "other": 403}
    assert dict(Zone.objects.values_list("pk", "per_minute")) == {"concert": 5, "cart": 5, "other": 60}
    person("friend")
    assert client.post(PEOPLE, {"username": "friend", "role": "1"}).status_code == 302
    assert client.post("/manage/zones/cart/people/", {"username": "friend", "role": "1"}).status_code == 403


def test_who_may_look_and_makes_a_zone_runs_it() -> None:
    user = person("yuna")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["add_zone", "view_zone"]))
    client = browser(user)
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open"}
    assert client.post("/manage/new/", form).status_code == 302
    made = Zone.objects.get()
    sent = client.post("/manage/zones/sale/rate/", {"version": made.version, "per_minute": "30"})
    assert (sent.status_code, Zone.objects.get().per_minute) == (302, 30)
