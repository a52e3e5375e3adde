"""One zone at one gate while Redis is away, and after it lost the line."""

import asyncio
from collections.abc import Callable

import pytest

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.keeper import ZoneKeeper
from apps.waitingroom.outcomes import NOWHERE, Outcome
from apps.waitingroom.rules import Mode
from tests.realtime.peers import turns
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually_async

from .gate import line_of, zone_open
from .gates import Gate, ask, ticket

MANY = 600  # sixty a window: whoever waits is called when the line is next read


def standing(outcomes: list[Outcome]) -> list[tuple[str, int, int]]:
    return [(outcome.state, outcome.place, outcome.rank) for outcome in outcomes]


class TestRedisAway:
    """Redis stops answering."""

    @pytest.fixture
    def own_redis(self, redis_url: str, private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
        use_redis(private_redis.url)
        return private_redis

    @pytest.mark.parametrize("fail_open", [False, True])
    async def test_each_zones_fail_mode_holds_and_the_line_goes_on(
        self, own_redis: RedisServer, fail_open: bool
    ) -> None:
        zone_open(mode=Mode.QUEUE_ALL, per_minute=1, fail_open=fail_open)
        gate = Gate()
        keeper = await gate.zone()
        outcomes = await gate.join(keeper, 3)
        claims = ticket(outcomes[2])
        own_redis.stop(keep=True)
        await gate.house.tell_all()
        assert standing([await ask(keeper, claims)])[0][0] == "waiting"  # a moment is nothing
        gate.ticks.ahead += 5.0
        away = await ask(keeper, claims)
        newcomer = await keeper.join("client")
        if fail_open:
            assert (away.state, away.can_enter, newcomer.state, newcomer.place) == ("admitted", True, "admitted", -1)
        else:
            assert (away.state, away.can_enter, newcomer.state, newcomer.place) == ("holding", False, "holding", -1)
            assert away.rank >= 2
        own_redis.start()
        await gate.house.tell_all()
        back = await ask(keeper, claims)
        assert (back.state, back.can_enter, back.place) == ("waiting", False, 2)
        assert back.rank <= outcomes[2].rank

    async def test_a_join_that_got_no_answer_is_sent_again_and_given_one_place(self, own_redis: RedisServer) -> None:
        zone_open(mode=Mode.QUEUE_ALL)
        gate = Gate()
        keeper = await gate.zone()
        joining = keeper.desk.join()
        [(command, taken)] = keeper.calls()
        await redis.run([command])  # done, but the answer never came
        taken(ConnectionError("lost"))
        [(again, taken)] = keeper.calls()
        assert again == command
        taken((await redis.run([again]))[0])
        assert joining.result().place == 0
        assert (await line_of()).next == 1

    @pytest.mark.parametrize("minutes", [0, 2])
    async def test_an_entry_of_long_ago_is_given_to_nobody(self, own_redis: RedisServer, minutes: int) -> None:
        zone_open(per_minute=2)
        gate = Gate()
        keeper = await gate.zone()
        for _ in range(3):
            keeper.desk.join()
        [(command, taken)] = keeper.calls()
        await redis.run([command])  # done, but the answer never came
        taken(ConnectionError("lost"))
        gate.ticks.ahead += 60 * minutes
        while keeper.desk._joiners:
            keeper.desk._joiners.pop().cancel()
        late = keeper.desk.join()
        for _ in range(3):
            await gate.house.tell_all()
        seated = late.result()
        assert (seated.place, seated.has_entered) == ((3, False) if minutes else (0, True))
        assert (await line_of()).waiting == minutes // 2

    async def test_the_place_of_who_gave_up_waiting_goes_to_the_next(self, own_redis: RedisServer) -> None:
        zone_open(mode=Mode.QUEUE_ALL)
        gate = Gate()
        keeper = await gate.zone()
        impatient, patient = keeper.desk.join(), keeper.desk.join()
        [(command, taken)] = keeper.calls()
        impatient.cancel()
        taken((await redis.run([command]))[0])
        assert patient.result().place == 0
        await gate.house.tell_all()  # the place that nobody took is given up
        assert (await line_of()).waiting == 1

    async def test_newcomers_are_answered_when_redis_hangs(
        self, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("apps.waitingroom.keeper.JOIN_PATIENCE_S", 0.2)
        zone_open(mode=Mode.QUEUE_ALL)
        keeper = await Gate().zone()
        own_redis.pause()
        try:
            outcome = await keeper.join("client")
        finally:
            own_redis.resume()
        assert (outcome.state, outcome.place) == ("holding", NOWHERE)


class TestRedisWiped:
    """Redis lost the line."""

    async def line(self, gate: Gate) -> tuple[ZoneKeeper, list[Outcome]]:
        zone_open(mode=Mode.QUEUE_ALL, per_minute=2)
        keeper = await gate.zone()
        return keeper, await gate.join(keeper, 5)

    def wipe(self) -> None:
        redis.sync_client().flushall()

    async def read(self, keeper: ZoneKeeper) -> None:
        """The line, as once a second: who was heard of in the slot that is running is not told yet."""
        for command, taken in keeper.pulse_calls():
            taken((await redis.run([command]))[0])

    async def test_a_gate_that_knew_it_puts_it_back_at_once(self, redis_url: str) -> None:
        gate = Gate()
        keeper, outcomes = await self.line(gate)
        before = await line_of()
        self.wipe()
        joining = asyncio.create_task(keeper.join("late"))
        await turns()
        await gate.house.tell_all()  # lost, says Redis
        await gate.house.tell_all()
        assert standing([await ask(keeper, ticket(each)) for each in outcomes[1:]]) == [
            ("waiting", each.place, each.place + 1 - before.front or 1) for each in outcomes[1:]
        ]
        await gate.house.tell_all()
        late = await joining
        assert late.place > before.next + 1_000_000  # nobody is given the place of somebody who stands there
        assert late.rank == keeper.snapshot.rank(late.place)  # type: ignore[union-attr]
        assert (await line_of()).waiting == before.waiting + 1

    async def test_who_entered_a_moment_before_does_not_stand_there_again(self, redis_url: str) -> None:
        zone_open(mode=Mode.QUEUE_ALL, per_minute=MANY)
        gate = Gate()
        keeper = await gate.zone()
        outcomes = await gate.join(keeper, 5)
        assert keeper.snapshot is not None
        read_at = keeper.snapshot.now_ms
        assert (await ask(keeper, ticket(outcomes[1]))).can_enter
        if keeper.snapshot.now_ms == read_at:  # the line was not read since
            assert keeper.snapshot.line.holds(outcomes[1].place)
        self.wipe()
        await gate.house.tell_all()
        await gate.house.tell_all()
        await gate.house.tell_all()
        assert (await line_of()).waiting == 4

    @pytest.mark.parametrize("first", [0, 1], ids=["who heard of them tells first", "who let them in tells first"])
    async def test_who_was_heard_of_here_and_let_in_elsewhere_does_not_stand_there_again(
        self, redis_url: str, first: int
    ) -> None:
        zone_open(mode=Mode.QUEUE_ALL, per_minute=MANY)
        ours, other = Gate(), Gate()
        keeper, elsewhere = await ours.zone(), await other.zone()
        outcomes = await ours.join(keeper, 5)
        for gate in (ours, other):
            await gate.house.tell_all()
        assert keeper.poll_now(ticket(outcomes[0])) is None  # heard of in a slot that has yet to end, and to be claimed
        assert (await ask(elsewhere, ticket(outcomes[0]))).can_enter
        zones = [keeper, elsewhere]
        for zone in zones:
            await self.read(zone)  # that one has entered, the slot still running
        self.wipe()
        for zone in (zones[first], zones[first], zones[1 - first], zones[1 - first]):
            await self.read(zone)
        assert (await line_of()).waiting == 4
        for gate in (ours, other):
            await gate.house.tell_all()  # the slot ends
        assert (await line_of()).waiting == 4

    async def test_what_another_gate_knew_is_added(self, redis_url: str) -> None:
        ours, other = Gate(), Gate()
        keeper, outcomes = await self.line(ours)
        late = await other.zone()
        newer = ticket((await other.join(late))[0])  # of whom we have not read
        self.wipe()
        for gate in (ours, ours, other, other, ours):
            await gate.house.tell_all()
        assert (await line_of()).waiting == 6
        assert (await ask(keeper, newer)).rank == (await ask(keeper, ticket(outcomes[4]))).rank + 1

    async def test_a_gate_that_knew_nothing_listens_to_the_tickets_shown(self, redis_url: str) -> None:
        before, outcomes = await self.line(Gate())
        tickets = [ticket(each) for each in outcomes]
        self.wipe()
        redis.run_now(store.catalog_put(before.rules))
        gate = Gate()
        keeper = await gate.zone()
        for claims in (tickets[3], tickets[1], tickets[4], tickets[2]):
            assert keeper.poll_now(claims) is None  # nothing is known of the line
        joining = asyncio.create_task(keeper.join("late"))
        await gate.house.tell_all()
        assert not joining.done()
        assert redis.run_now([store.status("concert")])[0][0] is None
        gate.ticks.ahead += 3.0
        await gate.house.tell_all()
        await gate.house.tell_all()
        assert standing([await ask(keeper, claims) for claims in tickets[1:]]) == [
            ("waiting", place, place) for place in (1, 2, 3, 4)
        ]

        async def has_joined() -> bool:
            await gate.house.tell_all()
            return joining.done()

        await eventually_async(has_joined, deadline=5, every=0.02)
        assert joining.result().rank == 5
        assert joining.result().place > 1_000_000
        assert (await line_of()).front <= 1
        assert keeper.room == 0  # whatever was forgotten may have used up the minute

    async def test_a_gate_that_slept_deals_no_place_again_that_it_knew_of(self, redis_url: str) -> None:
        zone_open(mode=Mode.PAUSED)
        gate = Gate()
        keeper = await gate.zone()
        claims = ticket((await gate.join(keeper))[0])
        redis.run_now([("HSET", "line:{concert}", "next", 12_000_000)])  # so many came and went
        leaving = asyncio.create_task(keeper.leave(claims))
        await turns()
        await gate.house.tell_all()
        assert await leaving
        gate.ticks.ahead += 121
        await gate.house.tell_all()
        keeper.sleep_if_idle()
        assert not keeper.is_awake
        self.wipe()
        redis.run_now(store.catalog_put(keeper.rules))
        joining = asyncio.create_task(keeper.join("late"))
        await turns()
        keeper.poll_now(claims._replace(place=5))
        for _ in range(4):
            await gate.house.tell_all()
            gate.ticks.ahead += 3.0
        assert (await joining).place > 12_000_000
