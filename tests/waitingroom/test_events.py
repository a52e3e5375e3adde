"""Schedules that a zone may be given: none that has passed, none that overlaps a pre-queue that runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone, translation

from apps.waitingroom import services
from apps.waitingroom.changes import change_undo
from apps.waitingroom.models import Zone, ZoneChange
from tests.waitingroom.zones import told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

NOW = timezone.now().replace(microsecond=0)
HOUR = timedelta(hours=1)
PASSED = "This moment has passed: choose one that is yet to come."


def scheduled(opens_at: datetime | None, prequeue_from: datetime | None = None) -> Zone:
    """A zone with this schedule, whatever it is: it was given in time."""
    zone = zone_make(opens_at=NOW + 9 * HOUR)
    Zone.objects.filter(pk=zone.pk).update(opens_at=opens_at, prequeue_from=prequeue_from)
    return Zone.objects.get(pk=zone.pk)


def change(**changes: Any) -> Zone:
    version = Zone.objects.get(pk="concert").version
    return services.zone_update(actor=None, zone_id="concert", expected_version=version, **changes)


def refused(**changes: Any) -> dict[str, list[str]]:
    """What is told of a change that may not be; nothing has changed then."""
    before, notes, gates = Zone.objects.get(pk="concert").rules(), ZoneChange.objects.count(), told()
    with pytest.raises(ValidationError) as error:
        change(**changes)
    assert (Zone.objects.get(pk="concert").rules(), ZoneChange.objects.count(), told()) == (before, notes, gates)
    return error.value.message_dict


@pytest.mark.parametrize("prequeue_from", [None, NOW - 2 * HOUR])
def test_an_event_that_has_passed_is_refused(prequeue_from: datetime | None) -> None:
    with pytest.raises(ValidationError) as error:
        zone_make(opens_at=NOW - HOUR, prequeue_from=prequeue_from)
    assert error.value.message_dict == {"opens_at": [PASSED]}
    assert not Zone.objects.exists()
    zone_make()
    assert refused(opens_at=NOW - HOUR, prequeue_from=prequeue_from) == {"opens_at": [PASSED]}


def test_an_event_that_is_to_come_or_begins_its_prequeue_now_is_right() -> None:
    zone_make()
    change(opens_at=NOW + 2 * HOUR, prequeue_from=NOW + HOUR)
    change(opens_at=NOW + 3 * HOUR, prequeue_from=NOW + 2 * HOUR)
    begins = timezone.now().replace(second=0, microsecond=0)
    change(opens_at=NOW + HOUR, prequeue_from=begins)  # places are drawn from this moment on
    assert told()["concert"].prequeue_from_ms == int(begins.timestamp() * 1000)


def test_a_prequeue_that_would_have_begun_before_it_was_set_is_refused() -> None:
    late: dict[str, Any] = {"opens_at": NOW + HOUR, "prequeue_from": NOW - timedelta(minutes=3)}
    with pytest.raises(ValidationError) as error:
        zone_make(**late)
    assert error.value.message_dict == {"prequeue_from": [PASSED]}
    zone_make()
    assert refused(**late) == {"prequeue_from": [PASSED]}
    change(opens_at=NOW + HOUR)
    assert refused(prequeue_from=NOW - timedelta(minutes=3)) == {"prequeue_from": [PASSED]}


def test_a_new_opening_does_not_take_over_the_prequeue_of_one_that_was() -> None:
    scheduled(NOW - HOUR, NOW - 2 * HOUR)
    assert refused(opens_at=NOW + HOUR) == {"prequeue_from": [PASSED]}
    change(opens_at=NOW + HOUR, prequeue_from=None)


def test_a_prequeue_that_runs_and_was_called_off_by_mistake_can_be_brought_back() -> None:
    scheduled(NOW + HOUR, NOW - HOUR)
    called_off = change(opens_at=None, prequeue_from=None)
    note = ZoneChange.objects.order_by("-pk")[0]
    back = change_undo(actor=None, change_id=note.pk, expected_version=called_off.version).zone
    assert (back.opens_at, back.prequeue_from) == (NOW + HOUR, NOW - HOUR)


def test_a_zone_that_has_opened_can_be_changed_and_scheduled_anew() -> None:
    scheduled(NOW - HOUR, NOW - 2 * HOUR)
    change(per_minute=5)
    assert refused(opens_at=NOW - HOUR / 2) == {"opens_at": [PASSED]}
    assert refused(prequeue_from=NOW - 3 * HOUR) == {
        "prequeue_from": ["The zone has opened: a pre-queue needs a new opening."]
    }
    change(prequeue_from=None)
    change(opens_at=NOW + HOUR)
    change(opens_at=None)


def test_while_a_prequeue_runs_it_may_be_moved_or_called_off_but_not_overlapped() -> None:
    scheduled(NOW + HOUR, NOW - HOUR)
    with translation.override("en"):
        said = refused(opens_at=NOW + 3 * HOUR, prequeue_from=NOW + 2 * HOUR)
    (text,) = said["prequeue_from"]
    assert list(said) == ["prequeue_from"]
    assert text.startswith("A pre-queue has been running here since ")
    assert text.endswith(". Move its opening, or take the event away first.")
    assert list(refused(prequeue_from=None)) == ["prequeue_from"]
    assert list(refused(prequeue_from=NOW - HOUR / 2)) == ["prequeue_from"]
    change(opens_at=NOW + 2 * HOUR)  # half an hour late, or an hour
    change(mode="paused")
    change(opens_at=None, prequeue_from=None)
    change(opens_at=NOW + 3 * HOUR, prequeue_from=NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"per_minute": -1}, "per_minute"),
        ({"per_minute": 10_000_001}, "per_minute"),
        ({"per_minute": 2**80}, "per_minute"),
        ({"opens_at": NOW + HOUR, "prequeue_from": NOW + HOUR}, "prequeue_from"),
        ({"prequeue_from": NOW + HOUR}, "prequeue_from"),
        ({"opens_at": datetime(2300, 1, 1, tzinfo=UTC)}, "opens_at"),
    ],
)
def test_what_breaks_a_limit_is_told_by_its_field(changes: dict[str, Any], field: str) -> None:
    zone_make()
    assert list(refused(**changes)) == [field]


def test_n_may_be_zero_and_as_large_as_a_gate_bears() -> None:
    zone_make()
    assert change(per_minute=0).rules() == told()["concert"]
    assert change(per_minute=10_000_000).rules() == told()["concert"]
