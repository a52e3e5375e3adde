"""What an undo may set back, over whole histories: what somebody set since stays, if only to the same value again."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.waitingroom import services
from apps.waitingroom.changes import NotUndoable, change_undo, changes_of
from apps.waitingroom.models import Zone, ZoneChange
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def row() -> Zone:
    return Zone.objects.get(pk="concert")


def update(**changes: Any) -> ZoneChange:
    """The note of it."""
    services.zone_update(actor=None, zone_id="concert", expected_version=row().version, **changes)
    return changes_of("concert")[0]


def undo(change: ZoneChange) -> list[str]:
    """The fields that stayed."""
    return change_undo(actor=None, change_id=change.pk, expected_version=row().version).stayed


def test_what_somebody_set_again_to_the_same_stays() -> None:
    zone_make(mode="open", per_minute=60)
    paused = update(mode="paused", per_minute=10)
    update(mode="open")
    again = update(mode="paused")  # by somebody else, who knows why
    assert undo(paused) == ["mode"]
    assert (row().mode, row().per_minute) == ("paused", 60)
    assert undo(again) == []
    assert row().mode == "open"


def test_where_all_was_set_again_the_undo_is_a_conflict_that_tells_of_it() -> None:
    zone_make(mode="open")
    paused = update(mode="paused")
    others = [update(mode="open"), update(mode="paused")]
    with pytest.raises(services.Conflict) as refused:
        undo(paused)
    assert refused.value.changes == others[::-1]
    assert row().mode == "paused"


def test_what_was_set_and_taken_back_since_is_as_if_it_had_not_been() -> None:
    zone_make(mode="open")
    paused = update(mode="paused")
    undo(update(mode="open"))
    assert undo(paused) == []
    assert row().mode == "open"


OTHERWISE = {"mode": {"open": "paused", "paused": "open"}, "message": {"": "Soon", "Soon": ""}}
Stack = tuple[int, ...]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sets(st.sampled_from(list(OTHERWISE)), min_size=1), st.integers(0, 3)), max_size=9))
def test_an_undo_sets_back_what_nobody_has_set_since(steps: list[set[str] | int]) -> None:
    """Each field is a stack of the changes that set it; an undo takes one off, or puts it back.

    What a change may set back are the fields whose stack is as the change left it. Steps: fields that get their other
    value, or the undo of so recent a change.
    """
    Zone.objects.all().delete()
    ZoneChange.objects.all().delete()
    zone_make(mode="open")
    stacks: dict[str, Stack] = dict.fromkeys(services.CHANGEABLE, ())
    around: dict[int, dict[str, tuple[Stack, Stack]]] = {}  # change -> field -> its stack before and after
    for step in steps:
        if isinstance(step, set):
            zone = row()
            note = update(**{name: OTHERWISE[name][getattr(zone, name)] for name in step})
            around[note.pk] = {name: (stacks[name], (*stacks[name], note.pk)) for name in note.after}
        else:
            found = changes_of("concert", 50)
            change = found[step % len(found)]
            left = {name for name, (_was, now) in around.get(change.pk, {}).items() if stacks[name] == now}
            may = change.can_be_undone and bool(left)
            try:
                stayed = undo(change)
            except (NotUndoable, services.Conflict):
                assert not may
                continue
            assert may
            assert set(stayed) == set(change.before) - left
            note = changes_of("concert")[0]
            around[note.pk] = {name: (stacks[name], around[change.pk][name][0]) for name in left}
        stacks |= {name: now for name, (_was, now) in around[note.pk].items()}
