"""One zone at one gate, with a real Redis: joins, polls, claims and leaves."""

import asyncio

import pytest

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.outcomes import NOWHERE, Outcome
from apps.waitingroom.replies import stats_read
from apps.waitingroom.rules import Mode
from tests.realtime.peers import turns
from tests.services.waiting import eventually_async

from .gate import CONCERT, line_of, zone_change, zone_open
from .gates import Gate, ask, ticket
from .line_stage import both

MANY = 600  # sixty a window: whoever waits is called when the line is next read


def standing(outcomes: list[Outcome]) -> list[tuple[str, int, int]]:
    return [(outcome.state, outcome.place, outcome.rank) for outcome in outcomes]


@both
async def test_a_burst_enters_and_the_rest_stands_in_line(redis_url: str) -> None:
    zone_open(per_minute=3)
    gate = Gate()
    keeper = await gate.zone()
    outcomes = await gate.join(keeper, 6)
    assert standing(outcomes) == [
        *(("admitted", place, 0) for place in range(3)),
        *(("waiting", place, place - 2) for place in range(3, 6)),
    ]
    assert all(
        each.can_enter and each.entered_ms == each.joined_ms and each.client == "client" for each in outcomes[:3]
    )
    window = outcomes[0].entered_ms // 6_000
    assert keeper.snapshot is not None
    for number, outcome in enumerate(outcomes[3:]):
        # Nobody before the burst's window is out of the minute; then shares of 0 0 0 1 0 0 1 0 0 1.
        shares = [later for later in range(window + 10, window + 30) if later % 10 in (3, 6, 9)]
        assert outcome.eta_s is not None
        due_s = shares[number] * 6 - keeper.clock.now_ms() / 1_000
        assert 0 <= outcome.eta_s - due_s < 2.5  # rounded up, and told a moment ago
    assert (await keeper.overview())[1:3] == (3, 3)


async def early_in_a_window(keeper: ZoneKeeper) -> None:
    """Wait until the line's window has two seconds to go, if it has not."""

    async def is_early() -> bool:
        return keeper.clock.now_ms() % 6_000 < 4_000

    await eventually_async(is_early, deadline=5, every=0.05)


async def test_newcomers_after_a_burst_are_told_when_though_nobody_reads_the_line(redis_url: str) -> None:
    zone_open(per_minute=1)
    gate, other = Gate(), Gate()
    keeper, burst = await gate.zone(), await other.zone()
    await early_in_a_window(keeper)
    await gate.house.tell_all()
    assert keeper.snapshot is not None
    read_at = keeper.snapshot.now_ms
    assert (await burst.join("client")).can_enter  # at another gate, after this one has read the line
    outcomes = await asyncio.gather(*(keeper.join("client") for _ in range(3)))
    assert standing(outcomes) == [("waiting", place, place) for place in (1, 2, 3)]
    for number, outcome in enumerate(outcomes):
        assert outcome.eta_s is not None
        assert 54 + 60 * number <= outcome.eta_s <= 120 + 60 * number
    assert keeper.snapshot.now_ms == read_at
    assert (await keeper.overview())[1:3] == (3, 1)
    before = [outcome.eta_s or 0 for outcome in outcomes]
    await gate.house.tell_all()
    after = [await ask(keeper, ticket(outcome)) for outcome in outcomes]
    assert standing(after) == standing(outcomes)
    assert all((each.eta_s or 0) <= told for each, told in zip(after, before, strict=True))


async def test_a_reading_that_newcomers_overtook_does_not_make_them_forgotten(redis_url: str) -> None:
    zone_open(per_minute=1)
    gate = Gate()
    keeper = await gate.zone()
    await early_in_a_window(keeper)
    [(command, taken)] = keeper.pulse_calls()
    [reply] = await redis.run([command])
    entered, waits = await asyncio.gather(keeper.join("client"), keeper.join("client"))
    assert (entered.can_enter, waits.rank) == (True, 1)
    taken(reply)
    again = await ask(keeper, ticket(waits))
    assert (again.rank, again.total) == (1, 1)
    assert waits.eta_s is not None
    assert again.eta_s is not None
    assert 54 <= waits.eta_s - 1 <= again.eta_s <= waits.eta_s


