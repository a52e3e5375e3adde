"""The notes of what was done to zones: in the transaction of each change, told to who comes second, undone if asked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.waitingroom import services
from apps.waitingroom.changes import NotUndoable, Undone, change_undo, changes_of
from apps.waitingroom.models import ChangeAction, Zone, ZoneChange
from tests.analytics.house import at_once
from tests.waitingroom.zones import crowd_join, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def row() -> Zone:
    return Zone.objects.get(pk="concert")


def update(actor: User | None = None, **changes: Any) -> Zone:
    return services.zone_update(actor=actor, zone_id="concert", expected_version=row().version, **changes)


def undo(change: ZoneChange, actor: User | None = None, **options: Any) -> Undone:
    return change_undo(actor=actor, change_id=change.pk, expected_version=row().version, **options)


# --- noting -------------------------------------------------------------------------------------------------------


def test_every_write_is_noted(mina: User) -> None:
    made = services.zone_create(actor=mina, zone_id="concert", name="Concert", per_minute=60, why=" the first ")
    crowd_join(made, 65)
    opens_at = timezone.now() + timedelta(days=1)
    changed = update(mina, per_minute=90, opens_at=opens_at, why="more doors")
    cleared = services.zone_clear(actor=None, zone_id="concert", typed=" concert ", why="a test crowd")
    services.zone_delete(actor=mina, zone_id="concert", why="over")
    newest_first = changes_of("concert")
    assert [(change.action, change.who, change.who_name, change.why) for change in newest_first] == [
        ("deleted", mina, "mina", "over"),
        ("cleared", None, "", "a test crowd"),
        ("changed", mina, "mina", "more doors"),
        ("created", mina, "mina", "the first"),
    ]
    deleted, clearing, changing, making = newest_first
    assert (making.before, making.after["per_minute"], making.after["opens_at"]) == ({}, 60, None)
    assert set(making.after) == set(services.CHANGEABLE)
    assert changing.before == {"per_minute": 60, "opens_at": None}
    assert changing.after == {"per_minute": 90, "opens_at": opens_at.isoformat()}
    assert clearing.before == {"epoch": made.epoch, "waiting": 5}
    assert clearing.after == {"epoch": cleared.epoch}
    assert (deleted.before["per_minute"], deleted.after) == (90, {})
    assert [change.version for change in newest_first[1:]] == [cleared.version, changed.version, made.version]
    assert deleted.version > cleared.version
    assert [change.can_be_undone for change in newest_first] == [False, False, True, False]


def test_changes_are_read_a_page_at_a_time() -> None:
    zone_make("other")
    zone_make()
    for number in range(5):
        update(per_minute=100 + number)
    first = changes_of("concert", 3)
    rest = changes_of("concert", 10, first[-1].pk)
    assert [change.after["per_minute"] for change in [*first, *rest]] == [104, 103, 102, 101, 100, 60]


def test_what_is_so_already_or_refused_is_not_noted(mina: User) -> None:
    first = zone_make(per_minute=60)
    update(mina, per_minute=60)
    with pytest.raises(ValidationError):
        update(mina, per_minute=-1)
    with pytest.raises(services.Conflict):
        services.zone_update(actor=mina, zone_id="concert", expected_version=first.version - 1, per_minute=5)
    with pytest.raises(ValidationError):
        services.zone_clear(actor=mina, zone_id="concert", typed="Concert")
    with pytest.raises(Zone.DoesNotExist):
        services.zone_clear(actor=mina, zone_id="nowhere", typed="nowhere")
    assert services.zone_delete(actor=mina, zone_id="nowhere") is False
    assert [change.action for change in ZoneChange.objects.all()] == ["created"]
    assert row().rules() == first.rules()


def test_a_note_and_its_change_are_rolled_back_together(mina: User) -> None:
    first = zone_make(per_minute=60)

    def change_and_fail() -> None:
        with transaction.atomic():
            update(mina, per_minute=90)
            services.zone_clear(actor=mina, zone_id="concert")
            services.zone_delete(actor=mina, zone_id="concert")
            assert ZoneChange.objects.count() == 4
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert row().rules() == first.rules()
    assert [change.action for change in ZoneChange.objects.all()] == ["created"]


def test_a_change_without_its_note_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The note is refused by the database: the zone stays as it was, and gates hear of nothing."""
    first = zone_make(per_minute=60)
    monkeypatch.setattr(ZoneChange._meta.get_field("why"), "column", "no_such_column")
    with pytest.raises(Exception, match="no_such_column"):
        update(per_minute=90)
    monkeypatch.undo()
    assert row().rules() == first.rules() == told()["concert"]


def test_of_changes_at_once_each_that_was_made_is_noted() -> None:
    first = zone_make(per_minute=60)

    def change(meet: Callable[[], object]) -> int:
        meet()
        services.zone_update(
            actor=None, zone_id="concert", expected_version=first.version, per_minute=row().per_minute + 1
        )
        return 1

    results = at_once(change, times=4)
    assert results.count(1) == 1
    assert [(change.before, change.after) for change in changes_of("concert") if change.action == "changed"] == [
        ({"per_minute": 60}, {"per_minute": 61})
    ]


def test_a_name_stays_when_the_account_goes(mina: User) -> None:
    zone_make()
    update(mina, per_minute=90)
    mina.delete()
    newest = changes_of("concert")[0]
    assert (newest.who, newest.who_name) == (None, "mina")


# --- two at once --------------------------------------------------------------------------------------------------


