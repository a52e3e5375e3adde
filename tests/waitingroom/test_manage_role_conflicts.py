"""Two owners at once on the page of people: the second is told what the first did; nothing is overwritten unseen."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom.models import Role, ZoneChange, ZoneManager
from apps.waitingroom.role_services import RoleChanged, Seen, manager_remove, manager_set
from tests.analytics.house import at_once
from tests.waitingroom.desks import Desk, person, role_form, said, take_form
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PEOPLE = "/manage/zones/concert/people/"
FIRST = "Somebody else changed this zone first. Nothing of yours was saved."


def given(name: str) -> Role | None:
    found = ZoneManager.objects.filter(user__username=name, zone="concert").first()
    return None if found is None else Role(found.role)


def given_by(boss: str, role: Role, name: str = "kim") -> ZoneManager:
    return manager_set(actor=person(boss), user=person(name), role=role, zone_id="concert", why="on call")


def test_a_role_that_somebody_else_gave_meanwhile_is_not_lowered_unseen(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    person("kim")
    form = role_form(client, username="kim", role="2", why="the late shift")
    given_by("minsu", Role.OWNER)
    refused = client.post(PEOPLE, form)
    shown = refused.content.decode()
    assert (refused.status_code, given("kim")) == (409, Role.OWNER)
    conflict = shown[shown.index('class="conflict"') : shown.index('class="columns')]
    assert all(part in conflict for part in (FIRST, "kim", "<ins>Owner</ins>", "minsu", "on call"))
    assert "What you typed is still there" in conflict
    assert client.post(PEOPLE, form).status_code == 409  # loaded again, it is the same that was sent
    again = role_form(client, shown)
    assert (again["username"], again["role"], again["why"]) == ("kim", "2", "the late shift")
    assert client.post(PEOPLE, again).status_code == 302
    assert (given("kim"), ZoneChange.objects.all()[0].why) == (Role.OPERATOR, "the late shift")


def test_a_role_that_was_taken_meanwhile_is_not_given_back_unseen(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    his = given_by("minsu", Role.OWNER)
    form = role_form(client, username="kim", role="2")
    manager_remove(actor=person("minsu"), manager_id=his.pk)
    refused = client.post(PEOPLE, form)
    assert (refused.status_code, given("kim")) == (409, None)
    assert client.post(PEOPLE, role_form(client, refused.content.decode())).status_code == 302
    assert given("kim") == Role.OPERATOR


def test_what_is_wanted_and_so_already_is_no_conflict(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    person("kim")
    form = role_form(client, username="kim", role="2")
    given_by("minsu", Role.OPERATOR)
    assert client.post(PEOPLE, form).status_code == 302
    assert ZoneChange.objects.filter(after__user="kim").count() == 1


def test_another_role_than_was_shown_is_not_taken_away(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    his = given_by("minsu", Role.VIEWER)
    form = take_form(client, his.pk, why="has left")
    given_by("minsu", Role.OWNER)
    refused = client.post(f"{PEOPLE}{his.pk}/remove/", form)
    shown = refused.content.decode()
    assert (refused.status_code, given("kim")) == (409, Role.OWNER)
    conflict = shown[shown.index('class="conflict"') : shown.index('class="columns')]
    assert all(part in conflict for part in (FIRST, "<del>Viewer</del>", "<ins>Owner</ins>", "minsu"))
    again = take_form(client, his.pk, shown)
    assert again["why"] == "has left"
    assert re.search(rf'<details class="sure" open>(?:(?!</details>).)*people/{his.pk}/remove/', shown, re.S)
    assert client.post(f"{PEOPLE}{his.pk}/remove/", again).status_code == 302
    assert given("kim") is None
    assert ZoneChange.objects.all()[0].why == "has left"


def test_a_role_that_somebody_else_took_meanwhile_is_told_of(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    his = given_by("minsu", Role.VIEWER)
    form = take_form(client, his.pk, why="has left")
    manager_remove(actor=person("minsu"), manager_id=his.pk, why="moved on")
    refused = client.post(f"{PEOPLE}{his.pk}/remove/", form)
    shown = refused.content.decode()
    assert (refused.status_code, FIRST in shown, "moved on" in shown) == (409, True, True)
    assert "What you typed is still there" not in shown
    assert ZoneChange.objects.filter(after__user="kim").count() == 2


def test_a_form_that_does_not_say_what_it_showed_changes_no_role(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    his = given_by("minsu", Role.OWNER)
    for shown in ({}, {"shown": "nonsense"}, {"shown": f"{his.user_id}:9"}, {"shown": "9" * 5_000 + ":2"}):
        assert client.post(PEOPLE, {"username": "kim", "role": "1", **shown}).status_code == 409
    for shown in ({}, {"shown_role": "9" * 5_000}, {"shown_role": "2"}):
        assert client.post(f"{PEOPLE}{his.pk}/remove/", shown).status_code == 409
    assert given("kim") == Role.OWNER


def test_the_reason_is_still_there_when_the_last_owner_is_not_taken_away(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    mine = ZoneManager.objects.get()
    refused = client.post(f"{PEOPLE}{mine.pk}/remove/", take_form(client, mine.pk, why="goodbye"))
    assert refused.status_code == 400
    assert said(refused) == ["This is the last owner of the zone. Make somebody else its owner first."]
    assert take_form(client, mine.pk, refused.content.decode())["why"] == "goodbye"
    assert given("hana") == Role.OWNER


def test_of_two_at_once_who_saw_the_same_one_changes_the_role() -> None:
    zone_make()
    kim = given_by("minsu", Role.VIEWER).user
    other = iter((Role.OPERATOR, Role.OWNER))

    def give(meet: Callable[[], object]) -> int:
        role = next(other)
        meet()
        return int(manager_set(actor=None, user=kim, role=role, zone_id="concert", seen=Seen(Role.VIEWER)).role)

    results = at_once(give, times=2)
    assert sorted(type(result).__name__ for result in results) == ["RoleChanged", "int"]
    assert [given("kim")] == [result for result in results if not isinstance(result, RoleChanged)]


# --- in the admin ---------------------------------------------------------------------------------------------------


def test_the_admins_form_changes_only_the_role_that_it_showed(client: Client) -> None:
    zone_make()
    his = given_by("minsu", Role.VIEWER)
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    address = f"/admin/waitingroom/zonemanager/{his.pk}/change/"
    shown = re.search(r'name="initial-role" value="(\d)"', client.get(address).content.decode())
    assert shown is not None
    form = {"role": "2", "initial-role": shown[1]}
    given_by("minsu", Role.OWNER)
    refused = client.post(address, form, follow=True)
    assert refused.redirect_chain == [(address, 302)]
    assert "Somebody else has just changed this. Nothing was saved; this is how it is now." in refused.content.decode()
    assert given("kim") == Role.OWNER
    assert client.post(address, {**form, "initial-role": "3"}).status_code == 302
    assert given("kim") == Role.OPERATOR