async def test_a_first_visitor_waits_for_a_round_trip_or_two(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL)
    gate = Gate()
    gate.house.start()
    try:
        assert await gate.house.wait_ready(5)
        keeper = gate.house.zone("concert")
        assert keeper is not None
        assert not keeper.is_awake
        started = gate.ticks()
        outcome = await keeper.join("client")
        assert (outcome.state, outcome.rank, outcome.total) == ("waiting", 1, 1)
        assert gate.ticks() - started < 0.5
    finally:
        await gate.house.stop()


async def test_who_is_called_enters_once_and_is_given_the_same_moment_again(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL, per_minute=MANY)
    gate = Gate()
    keeper = await gate.zone()
    first, second = map(ticket, await gate.join(keeper, 2))
    await gate.house.tell_all()
    assert keeper.poll_now(first) is None  # called
    answers = await asyncio.gather(*(keeper.poll(first) for _ in range(3)))
    assert answers[0].can_enter
    assert len(set(answers)) == 1
    assert (await line_of()).waiting == 1
    other = await Gate().zone()  # a process that has just started
    again = await ask(other, first)
    assert (again.can_enter, again.entered_ms) == (True, answers[0].entered_ms)
    assert (await ask(other, second)).can_enter
    assert (await line_of()).waiting == 0


async def full_minute(ago_ms: int) -> int:
    """A zone of sixty, all of whom entered so long ago, in a window whose tenth successor is now; and when that was."""

    async def moment() -> int:
        seconds, microseconds = (await redis.run([("TIME",)]))[0]
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        assert now_ms % 6_000 < 3_000
        return now_ms - ago_ms

    at_ms = await eventually_async(moment, deadline=5)
    burst = store.join(zone_id="concert", epoch=1, server="elsewhere", batch=1, count=60, now_ms=at_ms)
    opened = store.publish(CONCERT, fresh=True, now_ms=at_ms)
    replies = await redis.run([opened, *store.catalog_put(CONCERT), burst])
    assert store.join_read(replies[-1]).entered == 60
    return at_ms


async def test_a_question_is_held_until_the_minute_has_room(redis_url: str) -> None:
    at_ms = await full_minute(ago_ms=59_300)
    gate = Gate()
    keeper = await gate.zone()
    outcomes = await gate.join(keeper, 6)
    assert [each.state for each in outcomes] == ["waiting"] * 6
    await gate.house.tell_all()
    answers = await asyncio.gather(*(ask(keeper, ticket(each)) for each in outcomes))
    room_at_ms = at_ms // 10 * 10 + 60_010
    assert all(each.can_enter and room_at_ms <= each.entered_ms < room_at_ms + 1_000 for each in answers)
    assert (await line_of()).waiting == 0


async def test_one_ticket_has_one_claim_under_way(redis_url: str) -> None:
    zone_open(mode=Mode.QUEUE_ALL, per_minute=MANY)
    gate = Gate()
    keeper = await gate.zone()
    claims = ticket((await gate.join(keeper))[0])
    assert keeper.claim(claims) is keeper.claim(claims)
    assert len(list(keeper.calls())) == 1
    assert keeper.claim(claims) is keeper.claim(claims)  # also while it is on its way
    assert list(keeper.calls()) == []


