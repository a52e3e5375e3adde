"""The managers' live pages: what they are sent, and what they are told when something is away."""

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.accounts.models import User
from apps.realtime.clock import epoch_ms
from apps.waitingroom import services
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.manage.selectors import wall_now, zone_now
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.statistics import statistics_write
from tests.services.both import on_both
from tests.waitingroom.managing import (
    TOLD_WITHIN_S,
    closing,
    early_in_a_minute,
    frame,
    frame_where,
    in_thread,
    line_tell,
    session_of,
    watching,
)
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


# --- what they are sent -------------------------------------------------------------------------------------------


@on_both
async def test_the_wall_shows_all_and_then_what_changed(quick: Feed, hers: str, mina: User) -> None:
    await in_thread(zone_make, zone_id="other", app="games")
    await in_thread(zone_make, zone_id="second", app="shop")
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    concert = await in_thread(Zone.objects.get, pk="concert")
    line_tell(concert, now_ms=epoch_ms(), waiting=70, entering=42, eta=65)
    async with watching("wall/", hers) as one:
        first = await frame(one)
        assert (first["type"], first["whole"], first["gates"], first["gone"]) == ("wall", True, 1, [])
        rows = {row["zone_id"]: row for row in first["rows"]}
        assert rows.keys() == {"concert", "second"}  # and not the other
        shown = await in_thread(wall_now, user=mina)
        assert {row.zone_id: row.waiting for row in shown} == {"concert": 70, "second": 0}
        assert [shown_row.zone_id for shown_row in shown] == ["concert", "second"]
        expected = {
            "waiting": 70,
            "entering_per_minute": 42,
            "longest_wait_s": 65,
            "health": "ok",
            "state": "waiting",
            "per_minute": 60,
            "mode": "open",
            "name": "Concert",
            "app": "shop",
            "version": concert.version,
        }
        assert rows["concert"].items() >= expected.items()
        line_tell(concert, now_ms=epoch_ms(), waiting=71, entering=42, eta=66)
        next_one = await frame_where(one, lambda told: told["rows"])
        assert (next_one["whole"], [row["waiting"] for row in next_one["rows"]]) == (False, [71])


@on_both
async def test_a_change_is_told_to_the_wall(feed: Feed, hers: str, concert: Zone, mina: User) -> None:
    await in_thread(zone_make, zone_id="second")
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    async with watching("wall/", hers) as one:
        await frame(one)
        await frame(one)
        began = time.monotonic()
        await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=concert.version, per_minute=90
        )
        told = await frame_where(one, lambda told: [row["per_minute"] for row in told["rows"]] == [90])
        assert time.monotonic() - began < TOLD_WITHIN_S
        await in_thread(services.zone_delete, zone_id="concert")
        told = await frame_where(one, lambda told: told["whole"])
        assert [row["zone_id"] for row in told["rows"]] == ["second"]