def test_who_comes_second_is_told_who_did_what_before(mina: User) -> None:
    first = zone_make(per_minute=60)
    jun = user_register(username="jun", password="a long enough pass")
    second = update(mina, per_minute=70, why="slower")
    third = services.zone_clear(actor=None, zone_id="concert")
    with pytest.raises(services.Conflict) as refused:
        services.zone_update(actor=jun, zone_id="concert", expected_version=first.version, mode="paused")
    conflict = refused.value
    assert (conflict.zone.version, conflict.zone.per_minute) == (third.version, 70)
    assert [(change.action, change.who_name, change.version) for change in conflict.changes] == [
        ("cleared", "", third.version),
        ("changed", "mina", second.version),
    ]
    assert (conflict.changes[1].after, conflict.changes[1].why) == ({"per_minute": 70}, "slower")
    assert row().mode == "open"


def test_clearing_what_was_seen_before_a_change_clears_nothing(mina: User) -> None:
    first = zone_make(per_minute=60)
    crowd_join(first, 70)
    update(mina, message="Soon")
    with pytest.raises(services.Conflict) as refused:
        services.zone_clear(actor=None, zone_id="concert", expected_version=first.version, typed="concert")
    assert [change.after for change in refused.value.changes] == [{"message": "Soon"}]
    line = line_of("concert")
    assert (row().epoch, line and line.waiting) == (first.epoch, 10)


# --- undoing ------------------------------------------------------------------------------------------------------


def test_an_undone_change_is_as_if_it_had_not_been_and_can_be_redone(mina: User) -> None:
    opens_at = timezone.now() + timedelta(days=1)
    zone_make(per_minute=60, opens_at=opens_at)
    update(mina, per_minute=90, mode="paused", opens_at=None)
    change = changes_of("concert")[0]
    undo(change, mina, why="wrong zone")
    saved = row()
    assert (saved.per_minute, saved.mode, saved.opens_at) == (60, "open", opens_at)
    assert told()["concert"] == saved.rules()
    note = changes_of("concert")[0]
    assert (note.action, note.who, note.why, note.version) == (ChangeAction.UNDONE, mina, "wrong zone", saved.version)
    assert (note.before, note.after) == (change.after, change.before)
    change.refresh_from_db()
    assert (change.undone_by, change.can_be_undone, note.can_be_undone) == (note, False, True)
    undo(note)
    assert (row().per_minute, row().mode, row().opens_at) == (90, "paused", None)


def test_only_what_is_still_as_the_change_left_it_is_set_back(mina: User) -> None:
    zone_make(per_minute=60)
    update(mina, per_minute=90, message="Soon")
    change = changes_of("concert")[0]
    update(per_minute=120)
    undo(change)
    assert (row().per_minute, row().message) == (120, "")


def test_a_change_that_others_have_changed_since_cannot_be_undone(mina: User) -> None:
    zone_make(per_minute=60)
    update(mina, per_minute=90)
    change = changes_of("concert")[0]
    update(mina, per_minute=120)
    with pytest.raises(services.Conflict) as refused:
        undo(change)
    assert [each.after for each in refused.value.changes] == [{"per_minute": 120}]
    assert row().per_minute == 120


def test_undoing_from_an_old_page_or_twice_is_a_conflict(mina: User) -> None:
    first = zone_make(per_minute=60)
    update(mina, per_minute=90)
    change = changes_of("concert")[0]
    with pytest.raises(services.Conflict):
        change_undo(actor=mina, change_id=change.pk, expected_version=first.version)
    assert row().per_minute == 90
    undo(change)
    update(mina, per_minute=90)
    with pytest.raises(services.Conflict):
        undo(change)
    assert row().per_minute == 90


def test_of_two_that_undo_at_once_one_does(mina: User) -> None:
    zone_make(per_minute=60)
    changed = update(mina, per_minute=90)
    change = changes_of("concert")[0]

    def undo_now(meet: Callable[[], object]) -> int:
        meet()
        return change_undo(actor=None, change_id=change.pk, expected_version=changed.version).zone.per_minute

    results = at_once(undo_now, times=3)
    assert sorted(str(type(result).__name__) for result in results) == ["Conflict", "Conflict", "int"]
    assert [each.action for each in changes_of("concert")] == ["undone", "changed", "created"]


def test_making_clearing_and_deleting_are_not_undone() -> None:
    zone_make()
    services.zone_clear(actor=None, zone_id="concert")
    for change in changes_of("concert"):
        with pytest.raises(NotUndoable):
            undo(change)
    update(per_minute=90)
    change = changes_of("concert")[0]
    version = row().version
    services.zone_delete(zone_id="concert")
    with pytest.raises(Zone.DoesNotExist):
        change_undo(actor=None, change_id=change.pk, expected_version=version)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "per_minute": st.integers(0, 3),
        "mode": st.sampled_from(["open", "paused"]),
        "message": st.sampled_from(["", "Soon"]),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(FIELDS, st.integers(0, 9)), max_size=8))
def test_notes_add_up_to_the_zone(steps: list[dict[str, Any] | int]) -> None:
    """Whatever is changed and undone: the notes, one after the other, give the zone as it is."""
    Zone.objects.all().delete()
    ZoneChange.objects.all().delete()
    zone_make(per_minute=0)
    for step in steps:
        if isinstance(step, dict):
            update(**step)
            continue
        found = changes_of("concert", 50)
        try:
            undo(found[step % len(found)])
        except (NotUndoable, services.Conflict):
            continue
    known: dict[str, Any] = {}
    versions = []
    for note in reversed(changes_of("concert", 50)):
        assert {name: known[name] for name in note.before} == note.before
        known |= note.after
        versions.append(note.version)
    assert known == {name: getattr(row(), name) for name in services.CHANGEABLE}
    assert versions == sorted(set(versions))
    assert versions[-1] == row().version
