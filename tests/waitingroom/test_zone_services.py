"""Writes to zones: counted, published after they are committed, made good when Redis was away, never half done."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client import REGISTRY

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.realtime.redis import sync_client
from apps.streams.models import Stream, StreamStatus
from apps.streams.services import broadcaster_ensure, category_ensure, stream_end, stream_start
from apps.waitingroom import services, store
from apps.waitingroom.models import Zone, ZoneStatistic
from apps.waitingroom.rules import MAX_OVER, Mode
from tests.analytics.house import at_once
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import ask, crowd_join, known_version, line_of, tidings, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

TOMORROW = timezone.now() + timedelta(days=1)
BOTH = pytest.mark.parametrize(
    "redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True
)


@pytest.fixture
def mina(transactional_db: None) -> User:
    return user_register(username="mina", password="a long enough pass")


def row(zone_id: str = "concert") -> Zone:
    return Zone.objects.get(pk=zone_id)


def failures() -> float:
    return REGISTRY.get_sample_value("fullhouse_zone_publish_failures_total") or 0.0


# --- making -------------------------------------------------------------------------------------------------------


@BOTH
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


@BOTH
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


# --- clearing and deleting ----------------------------------------------------------------------------------------


@BOTH
def test_a_cleared_line_is_empty_and_its_tickets_are_void(redis_url: str, mina: User) -> None:
    first = zone_make(per_minute=60)
    crowd_join(first, 100)
    cleared = services.zone_clear(actor=mina, zone_id="concert")
    saved = row()
    assert (saved.epoch > first.epoch, saved.version > first.version, saved.updated_by) == (True, True, mina)
    assert cleared.rules() == saved.rules()
    assert told() == {"concert": saved.rules()}
    line = line_of("concert")
    assert line is not None
    assert (line.epoch, line.waiting) == (saved.epoch, 0)
    assert crowd_join(first, 1, batch=2).status == "epoch"
    # The minute still counts who entered before: nobody enters at once.
    again = crowd_join(saved, 5, batch=3)
    assert (again.status, again.entered) == ("ok", 0)


def test_clearing_twice_at_once_clears_twice() -> None:
    first = zone_make()

    def clear(meet: Callable[[], object]) -> int:
        meet()
        services.zone_clear(actor=None, zone_id="concert")
        return 1

    assert at_once(clear) == [1, 1]
    assert row().epoch >= first.epoch + 2
    assert told() == {"concert": row().rules()}


@BOTH
def test_a_deleted_zone_is_gone_from_redis_and_its_past_stays(redis_url: str) -> None:
    first = zone_make()
    crowd_join(first, 100)
    ZoneStatistic.objects.create(
        zone_id="concert",
        minute=datetime(2026, 1, 1, tzinfo=UTC),
        **dict.fromkeys(("joins", "entries", "evicted", "left", "refused", "would_wait", "waiting"), 1),
    )
    assert services.zone_delete(zone_id="concert") is True
    assert not Zone.objects.exists()
    assert (told(), line_of("concert"), known_version("concert")) == ({}, None, 0)
    assert tidings() == 2
    assert ZoneStatistic.objects.count() == 1


def test_a_zone_made_again_under_an_old_id_is_another_one() -> None:
    first = zone_make()
    crowd_join(first, 100)
    later = services.zone_clear(actor=None, zone_id="concert")
    services.zone_delete(zone_id="concert")
    ask(store.publish(later.rules(), fresh=True))  # a gate that had not heard yet put the line back
    Zone.objects.all().delete()
    second = zone_make()
    if second.epoch <= later.epoch:  # made within the second in which the old line was cleared
        second = services.zone_clear(actor=None, zone_id="concert")
    line = line_of("concert")
    assert line is not None
    assert (line.epoch, line.waiting) == (second.epoch, 0)
    assert crowd_join(first, 1, batch=2).status == "epoch"


def stream_behind(zone: Zone) -> Stream:
    broadcaster = broadcaster_ensure(name="Jun", slug="jun")
    category = category_ensure(slug="talk", name="Talk")
    return stream_start(broadcaster=broadcaster, category=category, title="A talk", zone=zone)


def test_a_zone_before_a_live_stream_stays() -> None:
    first = zone_make()
    stream_behind(first)
    with pytest.raises(services.ZoneInUse):
        services.zone_delete(zone_id="concert")
    assert row().rules() == first.rules()
    assert told() == {"concert": first.rules()}
    assert Stream.objects.get().zone_id == "concert"


def test_a_stream_that_has_ended_lets_its_zone_go() -> None:
    stream = stream_behind(zone_make())
    stream_end(stream=stream)
    assert services.zone_delete(zone_id="concert") is True
    stream.refresh_from_db()
    assert (stream.zone_id, stream.status) == (None, StreamStatus.ENDED)


def test_gates_are_told_for_a_day_of_the_streams_that_ended_behind_a_zone() -> None:
    first, other = zone_make(), zone_make("other")
    streams = []
    for _ in range(MAX_OVER + 2):
        streams.append(stream_behind(first))
        assert told()["concert"].over == tuple(each.get_absolute_url() for each in streams[-2::-1][:MAX_OVER])
        stream_end(stream=streams[-1])
    newest = tuple(each.get_absolute_url() for each in reversed(streams))
    assert told() == {"concert": replace(first.rules(), over=newest[:MAX_OVER]), "other": other.rules()}
    assert services.zones_publish_all() == (0, 0)
    Stream.objects.exclude(pk=streams[3].pk).update(ended_at=timezone.now() - timedelta(days=1))
    assert services.zones_publish_all() == (1, 0)
    assert told()["concert"].over == (streams[3].get_absolute_url(),)


def test_a_stream_that_goes_live_while_its_zone_is_deleted_keeps_one_or_the_other_away() -> None:
    first = zone_make()
    category_ensure(slug="talk", name="Talk")
    broadcaster_ensure(name="Jun", slug="jun")

    def delete(meet: Callable[[], object]) -> str:
        meet()
        return "deleted" if services.zone_delete(zone_id="concert") else "?"

    def start(meet: Callable[[], object]) -> str:
        meet()
        stream_behind(first)
        return "live"

    turns = iter([delete, start])
    results = at_once(lambda meet: next(turns)(meet))
    is_live = Stream.objects.filter(status=StreamStatus.LIVE).exists()
    assert Zone.objects.exists() == is_live
    assert ("live" in results, "deleted" in results) == (is_live, not is_live)
    assert [stream.zone_id for stream in Stream.objects.all()] == (["concert"] if is_live else [])


# --- publishing ---------------------------------------------------------------------------------------------------


def test_nothing_is_told_before_the_commit_and_nothing_of_what_was_rolled_back() -> None:
    first = zone_make(per_minute=60)

    def change_and_fail() -> None:
        with transaction.atomic():
            services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
            zone_make("other")
            services.zone_clear(actor=None, zone_id="concert")
            services.zone_delete(zone_id="concert")
            assert (told(), tidings()) == ({"concert": first.rules()}, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert row().rules() == first.rules()
    assert (told(), tidings(), known_version("concert")) == ({"concert": first.rules()}, 1, first.version)
    assert connection.in_atomic_block is False


def test_what_was_saved_together_is_told_together() -> None:
    first = zone_make(per_minute=60)
    with transaction.atomic():
        second = services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
        services.zone_update(actor=None, zone_id="concert", expected_version=second.version, mode="blocked")
    assert (told()["concert"].per_minute, told()["concert"].mode) == (90, Mode.BLOCKED)
    assert known_version("concert") == row().version


def test_a_save_stands_without_redis_and_the_repair_makes_it_good(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    first = zone_make("first", per_minute=60)
    doomed = zone_make("doomed")
    private_redis.stop()
    failed = failures()
    services.zone_update(actor=None, zone_id="first", expected_version=first.version, per_minute=90)
    zone_make("second")
    services.zone_delete(zone_id=doomed.pk)
    assert (row("first").per_minute, Zone.objects.count()) == (90, 2)
    assert failures() == failed + 3
    private_redis.start()
    assert services.zones_publish_all() == (2, 0)  # this Redis kept nothing
    assert told() == {zone_id: row(zone_id).rules() for zone_id in ("first", "second")}
    assert known_version("first") == row("first").version


@BOTH
def test_the_repair_gives_a_wiped_redis_its_rules_but_opens_no_line(redis_url: str) -> None:
    zones = [zone_make(f"z{number}") for number in range(3)]
    crowd_join(zones[0], 100)
    for key in list(sync_client().scan_iter("*")):
        sync_client().delete(key)
    assert services.zones_publish_all() == (3, 0)
    assert told() == {zone.pk: zone.rules() for zone in zones}
    assert [known_version(zone.pk) for zone in zones] == [zone.version for zone in zones]
    assert [line_of(zone.pk) for zone in zones] == [None] * 3
    assert crowd_join(zones[0], 1, batch=2).status == "lost"


def test_a_repair_of_what_is_right_tells_nobody() -> None:
    first = zone_make()
    crowd_join(first, 100)
    assert tidings() == 1
    assert services.zones_publish_all() == (0, 0)
    assert services.zones_publish_all() == (0, 0)
    assert (tidings(), told()) == (1, {"concert": first.rules()})
    line = line_of("concert")
    assert line is not None
    assert line.waiting == 40


def test_the_repair_mends_what_is_wrong_and_takes_out_strays() -> None:
    first, second = zone_make("first"), zone_make("second")
    zone_make("stray")
    Zone.objects.filter(pk="stray").delete()
    ask(("HSET", store.CATALOG, "first", "no rules"))
    ask(("HSET", store.CATALOG, "second", first.rules().to_json()))
    ask(("DEL", "line:{second}:rules"))
    assert services.zones_publish_all() == (2, 1)
    assert told() == {"first": first.rules(), "second": second.rules()}
    assert known_version("second") == second.version
    assert line_of("stray") is None


def test_the_repair_never_puts_older_rules_over_newer_ones() -> None:
    first = zone_make(per_minute=60)
    newer = services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
    # As a repair finds it that read the row a moment before the change.
    Zone.objects.filter(pk="concert").update(version=first.version, per_minute=60)
    assert services.zones_publish_all() == (0, 0)
    assert told() == {"concert": newer.rules()}
    assert known_version("concert") == newer.version


def test_a_row_from_an_old_backup_wins_with_its_next_change() -> None:
    zone_make(per_minute=60)
    Zone.objects.update(version=5, per_minute=50)
    services.zone_update(actor=None, zone_id="concert", expected_version=5, per_minute=40)
    assert told()["concert"].per_minute == 40
    assert known_version("concert") == row().version


def test_one_bad_row_or_key_does_not_keep_the_others_from_being_told() -> None:
    zone_make("bad-key")
    zone_make("bad-row")
    good = zone_make("good")
    ask(("DEL", store.CATALOG))
    Zone.objects.filter(pk="bad-row").update(idle_s=1)
    ask(("DEL", "line:{bad-key}:rules"))
    ask(("SET", "line:{bad-key}:rules", "not a hash"))
    assert services.zones_publish_all() == (1, 0)
    assert told() == {"good": good.rules()}