@on_both
async def test_a_zone_shows_its_line_its_past_and_its_gates(quick: Feed, hers: str, concert: Zone) -> None:
    await early_in_a_minute()
    await in_thread(crowd_join, zone=concert, count=70)
    await in_thread(
        services.zone_update,
        actor=None,
        zone_id="concert",
        expected_version=concert.version,
        message="Soon",
        why="busy",
    )
    line_tell(concert, now_ms=epoch_ms(), waiting=10, called=4, entering=60, eta=12)
    async with watching("zones/concert/", hers) as one:
        first = await frame(one)
        assert (first["type"], first["whole"], first["gates_alive"]) == ("zone", True, 1)
        expected = {"zone_id": "concert", "waiting": 10, "called": 4, "message": "Soon", "longest_wait_s": 12}
        assert first.items() >= expected.items()
        assert len(first["history"]) == 30
        assert (sum(minute["joins"] for minute in first["history"]), first["history"][-1]["minute"] % 60) == (70, 0)
        funnel = {name: count for name, count in first["funnel"].items() if name != "since_ms"}
        assert funnel == {"joined": 70, "entered": 60, "left": 0, "evicted": 0}
        assert first["waits"] == {"p50": 0, "p90": 0, "p99": 0}
        assert [(gate["gate"], gate["sockets"]) for gate in first["gates"]] == [("a1", 3)]
        assert [
            (told["action"], told["after"], told["why"], told["can_be_undone"]) for told in first["changes"][:1]
        ] == [("changed", {"message": "Soon"}, "busy", True)]
        detail = await in_thread(zone_now, zone_id="concert")
        shown = asdict(detail.row) | asdict(detail.past) | {"message": detail.message, "called": detail.called}
        assert {name: first[name] for name in shown} == shown  # the page itself begins with the same
        line_tell(concert, now_ms=epoch_ms(), waiting=11, called=4, entering=60, eta=13)
        told = await frame_where(one, lambda told: told["waiting"] == 11)
        assert told["whole"] is False
        assert not told.keys() & {"history", "funnel", "waits", "changes"}  # they have not changed
        now = await in_thread(Zone.objects.get, pk="concert")
        paused = await in_thread(
            services.zone_update, actor=None, zone_id="concert", expected_version=now.version, mode="paused"
        )
        told = await frame_where(one, lambda told: told["version"] == paused.version)
        assert (told["mode"], told["changes"][0]["after"]) == ("paused", {"mode": "paused"})  # what, and who, at once


async def test_what_counts_are_read_of_is_the_day_and_what_redis_still_holds(
    quick: Feed, hers: str, concert: Zone
) -> None:
    await in_thread(crowd_join, zone=concert, count=70)
    closed = (int(time.time()) // 60 + 1) * 60 + 10
    await in_thread(statistics_write, now=datetime.fromtimestamp(closed, tz=UTC))
    await in_thread(crowd_join, zone=concert, count=5, batch=2)  # in a minute that is written already, or in the next
    detail = await in_thread(zone_now, zone_id="concert")
    assert detail.past.funnel.joined in (70, 75)
    assert sum(minute.entries for minute in detail.past.history) == detail.past.funnel.entered == 60


async def test_a_page_that_does_not_read_is_sent_everything_when_it_does(quick: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)
        (seat,) = quick.seats()

        class Slow:
            is_slow = True

        outbox, seat.outbox = seat.outbox, Slow()  # type: ignore[assignment]
        await quick.tick()
        assert seat.is_greeted is False
        seat.outbox = outbox
        assert (await frame_where(one, lambda told: told["rows"]))["whole"] is True


# --- when something is away ---------------------------------------------------------------------------------------


async def test_redis_that_is_away_is_said_once_and_all_is_sent_when_it_is_back(
    quick: Feed, private_redis: Any, use_redis: Any, transactional_db: None, mina: User
) -> None:
    use_redis(private_redis.url)
    zone = await in_thread(zone_make)
    await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
    session = await in_thread(session_of, user=mina)
    line_tell(zone, now_ms=epoch_ms(), waiting=3)
    async with watching("wall/", session) as one:
        assert (await frame(one))["rows"][0]["waiting"] == 3
        private_redis.stop()
        told = await frame_where(one, lambda told: told["type"] == "stale", within=8)
        assert abs(told["since"] - epoch_ms()) < 10_000
        private_redis.start()
        told = await frame_where(one, lambda told: told["type"] == "wall" and told["whole"], within=8)
        assert [row["zone_id"] for row in told["rows"]] == ["concert"]


async def test_a_server_that_leaves_asks_its_pages_to_come_back(quick: Feed, hers: str) -> None:
    async with watching("wall/", hers) as one:
        await frame(one)
        await quick.drain(asyncio.get_running_loop().time() + 5)
        assert (await frame_where(one, lambda told: told["type"] == "reconnect"))["within_ms"] == 5_000
        assert (await closing(one))[0] == 1012
