"""The managers' pages while nobody can tell who may look: they stay for half a minute, and no longer."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from prometheus_client import REGISTRY

from apps.accounts.models import User
from apps.waitingroom.manage import reading
from apps.waitingroom.manage.access import standing
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.models import Role, ZoneManager
from apps.waitingroom.role_services import manager_remove, manager_set
from tests.services.waiting import eventually_async
from tests.waitingroom.managing import closing, frame, in_thread, person, session_of, watching
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


class Clock:
    """Seconds that pass when they are told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(by_hand: Feed, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Feed:
    """By this clock, which ticks when it is told to."""
    monkeypatch.setattr(by_hand, "_ticks", clock)
    monkeypatch.setattr(by_hand.reading, "_ticks", clock)
    return by_hand


@pytest.fixture
def hers(transactional_db: None, redis_url: str) -> str:
    """Mina's session; she looks at the concert."""
    mina: User = person("mina")
    zone_make(app="shop")
    manager_set(actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
    return session_of(mina)


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """What a reading that hangs waits for; it is let go at the end."""
    event = threading.Event()
    yield event
    event.set()


async def seated(feed: Feed) -> bool:
    return len(feed.seats()) == 1


def failures() -> float:
    return REGISTRY.get_sample_value("fullhouse_gate_loop_failures_total", {"loop": "manage_reading"}) or 0.0


async def test_what_nobody_told_of_is_noticed_within_five_seconds(feed: Feed, hers: str, clock: Clock) -> None:
    async with watching("wall/", hers) as one:
        await eventually_async(lambda: seated(feed))
        for _ in range(2):
            await feed.tick()
            await feed.reading.settle()
        await frame(one)
        await in_thread(ZoneManager.objects.all().delete)
        for _ in range(5):
            clock.now += 1
            await feed.tick()
            await feed.reading.settle()
        assert await closing(one) == (4403, "role_removed")


@pytest.mark.parametrize("error", [OperationalError("server has gone away"), ValueError("no such mode: later")])
@pytest.mark.parametrize("path", ["wall/", "zones/concert/"])
async def test_nobody_stays_for_longer_than_half_a_minute_unverified(
    feed: Feed, hers: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, path: str, error: Exception
) -> None:
    """Redis is there all the time, so figures go on; the database is not, so nobody knows whether a role was taken."""

    def away(_people: Any) -> Any:
        raise error

    async with watching(path, hers) as one:
        await eventually_async(lambda: seated(feed))
        for _ in range(2):
            await feed.tick()
            await feed.reading.settle()
        await frame(one)
        monkeypatch.setattr(reading, "standing", away)
        before = failures()
        for _ in range(30):
            clock.now += 1
            await feed.tick()
            await feed.reading.settle()
        assert not feed.reading.is_blind
        assert failures() > before
        clock.now += 1
        await feed.tick()
        await feed.reading.settle()
        assert await closing(one) == (1013, "unverified")


async def test_a_reading_that_hangs_counts_as_none(
    feed: Feed, hers: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, hold: threading.Event
) -> None:
    real = standing

    def hanging(people: Any) -> Any:
        assert hold.wait(30)
        return real(people)

    async with watching("wall/", hers) as one:
        await eventually_async(lambda: seated(feed))
        for _ in range(2):
            await feed.tick()
            await feed.reading.settle()
        await frame(one)
        monkeypatch.setattr(reading, "standing", hanging)
        for _ in range(30):
            clock.now += 1
            await feed.tick()
        assert not feed.reading.is_blind
        clock.now += 1
        await feed.tick()
        assert await closing(one) == (1013, "unverified")
        hold.set()
        await feed.reading.settle()


async def test_what_was_read_is_as_old_as_its_reading(
    feed: Feed, hers: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roles that took 20 s to read were right 20 s ago."""
    real = standing

    def slow(people: Any) -> Any:
        found = real(people)
        clock.now += 20
        return found

    def away(_people: Any) -> Any:
        raise OperationalError("server has gone away")

    async with watching("wall/", hers) as one:
        await eventually_async(lambda: seated(feed))
        monkeypatch.setattr(reading, "standing", slow)
        await feed.tick()
        await feed.reading.settle()
        monkeypatch.setattr(reading, "standing", away)
        for _ in range(11):
            assert not feed.reading.is_blind
            clock.now += 1
            await feed.tick()
            await feed.reading.settle()
        assert await closing(one) == (1013, "unverified")


# --- when something else cannot be read -------------------------------------------------------------------------------


def broken(*_asked: Any) -> Any:
    raise ValueError("'later' is not a valid Mode")


@pytest.mark.parametrize(
    ("path", "what"),
    [("wall/", "facts_read"), ("zones/concert/", "facts_read"), ("zones/concert/", "written_read")],
)
async def test_whoever_may_look_stays_whatever_else_cannot_be_read(
    feed: Feed, hers: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, path: str, what: str
) -> None:
    """A row that a newer release wrote, in a rolling deployment: roles are read well all the time."""
    monkeypatch.setattr(reading, what, broken)
    async with watching(path, hers) as one:
        await eventually_async(lambda: seated(feed))
        before = failures()
        for _ in range(40):
            clock.now += 1
            await feed.tick()
            await feed.reading.settle()
        assert failures() > before
        assert not feed.reading.is_blind
        assert len(feed.seats()) == 1
        # And who loses the role meanwhile is seen out.
        manager = await in_thread(ZoneManager.objects.get)
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        await feed.tick()
        await feed.reading.settle()
        assert await closing(one) == (4403, "role_removed")


async def test_a_reading_that_hangs_holds_up_nobody_at_the_door(
    feed: Feed, hers: str, monkeypatch: pytest.MonkeyPatch, hold: threading.Event
) -> None:
    real, hangs = standing, threading.Event()

    def hanging(people: Any) -> Any:
        hangs.set()
        assert hold.wait(30)
        return real(people)

    async def two_are_seated() -> bool:
        return len(feed.seats()) == 2

    monkeypatch.setattr(reading, "standing", hanging)
    async with watching("wall/", hers):
        await eventually_async(lambda: seated(feed))
        await feed.tick()
        await asyncio.to_thread(hangs.wait, 5)
        async with watching("wall/", hers):
            await eventually_async(two_are_seated)
        assert not hold.is_set()
        hold.set()
        await feed.reading.settle()
