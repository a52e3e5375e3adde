"""Undo on the managers' pages: offered to who may do it, honest about what it could not set back, and never a fault."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.waitingroom.manage import actions, selectors
from apps.waitingroom.models import Role, Zone, ZoneChange
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_delete
from tests.waitingroom.desks import Desk, fields_of, other_changes, page, person, posted, row, said
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PAGE = "/manage/zones/concert/"


def undo(client: Client, change: ZoneChange, **typed: Any) -> Any:
    return client.post(f"{PAGE}changes/{change.pk}/undo/", {"version": row().version, **typed})


def latest() -> ZoneChange:
    return ZoneChange.objects.filter(zone_id="concert").exclude(action="role")[0]


def offered(client: Client, path: str = "zones/concert/changes/") -> set[int]:
    return {int(pk) for pk in re.findall(r"changes/(\d+)/undo/", page(client, path))}


def test_an_undo_says_what_it_could_not_set_back(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    other_changes(per_minute=90, message="Soon", mode="paused")
    change = latest()
    other_changes(per_minute=120, mode="open")
    response = undo(client, change)
    assert said(response) == ["Undone, but for what was changed again since: entries a minute, mode."]
    assert (row().per_minute, row().message, row().mode) == (120, "", "open")
    change.refresh_from_db()
    assert change.undone_by == latest()
    assert (latest().before, latest().after) == ({"message": "Soon"}, {"message": ""})


def test_undo_is_offered_where_it_may_be_done(desk: Desk) -> None:
    zone_make(per_minute=60, name="Concert")
    other_changes(per_minute=90)
    of_n = latest()
    other_changes(name="The Concert")
    of_name = latest()
    other_changes(name="A Concert", per_minute=70)
    of_both = latest()
    for role, expected in (
        (Role.VIEWER, set()),
        (Role.OPERATOR, {of_n.pk}),
        (Role.OWNER, {of_n.pk, of_name.pk, of_both.pk}),
    ):
        client = desk(role, f"somebody-{role}")
        for path in ("zones/concert/", "zones/concert/changes/"):
            assert offered(client, path) == expected, (role, path)
        refused = {change.pk for change in (of_n, of_name, of_both) if undo(client, change).status_code == 403}
        assert refused == {of_n.pk, of_name.pk, of_both.pk} - expected


def test_undoing_a_move_is_offered_to_who_may_move_it_back(desk: Desk) -> None:
    zone_make(app="books")
    other_changes(app="shop")
    noor = person("noor")
    for app in ("shop", "books"):
        manager_set(actor=None, user=noor, role=Role.OWNER, app=app)
    assert offered(desk(Role.OWNER)) == set()
    assert offered(desk(None, "noor")) == {latest().pk}


def test_a_plain_undo_takes_one_click_and_may_say_why(desk: Desk) -> None:
    zone_make(per_minute=60)
    other_changes(per_minute=90)
    client = desk(Role.OPERATOR)
    item = re.search(r'<form[^>]*/undo/".*?</form>', page(client), re.S)
    assert item is not None
    assert set(fields_of(item[0])) == {"version", "why"}
    fold = re.search(r"<details.*?</details>", item[0], re.S)
    assert fold is not None
    assert "<button" not in fold[0]  # which stands beside it, and does it at once
    assert undo(client, latest(), why=" a slip of the hand ").status_code == 302
    assert (row().per_minute, latest().action, latest().why) == (60, "undone", "a slip of the hand")


# --- a zone that goes meanwhile -------------------------------------------------------------------------------------


@pytest.fixture
def goes_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """`goes_at(module, "name")`: the zone is deleted by somebody else when the page comes to call that."""

    def arrange(module: Any, name: str) -> None:
        called = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            zone_delete(zone_id="concert")
            return called(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    return arrange


def test_undoing_in_a_zone_that_goes_meanwhile(desk: Desk, goes_at: Callable[[Any, str], None]) -> None:
    zone_make(per_minute=60)
    other_changes(per_minute=90)
    client, change = desk(Role.OPERATOR), latest()
    goes_at(actions, "undoable")
    assert undo(client, change).status_code == 404
    assert not Zone.objects.exists()


@pytest.mark.parametrize(
    ("what", "typed"), [("rate", {"per_minute": "90"}), ("schedule", {"opens_at": "1999-01-01T00:00"})]
)
def test_changing_a_zone_that_goes_meanwhile(
    desk: Desk, goes_at: Callable[[Any, str], None], what: str, typed: dict[str, str]
) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", f"/{what}/", **typed)
    goes_at(actions, "_write" if what == "rate" else "blame")
    assert client.post(f"{PAGE}{what}/", form).status_code == 404


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        ("", selectors, "zone_now"),
        ("", selectors, "preview"),
        ("preview/?per_minute=5", selectors, "preview"),
    ],
)
def test_looking_at_a_zone_that_goes_meanwhile(
    desk: Desk, goes_at: Callable[[Any, str], None], path: str, module: Any, name: str
) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    goes_at(module, name)
    assert client.get(f"{PAGE}{path}").status_code == 404


def test_settings_of_a_zone_that_goes_meanwhile(desk: Desk, goes_at: Callable[[Any, str], None]) -> None:
    zone_make()
    client = desk(Role.OWNER)
    shown = page(client, "zones/concert/settings/")
    form = {**fields_of(shown[shown.index('class="panel form"') :]), "name": "Another"}
    goes_at(actions, "_write")
    assert client.post(f"{PAGE}settings/", form).status_code == 404