async def test_more_than_six_polls_in_a_slot_are_too_many(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    eager, other = map(ticket, await gate.join(keeper, 2))
    await gate.house.tell_all()
    answers = [keeper.poll_now(eager) for _ in range(8)]
    assert [answer.refused for answer in answers if answer] == [""] * 6 + ["too_fast"] * 2
    answer = keeper.poll_now(other)
    assert answer is not None
    assert answer.refused == ""
    assert [keeper.glance(eager) == answers[0] for _ in range(9)] == [True] * 9  # a socket does not ask
    await gate.house.tell_all()  # the slot ends
    answer = keeper.poll_now(eager)
    assert answer is not None
    assert (answer.refused, answer.rank) == ("", 1)
    assert (await line_of()).waiting == 2


async def test_who_left_is_gone(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    first, second = map(ticket, await gate.join(keeper, 2))
    assert list(await asyncio.gather(keeper.leave(first), keeper.leave(first))) == [True, True]
    assert await keeper.leave(first) is False
    await gate.house.tell_all()
    assert (await ask(keeper, first)).refused == "evicted"
    assert standing([await ask(keeper, second)]) == [("paused", 1, 1)]


async def test_a_ticket_of_a_line_that_was_lost_long_ago_is_gone_and_not_at_an_absurd_rank(redis_url: str) -> None:
    zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    claims = ticket((await gate.join(keeper))[0])
    await gate.house.tell_all()
    assert (await ask(keeper, claims._replace(place=2_000_000))).refused == "evicted"
    assert (await ask(keeper, claims)).rank == 1


async def test_a_cleared_line(redis_url: str) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    ours, other = Gate(), Gate()
    keeper, late = await ours.zone(), await other.zone()
    old = ticket((await ours.join(keeper))[0])
    zone_change(rules, epoch=2)
    await ours.house.catalogue.look()
    assert (await ask(keeper, old)).refused == "cleared"
    assert (await ours.join(keeper))[0].place == 0
    new = ticket((await ours.join(keeper))[0])
    assert (new.epoch, new.place) == (2, 1)
    # A gate that has not heard of it yet neither lets the new ticket in nor turns it away.
    assert (late.rules.epoch, late.poll_now(new)) == (1, None)
    held = await late.poll(new)
    assert (held.refused, held.can_enter, held.place) == ("", False, 1)
    await other.house.catalogue.look()
    assert (await ask(late, old)).refused == "cleared"


async def test_joins_under_way_when_the_line_is_cleared_get_places_in_the_new_one(redis_url: str) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    zone_change(rules, epoch=2)
    joining = asyncio.create_task(keeper.join("client"))
    await turns()
    await gate.house.tell_all()  # refused: another line stands there
    await gate.house.catalogue.look()
    await gate.house.tell_all()
    assert (await joining)[:4] == ("paused", False, 0, 2)


async def test_what_was_asked_of_a_cleared_line_is_not_asked_of_the_new_one(redis_url: str) -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=MANY)
    ours, other = Gate(), Gate()
    keeper = await ours.zone()
    leaves, claims, sends = map(ticket, await ours.join(keeper, 3))
    claiming = keeper.claim(sends)
    [(command, taken)] = keeper.calls()
    zone_change(rules, epoch=2)
    newer = await other.zone()
    innocent = [ticket(each) for each in await other.join(newer, 3)]
    assert [each.place for each in innocent] == [each.place for each in (leaves, claims, sends)]
    leaving = asyncio.create_task(keeper.leave(leaves))
    entering = asyncio.create_task(keeper.poll(claims))
    keeper.desk.claim(claims.place, 0)
    await turns()
    await ours.house.catalogue.look()  # before it was told
    assert [claiming.result(), await leaving, (await entering).refused] == [None, False, "cleared"]
    assert keeper.claim(leaves).result() is None  # a socket that has not heard of it
    await ours.house.tell_all()
    assert (await line_of()).waiting == 3
    # What was under way is not the answer to who has that place now.
    mine = keeper.claim(innocent[2])
    taken((await redis.run([command]))[0])
    assert not mine.done()
    await ours.house.tell_all()
    assert (await mine or 0) > 0


@pytest.mark.parametrize("mode", [Mode.BLOCKED, Mode.OPEN])
async def test_a_zone_that_takes_nobody(redis_url: str, mode: Mode) -> None:
    gate = Gate()
    opens_at = int(gate.ticks()) * 1_000 + 2**42 if mode is Mode.OPEN else None
    zone_open(mode=mode, opens_at_ms=opens_at)
    keeper = await gate.zone()
    [outcome] = await gate.join(keeper)
    assert (outcome.state, outcome.place) == ("blocked" if mode is Mode.BLOCKED else "before", NOWHERE)
    minute = keeper.clock.now_ms() // 60_000
    replies = redis.run_now([store.stats("concert", minute - 1), store.stats("concert", minute)])
    assert sum(stats_read(reply).refused for reply in replies) == 1


async def test_everybody_enters_a_zone_that_lets_all_in(redis_url: str) -> None:
    rules = zone_open(mode=Mode.PAUSED)
    gate = Gate()
    keeper = await gate.zone()
    waiting = [ticket(each) for each in await gate.join(keeper, 3)]
    zone_change(rules, mode=Mode.BYPASS)
    keeper = await gate.zone()
    assert [(await ask(keeper, claims)).can_enter for claims in waiting] == [True] * 3
    assert [each.can_enter for each in await gate.join(keeper, 5)] == [True] * 5
