"""Staff at the managers' pages: what their rights in the admin and the roles that they were given add up to."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.operations import roles
from apps.waitingroom.models import ChangeAction, Role, Zone, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_set
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
    assert client.post(f"{PEOPLE}{hers.pk}/remove/").status_code == 302
    assert given() == [("friend", Role.OWNER)]


@pytest.mark.parametrize("place", [{"zone_id": "concert"}, {"app": "shop"}])
def test_an_operator_of_the_house_who_was_made_an_owner_gives_roles_as_any_owner(place: dict[str, str]) -> None:
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
    response = browser(olga).post(f"{PEOPLE}{own.pk}/remove/", follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [(PAGE, 302)])
