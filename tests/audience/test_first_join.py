"""When a tab first came: kept by whoever holds it, through every change of connection and every loss of Redis."""

import pytest

from apps.audience import edge as edges
from apps.audience import pulse as pulses
from apps.realtime.redis import sync_client
from tests.audience.seats import REPLACED, Process, WatchSeat
from tests.audience.stage import NOON, Stage, both, tab

pytestmark = both

MINUTE = 60_000
HOUR = 60 * MINUTE


class Clock:
    """What time it is for server processes, in ms after noon."""

    at = 0

    def __call__(self) -> int:
        return NOON + self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(edges, "epoch_ms", clock)
    monkeypatch.setattr(pulses, "epoch_ms", clock)
    return clock


def joined(stage: Stage) -> int:
    """When the tab t1 came, as Redis has it."""
    return int(stage.dump()["live:sessions"]["t1"].split("|")[1]) - NOON


def expire(stage: Stage, clock: Clock) -> None:
    """Its server is not heard of for more than a minute."""
    clock.at += MINUTE + 1
    stage.at = clock.at
    assert stage.sweep()[1] == 1


async def moved(clock: Clock) -> tuple[Process, Process, WatchSeat]:
    """A tab that came at noon, and at one o'clock to another process."""
    first, second = Process(), Process()
    first.join("ann", "t1")
    await first.edge.flush()
    clock.at = HOUR
    seat = second.join("ann", "t1")
    await second.edge.flush()
    return first, second, seat


async def test_who_takes_a_tab_over_learns_when_it_came(stage: Stage, clock: Clock) -> None:
    first, second, seat = await moved(clock)
    assert (joined(stage), seat.session.joined_ms) == (0, NOON)
    # The process that had it does not take it back, and has nothing to tell of it.
    held = first.stream.seats["t1"]
    await first.pulse.announce([first.stream])
    assert isinstance(held, WatchSeat)
    assert (held.dismissed, seat.dismissed, joined(stage)) == ([REPLACED], [], 0)
    await second.pulse.announce([second.stream])
    assert (joined(stage), seat.session.joined_ms) == (0, NOON)


async def test_a_heartbeat_after_silence_goes_on_from_the_first_join(stage: Stage, clock: Clock) -> None:
    _, second, seat = await moved(clock)
    clock.at = 3 * HOUR
    await second.pulse.announce([second.stream])
    expire(stage, clock)
    await second.pulse.announce([second.stream])
    assert joined(stage) == 0
    clock.at = 4 * HOUR
    second.edge.leave(seat)
    await second.edge.flush()
    # Of one key, so the second takes the first one's place in the table.
    assert stage.dump()["live:past"] == [
        f"t1|{NOON + 3 * HOUR}|expired|{NOON}|ann",
        f"t1|{NOON + 4 * HOUR}|left|{NOON}|ann",
    ]


async def test_a_wiped_redis_is_told_of_the_first_join(stage: Stage, clock: Clock) -> None:
    _, second, seat = await moved(clock)
    sync_client().flushall()
    await second.pulse.announce([second.stream])
    assert joined(stage) == 0
    # As a promoted replica that has not heard of everything would: the earlier of the two is true.
    sync_client().hset(stage.key("live:sessions"), "t1", f"{seat.session.owner}|{NOON + 5}|ann")
    await second.pulse.announce([second.stream])
    assert joined(stage) == 0
    sync_client().hset(stage.key("live:sessions"), "t1", f"{seat.session.owner}|{NOON - 5}|ann")
    await second.pulse.announce([second.stream])
    assert (joined(stage), seat.session.joined_ms) == (-5, NOON - 5)


async def test_a_tab_that_changes_its_connection_here_goes_on_though_redis_forgot(stage: Stage, clock: Clock) -> None:
    """A phone changes its network and comes to the same process, twice, and Redis does not know it any more."""
    process = Process()
    process.join("ann", "t1")
    await process.edge.flush()
    sync_client().flushall()
    clock.at = HOUR
    process.join("ann", "t1")
    clock.at = 2 * HOUR
    process.join("ann", "t1")
    await process.edge.flush()
    assert joined(stage) == 0


async def test_an_arrival_after_an_absence_begins_anew(stage: Stage, clock: Clock) -> None:
    first, second = Process(), Process()
    first.join("ann", "t1")
    await first.edge.flush()
    expire(stage, clock)
    clock.at = HOUR
    seat = second.join("ann", "t1")
    await second.edge.flush()
    assert (joined(stage), seat.session.joined_ms) == (HOUR, None)


def test_every_one_of_many_that_were_taken_over_is_told_of(stage: Stage) -> None:
    early = [tab(f"t{n}", f"v{n}", connected=n) for n in range(500)]
    stage.arrive(*early[:400])
    late = [tab(f"t{n}", f"v{n}", connected=HOUR, server="two") for n in range(500)]
    stage.arrive(*late, server="two")
    assert stage.earlier == {f"t{n}": NOON + n for n in range(400)}
    stage.beat(*late, server="two")
    assert stage.earlier == {f"t{n}": NOON + n for n in range(400)}
    stage.beat(*early)  # that have nothing to say any more
    assert stage.earlier == {}
