"""Drives the real line in Redis with a clock of its own, as fast as it goes: an evening at a gate in a minute or so.

What a gate process does once a second is done here for every second of the crowd's clock: say who is heard of, give
places to who came. Those who are called claim at their polls, every three seconds at a moment of their own, gathered
for 50 ms, and held for as long as a gate holds them. Some may stop asking without a word, at any moment of their wait
alike. The line is that of a zone which no gate knows.
"""

import asyncio
import random
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil, log
from typing import Any

from apps.realtime import redis
from apps.waitingroom import replies, store
from apps.waitingroom.pacing import HOLD_MS
from apps.waitingroom.rules import Mode, ZoneRules
from apps.waitingroom.snapshot import Bitmap, Snapshot
from apps.waitingroom.windows import Schedule

from .gate_play import Played
from .gate_report import MINUTE_MS, Book, Guest, MinuteRow

TICK_MS = 1_000
POLL_MS = 3_000
GATHER_MS = 50
SPREAD = 617  # neighbours ask at moments far apart
LEAVING_WITHIN_MS = 600_000


class LineLost(Exception):
    """Redis forgot the line in the middle of the replay, so its figures prove nothing."""


@dataclass(slots=True)
class Simulation:
    """One crowd at one zone. `start_ms` is when its clock begins, epoch ms and a whole minute.

    `leaving`, from 0 up to, not including, 1: the part of those in line who stop asking in any ten minutes of waiting.
    """

    per_minute: int
    start_ms: int
    leaving: float = 0.0
    seed: int = 1
    book: Book = field(default_factory=Book)
    _rules: ZoneRules = field(init=False)
    _standing: deque[tuple[int, Guest]] = field(default_factory=deque)  # in line and not called, by place
    _called: list[tuple[int, Guest]] = field(default_factory=list)  # may claim
    _held: list[tuple[int, int, int, Guest]] = field(default_factory=list)  # claims: when again, place, when first
    _stopping: list[tuple[int, int, Guest]] = field(default_factory=list)  # a heap: last poll, place
    _asking: bytearray = field(default_factory=bytearray)  # bits of those who are heard of, from place 0 on
    _silent: list[int] = field(default_factory=list)  # who asked for the last time since the last report
    _batch: int = 0
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        zone_id = f"simulated-{secrets.token_hex(6)}"
        self._rules = ZoneRules(zone_id=zone_id, name="", per_minute=self.per_minute, mode=Mode.OPEN, message="")

    def open(self) -> None:
        """Make the line."""
        _do([store.publish(self._rules, fresh=True, now_ms=self.start_ms)])

    def remove(self) -> None:
        """Forget the line; the little that is left of it goes within hours."""
        _do([store.drop(self._rules.zone_id)])

    def run(
        self,
        moments: Sequence[float],
        *,
        minute_over: Callable[[MinuteRow], None],
        progress: Callable[[float, str], None],
        stop: asyncio.Event,
    ) -> Played:
        """Send somebody at each of `moments` (seconds from the start), until all entered or left, or `stop` is set."""
        coming = deque(self.start_ms + ceil(moment * 1000) for moment in moments)
        tick, polls = 0, 0
        while (coming or self._standing or self._called) and not stop.is_set():
            tick += 1
            now_ms = self.start_ms + tick * TICK_MS
            came = 0
            while coming and coming[0] <= now_ms:
                coming.popleft()
                came += 1
            polls += self._second(tick, now_ms, came)
            if tick * TICK_MS % MINUTE_MS == 0:
                number = tick * TICK_MS // MINUTE_MS - 1
                minute_over(self.book.row(number))
                share = len(self.book.guests) / len(moments)
                progress(share, f"minute {number + 1:,}, {self.book.waiting:,} wait")
        if tick * TICK_MS % MINUTE_MS:
            minute_over(self.book.row(tick * TICK_MS // MINUTE_MS))
        # Claims of the last second came within the second after its tick.
        return Played(self.book.guests, self.start_ms + (tick + 1) * TICK_MS, {}, polls)

    def _second(self, tick: int, now_ms: int, came: int) -> int:
        """One second of the line; how many were heard of."""
        heard = tick * TICK_MS % POLL_MS == 0
        self._go(now_ms)
        pulse = store.pulse(
            zone_id=self._rules.zone_id, epoch=1, now_ms=now_ms, seen=self._everybody() if heard else None
        )
        parts = range(0, came, store.JOINS_PER_CALL)
        joins = [self._join(min(store.JOINS_PER_CALL, came - done), now_ms) for done in parts]
        pulsed, *joined = _do([pulse, *joins])
        line = replies.pulse_read(pulsed)
        if line.status != "ok" or line.bits is None:
            raise LineLost(line.status)
        snapshot = Snapshot(
            epoch=line.epoch,
            now_ms=line.now_ms,
            rev=line.rev,
            front=line.front,
            next=line.next,
            line=Bitmap(line.base, line.bits),
            used=line.used,
        )
        schedule = Schedule(line.now_ms, self.per_minute, line.used)
        for reply in joined:
            self._welcome(replies.join_read(reply), snapshot, schedule)
        while self._standing and (self._standing[0][0] < line.front or self._standing[0][1].left_ms is not None):
            place, guest = self._standing.popleft()
            if guest.left_ms is None:
                self._called.append((place, guest))
        self._claim(now_ms)
        return len(self._standing) + len(self._called) if heard else 0

    def _go(self, now_ms: int) -> None:
        """Whoever has asked for the last time is gone."""
        while self._stopping and self._stopping[0][0] < now_ms:
            last_ms, place, guest = heappop(self._stopping)
            self._silent.append(place)
            if guest.entered_ms is None:
                self.book.leave(guest, last_ms)
        self._called = [each for each in self._called if each[1].left_ms is None]

    def _everybody(self) -> tuple[int, bytes] | None:
        """Who asked since the last report."""
        places = [line[end][0] for line in (self._called, self._standing) if line for end in (0, -1)]
        places += self._silent
        heard = None
        if places:
            first = min(places) // 8
            # Those between who entered are heard of as well, which changes nothing for them.
            heard = first * 8, bytes(self._asking[first : max(places) // 8 + 1])
        for place in self._silent:
            self._asking[place // 8] &= ~(128 >> place % 8)
        self._silent = []
        return heard

    def _last_poll(self, place: int, joined_ms: int) -> int | None:
        """When this place asks for the last time; None if they wait as long as they must."""
        if self.leaving == 0:
            return None
        stops_ms = joined_ms + int(self._chance.expovariate(-log(1 - self.leaving) / LEAVING_WITHIN_MS))
        return max(joined_ms, stops_ms - (stops_ms - place * SPREAD) % POLL_MS)

    def _join(self, count: int, now_ms: int) -> redis.Command:
        self._batch += 1
        return store.join(
            zone_id=self._rules.zone_id, epoch=1, server="simulation", batch=self._batch, count=count, now_ms=now_ms
        )

    def _welcome(self, joined: replies.Joined, snapshot: Snapshot, schedule: Schedule) -> None:
        if joined.status != "ok":
            raise LineLost(joined.status)
        for place in range(joined.first, joined.first + joined.count):
            if place < joined.first + joined.entered:
                guest = Guest(joined_ms=joined.entered_ms)
                self.book.come(guest)
                self.book.enter(guest, joined.entered_ms)
                continue
            eta_ms = schedule.eta_ms(snapshot.rank(place))
            told_s = None if eta_ms is None else max(1, ceil(eta_ms / 1000))
            guest = Guest(joined_ms=joined.entered_ms, queued=True, told_s=told_s)
            self.book.come(guest)
            self._standing.append((place, guest))
            if (last_ms := self._last_poll(place, guest.joined_ms)) is not None:
                heappush(self._stopping, (last_ms, place, guest))
        missing = (joined.first + joined.count + 7) // 8 - len(self._asking)
        self._asking += b"\xff" * missing

    def _claim(self, now_ms: int) -> None:
        """Whoever is called and polls within the second from `now_ms` on asks to enter."""
        claims, self._held = [each for each in self._held if each[3].left_ms is None], []
        waiting = {place for _, place, _, _ in claims}
        for place, guest in self._called:
            after = (place * SPREAD - now_ms) % POLL_MS
            if after < TICK_MS and place not in waiting:
                asked_ms = now_ms + after // GATHER_MS * GATHER_MS
                claims.append((asked_ms, place, asked_ms, guest))
        heapify(claims)
        while claims:
            together = [heappop(claims)]
            moment = together[0][0]
            while claims and claims[0][0] == moment and len(together) < store.CLAIMS_PER_CALL:
                together.append(heappop(claims))
            for again in self._claim_together(moment, together):
                if again[0] < now_ms + TICK_MS:
                    heappush(claims, again)
                else:
                    self._held.append(again)
        self._called = [each for each in self._called if each[1].entered_ms is None]

    def _claim_together(
        self, moment: int, people: list[tuple[int, int, int, Guest]]
    ) -> Iterator[tuple[int, int, int, Guest]]:
        """One call. Those who are held are given back, with the moment at which they claim again."""
        command = store.claim(
            zone_id=self._rules.zone_id,
            epoch=1,
            places=[(place, moment - guest.joined_ms) for _, place, _, guest in people],
            now_ms=moment,
        )
        claimed = replies.claim_read(_do([command])[0])
        if claimed.status != "ok" or min(claimed.results) < replies.WAIT:
            raise LineLost(f"{claimed.status}, places gone: {sum(each < 0 for each in claimed.results)}")
        again_ms = max(moment + GATHER_MS, -(-claimed.room_at_ms // GATHER_MS) * GATHER_MS)
        for (_, place, asked_ms, guest), entered_ms in zip(people, claimed.results, strict=True):
            if entered_ms != replies.WAIT:
                self.book.enter(guest, entered_ms)
            elif claimed.room_at_ms and claimed.room_at_ms - asked_ms <= HOLD_MS:
                yield again_ms, place, asked_ms, guest


def _do(commands: list[redis.Command]) -> list[Any]:
    replied = redis.run_now(commands)
    if (error := redis.first_error(replied)) is not None:
        raise error
    return replied
