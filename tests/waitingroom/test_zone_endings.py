"""Zones that are cleared and deleted, and streams that stand behind them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.streams.models import Stream, StreamStatus
from apps.streams.services import broadcaster_ensure, category_ensure, stream_end, stream_start
from apps.waitingroom import services, store
from apps.waitingroom.models import Zone, ZoneStatistic
from apps.waitingroom.rules import MAX_OVER
from tests.analytics.house import at_once
from tests.services.both import on_both
from tests.waitingroom.zones import ask, crowd_join, known_version, line_of, row, tidings, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
TOMORROW = timezone.now() + timedelta(days=1)


# --- clearing and deleting ----------------------------------------------------------------------------------------


@on_both
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


@on_both
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
