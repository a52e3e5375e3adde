"""Roles on the people page: nobody lowers their own unasked, a zone keeps an owner, and deeds leave a reason."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom import role_services
from apps.waitingroom.models import ChangeAction, Role, Zone, ZoneChange, ZoneManager
from apps.waitingroom.role_services import LastOwner, manager_remove, manager_set
from tests.analytics.house import at_once
from tests.waitingroom.desks import Desk, fields_of, page, person, role_form, said, take_form
from tests.waitingroom.test_managers import tellings
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PEOPLE = "/manage/zones/concert/people/"
LAST = "This is the last owner of the zone. Make somebody else its owner first."


def given() -> dict[str, int]:
    return dict(ZoneManager.objects.values_list("user__username", "role"))


def role_notes() -> list[tuple[Any, ...]]:
    found = ZoneChange.objects.filter(action=ChangeAction.ROLE).order_by("pk")
    return [(note.who_name, note.zone_id, note.before["role"], note.after["role"], note.why) for note in found]


# --- one's own role, and the last owner -----------------------------------------------------------------------------


def test_lowering_ones_own_role_is_asked_about(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    manager_set(actor=None, user=person("minsu"), role=Role.OWNER, zone_id="concert")
    asked = client.post(PEOPLE, role_form(client, username="hana", role="1", why="on leave"))
    shown = asked.content.decode()
    assert (asked.status_code, given()) == (200, {"hana": Role.OWNER, "minsu": Role.OWNER})
    assert "This is your own role: Owner now, Viewer afterwards." in shown
    form = re.search(r'<form class="form".*?</form>', shown, re.S)
    assert form is not None
    button = re.search(r'<button class="button danger" name="(\w+)" value="(\w+)">Lower my own role<', form[0])
    assert button is not None
    sent = {**fields_of(form[0]), button[1]: button[2]}
    assert (sent["username"], sent["role"], sent["why"]) == ("hana", "1", "on leave")
    assert client.post(PEOPLE, sent).status_code == 302
    assert given() == {"hana": Role.VIEWER, "minsu": Role.OWNER}
    assert role_notes()[-1] == ("hana", "concert", "owner", "viewer", "on leave")


def test_what_does_not_lower_ones_own_role_is_not_asked_about(desk: Desk) -> None:
    zone_make(app="shop")
    client = desk(Role.OWNER)
    assert client.post(PEOPLE, role_form(client, username="hana", role="3")).status_code == 302
    noor = person("noor")
    manager_set(actor=None, user=noor, role=Role.OWNER, app="shop")
    hers = desk(None, "noor")
    assert hers.post(PEOPLE, role_form(hers, username="noor", role="1")).status_code == 302
    assert client.post(PEOPLE, role_form(client, username="noor", role="2")).status_code == 302


def test_the_last_owner_stays_one(desk: Desk) -> None:
    zone_make(app="shop")
    client = desk(Role.OWNER)
    hers = ZoneManager.objects.get()
    manager_set(actor=None, user=person("olga"), role=Role.OPERATOR, zone_id="concert")
    refused = client.post(PEOPLE, role_form(client, username="hana", role="2", is_sure="yes"))
    assert (refused.status_code, LAST in refused.content.decode()) == (400, True)
    refused = client.post(f"{PEOPLE}{hers.pk}/remove/", take_form(client, hers.pk))
    assert (refused.status_code, said(refused)) == (400, [LAST])
    assert given() == {"hana": Role.OWNER, "olga": Role.OPERATOR}
    assert len(role_notes()) == 2
    # Who cannot sign in looks after nothing.
    gone = manager_set(actor=None, user=person("gone"), role=Role.OWNER, zone_id="concert")
    User.objects.filter(pk=gone.user_id).update(is_active=False)
    assert said(client.post(f"{PEOPLE}{hers.pk}/remove/", take_form(client, hers.pk)))[-1] == LAST
    assert client.post(f"{PEOPLE}{gone.pk}/remove/", take_form(client, gone.pk)).status_code == 302
    # The app's owner is the zone's as well.
    manager_set(actor=None, user=person("noor"), role=Role.OWNER, app="shop")
    assert said(client.post(f"{PEOPLE}{hers.pk}/remove/", take_form(client, hers.pk)))[-1] == "The role is taken away."
    assert given() == {"noor": Role.OWNER, "olga": Role.OPERATOR}


def test_who_runs_the_house_takes_the_last_owners_role(desk: Desk, client: Client) -> None:
    zone_make()
    desk(Role.OWNER)
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    assert client.post(PEOPLE, role_form(client, username="hana", role="1")).status_code == 302
    assert given() == {"hana": Role.VIEWER}


def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    zone_make()
    pks = [manager_set(actor=None, user=person(name), role=Role.OWNER, zone_id="concert").pk for name in ("a", "b")]
    left = iter(pks)

    def leave(meet: Callable[[], object]) -> bool:
        pk = next(left)
        meet()
        return manager_remove(actor=None, manager_id=pk, leaves_an_owner=True)

    results = at_once(leave)
    assert sorted(type(result).__name__ for result in results) == ["LastOwner", "bool"]
    assert ZoneManager.objects.count() == 1


def test_the_service_keeps_the_last_owner_only_when_asked_to() -> None:
    zone_make()
    row = manager_set(actor=None, user=person("hana"), role=Role.OWNER, zone_id="concert")
    for role in (Role.VIEWER, Role.OPERATOR):
        with pytest.raises(LastOwner):
            manager_set(actor=None, user=row.user, role=role, zone_id="concert", leaves_an_owner=True)
    manager_set(actor=None, user=person("olga"), role=Role.OPERATOR, zone_id="concert", leaves_an_owner=True)
    assert given() == {"hana": Role.OWNER, "olga": Role.OPERATOR}
    assert manager_remove(actor=None, manager_id=row.pk) is True


# --- reasons --------------------------------------------------------------------------------------------------------


def test_a_role_is_given_and_taken_with_a_reason(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    person("minsu")
    assert client.post(PEOPLE, role_form(client, username="minsu", role="2", why="the late shift")).status_code == 302
    assert "“the late shift”" in page(client)
    his = ZoneManager.objects.get(user__username="minsu")
    form = re.search(rf'<form[^>]*people/{his.pk}/remove/".*?</form>', page(client, "zones/concert/people/"), re.S)
    assert form is not None
    sent = {**fields_of(form[0]), "why": "has left"}
    assert set(sent) == {"shown_name", "shown_role", "why"}
    assert client.post(f"{PEOPLE}{his.pk}/remove/", sent).status_code == 302
    assert role_notes()[1:] == [
        ("hana", "concert", None, "operator", "the late shift"),
        ("hana", "concert", "operator", None, "has left"),
    ]


def test_a_zone_is_made_with_a_reason(desk: Desk) -> None:
    client = desk(None, "noor")
    manager_set(actor=None, user=person("noor"), role=Role.OWNER, app="shop")
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "5", "mode": "open", "app": "shop", "why": "Christmas"}
    assert client.post("/manage/new/", form).status_code == 302
    assert ZoneChange.objects.get(action="created").why == "Christmas"


# --- accounts that go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["row", "rows", "admin"])
def test_the_roles_of_a_deleted_account_are_noted_and_told(way: str, client: Client) -> None:
    zone = zone_make()
    user = person("minsu")
    manager_set(actor=None, user=user, role=Role.OWNER, zone_id="concert")
    manager_set(actor=None, user=user, role=Role.VIEWER, app="shop")
    before = tellings()
    if way == "row":
        user.delete()
    elif way == "rows":
        User.objects.filter(pk=user.pk).delete()
    else:
        client.force_login(operator_ensure(username="boss", password="a long enough pass"))
        assert client.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ZoneManager.objects.exists()
    assert role_notes()[2:] == [
        ("", "concert", "owner", None, "The account was deleted."),
        ("", "", "viewer", None, "The account was deleted."),
    ]
    note = ZoneChange.objects.filter(zone_id="concert")[0]
    assert (note.version, note.after["user"]) == (zone.version, "minsu")
    assert tellings() == before + 1
    person("nobody").delete()
    assert tellings() == before + 1


# --- at once, and letters -------------------------------------------------------------------------------------------


def test_a_role_that_somebody_else_gave_meanwhile_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    zone_make()
    user = person("minsu")
    theirs = manager_set(actor=None, user=user, role=Role.VIEWER, zone_id="concert")
    looked = role_services._standing
    seen: list[Any] = []

    def early(row: ZoneManager) -> ZoneManager | None:
        seen.append(looked(row))
        return seen[-1] if len(seen) > 1 else None  # as it was a moment before

    monkeypatch.setattr(role_services, "_standing", early)
    row = manager_set(actor=None, user=user, role=Role.OPERATOR, zone_id="concert")
    assert (row.pk, given(), len(seen)) == (theirs.pk, {"minsu": Role.OPERATOR}, 2)
    assert [note[2:4] for note in role_notes()] == [(None, "viewer"), ("viewer", "operator")]


def test_many_who_give_the_same_role_at_once_give_it_once() -> None:
    zone_make()
    user = person("minsu")

    def give(meet: Callable[[], object]) -> int:
        meet()
        return manager_set(actor=None, user=user, role=Role.OPERATOR, zone_id="concert").pk

    for _ in range(5):
        ZoneManager.objects.all().delete()
        assert at_once(give, times=4) == [ZoneManager.objects.get().pk] * 4


def test_a_zone_that_goes_before_the_role_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    zone_make()
    looked = role_services._standing

    def late(row: ZoneManager) -> ZoneManager | None:
        # Somebody else's deletion, which is there for our insert to see: on one connection, committed or not.
        Zone.objects.filter(pk="concert").delete()
        return looked(row)

    monkeypatch.setattr(role_services, "_standing", late)
    with pytest.raises(ValidationError):
        manager_set(actor=None, user=person("minsu"), role=Role.OPERATOR, zone_id="concert")
    assert not ZoneManager.objects.exists()


def test_apps_that_differ_in_letters_alone_are_not_taken_for_each_other(desk: Desk, client: Client) -> None:
    user = person("minsu")
    manager_set(actor=None, user=user, role=Role.VIEWER, app="shop")
    with pytest.raises(ValidationError, match="differs only in upper and lower case"):
        manager_set(actor=None, user=user, role=Role.OWNER, app="SHOP")
    assert manager_set(actor=None, user=user, role=Role.OPERATOR, app=" shop ").app == "shop"
    assert given() == {"minsu": Role.OPERATOR}
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    sent = {"user": user.pk, "zone": "", "app": "Shop", "role": 3}
    assert client.post("/admin/waitingroom/zonemanager/add/", sent).status_code == 200
    assert given() == {"minsu": Role.OPERATOR}
    zone_make(app="Shop")
    hers = desk(Role.OWNER)
    assert "minsu" not in page(hers, "zones/concert/people/")
