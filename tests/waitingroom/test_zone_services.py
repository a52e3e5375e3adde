"""Writes to zones: counted, told to gates, never half done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.waitingroom import services
from apps.waitingroom.models import Zone
from tests.analytics.house import at_once
from tests.services.both import on_both
from tests.waitingroom.zones import crowd_join, known_version, line_of, row, tidings, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

TOMORROW = timezone.now() + timedelta(days=1)


# --- making -------------------------------------------------------------------------------------------------------


@on_both
def test_a_new_zone_is_saved_told_and_its_line_open(redis_url: str, mina: User) -> None:
    before = int(timezone.now().timestamp())
    made = services.zone_create(actor=mina, zone_id="concert", name="Concert", per_minute=60, mode="queue-all")
    saved = row()
    assert (saved.name, saved.per_minute, saved.mode, saved.updated_by) == ("Concert", 60, "queue-all", mina)
    assert before <= saved.version == saved.epoch <= int(timezone.now().timestamp())
    assert told() == {"concert": saved.rules()}
    assert made.rules() == saved.rules()
    assert (tidings(), known_version("concert")) == (1, saved.version)
    line = line_of("concert")
    assert line is not None
    assert (line.epoch, line.waiting) == (saved.epoch, 0)
    assert crowd_join(saved, 5).status == "ok"


@pytest.mark.parametrize(
    "fields", [{"zone_id": "a b"}, {"per_minute": -1}, {"mode": "ajar"}, {"prequeue_from": TOMORROW}, {"name": ""}]
)
def test_a_zone_that_breaks_a_limit_is_not_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        zone_make(**{"zone_id": "concert", **fields})
    assert not Zone.objects.exists()
    assert (told(), tidings()) == ({}, 0)


@pytest.mark.parametrize("zone_id", ["concert", "CONCERT"])
def test_a_taken_id_is_refused_in_whatever_case(zone_id: str) -> None:
    first = zone_make(per_minute=60)
    with pytest.raises(ValidationError) as refused:
        zone_make(zone_id, per_minute=9)
    assert list(refused.value.message_dict) == ["zone_id"]
    assert row().per_minute == 60
    assert told() == {"concert": first.rules()}


def test_of_two_that_make_the_same_zone_at_once_one_does() -> None:
    def make(meet: Callable[[], object]) -> str:
        meet()
        return zone_make().pk

    results = at_once(make)
    assert results.count("concert") == 1
    assert [type(result) for result in results if result != "concert"] == [ValidationError]
    assert told() == {"concert": row().rules()}


@pytest.mark.parametrize("field", ["epoch", "version", "seed", "updated_by", "counted_to", "nonsense"])
def test_what_is_counted_here_is_nobodys_to_set(field: str) -> None:
    told_of: dict[str, Any] = {field: 5}
    with pytest.raises(ValueError, match=f"^{field} "):
        zone_make(**told_of)
    assert not Zone.objects.exists()
    first = zone_make()
    with pytest.raises(ValueError, match=f"^{field} "):
        services.zone_update(actor=None, zone_id="concert", expected_version=first.version, **told_of)
    assert row().rules() == first.rules()


# --- changing -----------------------------------------------------------------------------------------------------


@on_both
def test_a_change_makes_a_new_version_and_gates_are_told(redis_url: str, mina: User) -> None:
    first = zone_make(per_minute=60)
    crowd_join(first, 70)
    services.zone_update(
        actor=mina, zone_id="concert", expected_version=first.version, per_minute=90, mode="paused", message="Soon"
    )
    saved = row()
    assert (saved.per_minute, saved.mode, saved.message, saved.updated_by) == (90, "paused", "Soon", mina)
    assert saved.version > first.version
    assert (saved.epoch, saved.slowed_at) == (first.epoch, None)
    assert (saved.updated_at > first.updated_at, saved.created_at) == (True, first.created_at)
    assert told() == {"concert": saved.rules()}
    assert (tidings(), known_version("concert")) == (2, saved.version)
    line = line_of("concert")
    assert line is not None
    assert line.waiting == 10  # a change of rules leaves the line as it is


def test_a_change_to_what_is_so_already_changes_nothing(mina: User) -> None:
    first = zone_make(per_minute=60)
    services.zone_update(actor=mina, zone_id="concert", expected_version=first.version, per_minute=60)
    saved = row()
    assert (saved.version, saved.updated_by, saved.updated_at) == (first.version, None, first.updated_at)
    assert tidings() == 1


def test_lowering_n_is_remembered_for_those_who_wait(mina: User) -> None:
    first = zone_make(per_minute=60)
    before = timezone.now()
    lowered = services.zone_update(actor=mina, zone_id="concert", expected_version=first.version, per_minute=59)
    slowed = row().slowed_at
    assert slowed is not None
    assert before <= slowed <= timezone.now()
    assert told()["concert"].slowed_at_ms == int(slowed.timestamp() * 1000)
    services.zone_update(actor=mina, zone_id="concert", expected_version=lowered.version, per_minute=200)
    assert row().slowed_at == slowed


@pytest.mark.parametrize("change", [{"per_minute": 10_000_001}, {"idle_s": 10, "poll_ms": 6_000}, {"origins": "no"}])
def test_a_change_beyond_a_limit_changes_nothing(change: dict[str, Any]) -> None:
    first = zone_make()
    with pytest.raises(ValidationError):
        services.zone_update(actor=None, zone_id="concert", expected_version=first.version, **change)
    assert row().rules() == first.rules()
    assert (told(), tidings()) == ({"concert": first.rules()}, 1)


def test_who_saw_an_older_version_is_refused(mina: User) -> None:
    first = zone_make(per_minute=60)
    second = services.zone_update(actor=mina, zone_id="concert", expected_version=first.version, per_minute=70)
    with pytest.raises(services.Conflict) as refused:
        services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=10)
    assert (refused.value.zone.version, refused.value.zone.per_minute) == (second.version, 70)
    assert (row().per_minute, row().updated_by) == (70, mina)
    assert (told()["concert"].per_minute, tidings()) == (70, 2)


def test_two_at_once_without_the_guard_lose_a_change() -> None:
    """The race is real: read the row, look at its version, save it."""
    first = zone_make(per_minute=60)

    def look_then_save(meet: Callable[[], object]) -> int:
        zone = row()
        assert zone.version == first.version
        meet()
        zone.per_minute += 1
        zone.version += 1
        zone.save()
        return zone.version

    assert at_once(look_then_save) == [first.version + 1, first.version + 1]
    assert row().per_minute == 61


def test_of_two_changes_at_once_one_is_refused() -> None:
    first = zone_make(per_minute=60)

    def change(meet: Callable[[], object]) -> int:
        meet()
        services.zone_update(
            actor=None, zone_id="concert", expected_version=first.version, per_minute=row().per_minute + 1
        )
        return 1

    results = at_once(change, times=4)
    assert results.count(1) == 1
    assert [type(result) for result in results if result != 1] == [services.Conflict] * 3
    assert row().per_minute == 61
    assert told() == {"concert": row().rules()}


def test_a_zone_that_is_gone_cannot_be_changed() -> None:
    with pytest.raises(Zone.DoesNotExist):
        services.zone_update(actor=None, zone_id="nowhere", expected_version=1, per_minute=5)
    with pytest.raises(Zone.DoesNotExist):
        services.zone_clear(actor=None, zone_id="nowhere")
    assert services.zone_delete(zone_id="nowhere") is False
    assert not Zone.objects.exists()
    assert told() == {}


# --- the draw -----------------------------------------------------------------------------------------------------


def test_the_seed_is_drawn_with_the_first_schedule_and_kept(mina: User) -> None:
    first = zone_make()
    assert first.seed == 0
    second = services.zone_update(actor=mina, zone_id="concert", expected_version=first.version, opens_at=TOMORROW)
    seed = row().seed
    assert 1 <= seed < 2**53
    assert told()["concert"].seed == seed
    later = TOMORROW + timedelta(hours=1)
    third = services.zone_update(
        actor=mina, zone_id="concert", expected_version=second.version, opens_at=later, prequeue_from=TOMORROW
    )
    fourth = services.zone_update(
        actor=mina, zone_id="concert", expected_version=third.version, opens_at=None, prequeue_from=None
    )
    services.zone_update(actor=mina, zone_id="concert", expected_version=fourth.version, opens_at=later)
    assert row().seed == seed


def test_seeds_differ_from_zone_to_zone() -> None:
    assert len({zone_make(f"z{n}", opens_at=TOMORROW).seed for n in range(5)}) == 5


def test_a_cleared_line_is_drawn_anew() -> None:
    first = zone_make(opens_at=TOMORROW)
    cleared = services.zone_clear(actor=None, zone_id="concert")
    assert cleared.seed not in (0, first.seed)
