"""The keeper of one zone: answers whoever waits in it from memory, and is brought up to date once a second.

A poll marks its place as heard of, looks up its rank in the snapshot, and is answered; only who may enter needs Redis.
`poll_now` is that fast path. Time is Redis's: every pulse brings it, and between two of them this machine's monotonic
clock is added, so that servers whose clocks differ call alike.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from apps.realtime.metrics import REDIS_FAILURES

from . import store
from .desk import Call, Desk
from .outcomes import BEFORE, BLOCKED, CLEARED, EVICTED, SPENT, TOO_FAST, Outcome, refusal
from .outlook import Outlook
from .pacing import Strain
from .recovery import Recovery
from .redis_clock import RedisClock
from .replies import GONE, Pulse, pulse_read, restore_read
from .replies import SPENT as CLAIM_SPENT
from .rules import ZoneRules
from .seen import SLOT_S, Presence
from .snapshot import Bitmap, Snapshot
from .tickets import TicketClaims

# More polls of one place in a slot of 3 s than any client of ours makes.
POLLS_PER_SLOT = 6
PULSE_EVERY_MS = 1_000
# A snapshot older than this: Redis is away, and the zone's fail mode holds.
STALE_S = 5.0
# For how long a newcomer or a claim waits for Redis before it is answered without.
JOIN_PATIENCE_S = 5.0
CLAIM_PATIENCE_S = 2.0
# Nobody asked, no socket is open and nobody waits: after this long the zone is no longer pulsed.
IDLE_AFTER_S = 120.0


class House(Protocol):
    """What a keeper asks of the process that it is in."""

    server: str
    ticks: Callable[[], float]
    strain: Strain
    phase_ms: int  # how long after a whole second this process pulses

    def flush_soon(self, keeper: "ZoneKeeper") -> None:
        """The keeper's desk has something to tell Redis."""

    def rouse(self, keeper: "ZoneKeeper") -> None:
        """The keeper is due to pulse."""

    def look_again(self) -> None:
        """The catalogue has changed, says a zone's line."""

    def snapshot_came(self, keeper: "ZoneKeeper") -> None:
        """The keeper has read its line."""


class Overview(NamedTuple):
    """A zone at a glance, for who has no ticket."""

    state: str
    waiting: int
    entering: int  # entries of the last minute
    eta_s: int | None  # for who came now: 0 at once, None unknown
    opens_at_ms: int | None
    stale: bool


class ZoneKeeper:
    """One zone on one event loop."""

    def __init__(self, rules: ZoneRules, house: House) -> None:
        self.rules = rules
        self.clock = RedisClock(house.ticks)
        self.presence = Presence()
        self.recovery = Recovery(house.ticks)
        self.desk = Desk(rules.zone_id, house.server, lambda: house.flush_soon(self), self._trouble)
        self.sockets = 0
        self.polls = 0  # answered since the last pulse
        self.due = 0.0  # ticks of the next pulse
        self.is_pulsing = False
        self._house = house
        self._ticks = house.ticks
        self._epoch = rules.epoch
        self._outlook = Outlook(rules, None, now_ms=self.clock.now_ms())
        self._until = 0.0  # ticks: the outlook holds
        self._read_at = 0.0  # ticks of the pulse that read the snapshot
        self._minute_used = 0
        self._waiting = 0
        self._awake_since: float | None = None
        self._heard_at = 0.0
        self._turn_at = 0.0
        self._owes_rules = False
        self._fresh = asyncio.Event()

    # --- answers ----------------------------------------------------------------------------------------------

    def poll_now(self, claims: TicketClaims) -> Outcome | None:
        """The answer to a poll, at once; None: ask `poll`, because Redis must be asked."""
        if claims.epoch != self._epoch:
            return self._of_other_line(claims)
        if self.presence.poll(claims.place) > POLLS_PER_SLOT:
            return refusal(TOO_FAST, place=claims.place, epoch=claims.epoch, client=claims.client)
        return self._answer(claims)

    def glance(self, claims: TicketClaims) -> Outcome | None:
        """`poll_now` of an open socket, which cannot ask too fast."""
        if claims.epoch != self._epoch:
            return self._of_other_line(claims)
        self.presence.mark(claims.place)
        return self._answer(claims)

    async def poll(self, claims: TicketClaims) -> Outcome:
        """What `poll_now` could not say: asks Redis, and waits for it CLAIM_PATIENCE_S at most."""
        self.touch()
        if claims.epoch > self._epoch:
            self._house.look_again()
            return self._outlook.newcomer(claims.client, self.clock.now_ms(), claims.place)._replace(
                place=claims.place, epoch=claims.epoch, joined_ms=claims.joined_ms
            )
        if not await self._is_read():
            return self.claimed(claims, None)
        if (answer := self._answer(claims)) is not None:
            return answer
        result = None
        try:
            async with asyncio.timeout(CLAIM_PATIENCE_S):
                result = await asyncio.shield(self.claim(claims))
        except TimeoutError:
            pass  # it goes on; the client asks again
        return self.claimed(claims, result)

    def claim(self, claims: TicketClaims) -> asyncio.Future[int | None]:
        """Ask Redis whether this place may enter; `claimed` puts the result into words. One at a time a place."""
        return self.desk.claim(claims.place, max(0, self.clock.now_ms() - claims.joined_ms))

    def claimed(self, claims: TicketClaims, result: int | None) -> Outcome:
        """What somebody is told whose claim came to this; None: Redis did not say."""
        _, epoch, place, joined_ms, client = claims
        if epoch < self._epoch:
            return refusal(CLEARED, place=place, epoch=epoch, client=client)
        outlook = self._current()
        if result is not None and result > 0:
            return outlook.admitted(place, joined_ms, client, result)
        if result in (GONE, CLAIM_SPENT):
            return refusal(EVICTED if result == GONE else SPENT, place=place, epoch=epoch, client=client)
        now_ms = self.clock.now_ms()
        if outlook.lets_in:
            return outlook.admitted(place, joined_ms, client, now_ms)
        return outlook.waiting(place, joined_ms, client, now_ms)

    async def join(self, client: str) -> Outcome:
        """A newcomer: entered, in line with a place, or neither (closed to newcomers, Redis away)."""
        self.touch()
        outlook, draw = self._current(), random.getrandbits(16)
        if outlook.is_away or (self.clock.is_known and outlook.state in (BLOCKED, BEFORE)):
            return outlook.newcomer(client, self.clock.now_ms(), draw)
        try:
            async with asyncio.timeout(JOIN_PATIENCE_S):
                place, joined_ms, has_entered = await self.desk.join()
        except TimeoutError:
            away = Outlook(self.rules, outlook.snapshot, now_ms=self.clock.now_ms(), is_away=True)
            return away.newcomer(client, self.clock.now_ms(), draw)
        outlook = self._current()
        if place < 0:
            if outlook.state not in (BLOCKED, BEFORE):
                self._house.look_again()
            return outlook.newcomer(client, self.clock.now_ms(), draw)
        if has_entered:
            return outlook.admitted(place, joined_ms, client, joined_ms)
        self.presence.mark(place)
        await self._is_read()
        return self._current().waiting(place, joined_ms, client, self.clock.now_ms())

    async def leave(self, claims: TicketClaims) -> bool:
        """Give the place up; True if it was in line. Redis away: it is told later, and the answer is False."""
        if claims.epoch != self._epoch:
            return False
        self.touch()
        try:
            async with asyncio.timeout(CLAIM_PATIENCE_S):
                return await asyncio.shield(self.desk.leave(claims.place))
        except TimeoutError:
            return False

    def _answer(self, claims: TicketClaims) -> Outcome | None:
        ticks = self._ticks()
        self._heard_at = ticks
        self.polls += 1
        if ticks >= self._until:
            self._review(ticks)
        return self._outlook.answer(claims.place, claims.joined_ms, claims.client, self.clock.at(ticks))

    def _of_other_line(self, claims: TicketClaims) -> Outcome | None:
        if claims.epoch > self._epoch:
            return None  # the line was cleared a moment ago, and this process has not heard of it
        return refusal(CLEARED, place=claims.place, epoch=claims.epoch, client=claims.client)

    def _current(self) -> Outlook:
        ticks = self._ticks()
        if ticks >= self._until:
            self._review(ticks)
        return self._outlook

    def _review(self, ticks: float, came: Snapshot | None = None) -> None:
        """Look at the zone anew: a snapshot came, the last one grew too old, or the zone opened."""
        snapshot = came or self._outlook.snapshot
        since = self._awake_since if snapshot is None else self._read_at
        is_away = since is not None and ticks - since >= STALE_S
        self._outlook = outlook = Outlook(
            self.rules,
            snapshot,
            now_ms=self.clock.at(ticks),
            minute_used=self._minute_used,
            strain=self._house.strain.factor,
            is_away=is_away,
        )
        until = ticks + 1.0 if is_away or since is None else since + STALE_S
        self._until = min(until, self.clock.ticks_at(outlook.changes_at_ms))

    async def _is_read(self) -> bool:
        """Wait until the line was read at all, if it is being read for the first time."""
        if self._outlook.snapshot is None:
            try:
                async with asyncio.timeout(CLAIM_PATIENCE_S):
                    await self._fresh.wait()
            except TimeoutError:
                return False
        return True

    # --- for the pages ----------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot | None:
        """The line as last read; None while the zone sleeps and until its first pulse."""
        return self._outlook.snapshot

    async def overview(self) -> Overview:
        """The zone at a glance."""
        self.touch()
        await self._is_read()
        outlook, now_ms = self._current(), self.clock.now_ms()
        return Overview(
            state=outlook.state,
            waiting=self._waiting,
            entering=self._minute_used,
            eta_s=outlook.eta_newcomer_s(now_ms),
            opens_at_ms=outlook.opens_at_ms,
            stale=outlook.is_away or outlook.snapshot is None,
        )

    # --- for the turnstile ------------------------------------------------------------------------------------

    @property
    def called_below(self) -> int:
        """Places below this one are called."""
        snapshot = self._outlook.snapshot
        return 0 if snapshot is None else snapshot.front

    @property
    def room(self) -> float:
        """How many may enter now, as of the last reading."""
        return self._current().room(self.clock.now_ms())

    # --- waking and sleeping ----------------------------------------------------------------------------------

    @property
    def is_awake(self) -> bool:
        """Whether the line is read every second."""
        return self._awake_since is not None

    @property
    def is_away(self) -> bool:
        """Whether the line cannot be read: the fail mode holds."""
        return self._current().is_away

    def touch(self) -> None:
        """Somebody is here."""
        self._heard_at = self._ticks()
        if self._awake_since is None:
            self._awake_since = self.due = self._heard_at
            self._until = 0.0
            self._house.rouse(self)

    def sleep_if_idle(self) -> None:
        """Stop following a line that is empty and that nobody has asked about for IDLE_AFTER_S."""
        snapshot = self._outlook.snapshot
        if self._ticks() - self._heard_at < IDLE_AFTER_S or self.sockets or snapshot is None:
            return
        if snapshot.total == 0 and snapshot.called_waiting == 0 and self.desk.is_empty and not self.is_pulsing:
            self._awake_since = None
            self._start_anew()

    def _start_anew(self) -> None:
        """Nothing is known of the line."""
        self.presence = Presence()
        self.recovery.forget()
        self.desk.is_held = False
        self._fresh.clear()
        self._outlook = Outlook(self.rules, None, now_ms=self.clock.now_ms())
        self._until = 0.0
        self._waiting = self._minute_used = 0

    def follow(self, rules: ZoneRules) -> None:
        """Go by these rules from now on, unless newer ones are known."""
        if rules.version < self.rules.version or rules == self.rules:
            return
        self.rules = rules
        self._until = 0.0
        if rules.epoch != self._epoch:
            self._epoch = rules.epoch
            if self._awake_since is not None:
                self._awake_since = self._ticks()
            self._start_anew()
        if self._awake_since is not None:
            self.due = self._ticks()
            self._house.rouse(self)
            self._house.flush_soon(self)  # joins that were asked for the line before

    # --- Redis ------------------------------------------------------------------------------------------------

    def calls(self) -> Iterator[Call]:
        """What the desk has to tell Redis now."""
        return self.desk.calls(self._epoch)

    def pulse_calls(self) -> Iterator[Call]:
        """The pulse that is due, and before it what Redis lacks."""
        ticks = self._ticks()
        self.due = self._next_due(ticks)
        if ticks >= self._turn_at:
            self.presence.turn()
            self._turn_at = ticks + SLOT_S
        if self.is_pulsing:
            return
        self.is_pulsing = True
        if self._owes_rules:
            yield store.publish(self.rules), lambda reply: None
        if (command := self.recovery.command(self.rules, self.presence)) is not None:
            yield command, self._restored
        snapshot = self._outlook.snapshot
        # A line that is lost takes no marks: they are kept for the one that is put back.
        seen = None if self.recovery.lost_since is not None else self._seen()
        known_rev = -1 if snapshot is None else snapshot.rev
        yield (
            store.pulse(zone_id=self.rules.zone_id, epoch=self._epoch, seen=seen, known_rev=known_rev),
            lambda reply: self._pulsed(ticks, seen, reply),
        )

    def _seen(self) -> tuple[int, bytes] | None:
        snapshot = self._outlook.snapshot
        return self.presence.take(0 if snapshot is None else snapshot.line.base)

    def last_calls(self) -> Iterator[Call]:
        """A pulse with everybody heard of until now: this process is about to leave."""
        self._turn_at = 0.0
        return self.pulse_calls()

    def _next_due(self, ticks: float) -> float:
        """Just after the next whole second of Redis's clock, at which a window may open."""
        since = (self.clock.at(ticks) - self._house.phase_ms) % PULSE_EVERY_MS
        return ticks + (PULSE_EVERY_MS - since) / 1_000

    def _restored(self, reply: Any) -> None:
        failed = isinstance(reply, Exception)
        self.recovery.told(self.presence, is_done=not failed and restore_read(reply) == "ok")
        if failed:
            REDIS_FAILURES.labels("gate_restore").inc()

    def _pulsed(self, sent: float, seen: tuple[int, bytes] | None, reply: Any) -> None:
        self.is_pulsing = False
        pulse = None if isinstance(reply, Exception) else pulse_read(reply)
        if pulse is None or pulse.status != "ok":
            if seen is not None:
                self.presence.give_back(seen)
            if pulse is None:
                REDIS_FAILURES.labels("gate_pulse").inc()
            else:
                self._owes_rules = pulse.status == "epoch" and pulse.epoch < self._epoch
                self._trouble(pulse.status)
        elif pulse.epoch == self._epoch:
            self._read(pulse, sent)

    def _read(self, pulse: Pulse, sent: float) -> None:
        self.clock.heard(pulse.now_ms)
        known = self._outlook.snapshot
        line = known.line if pulse.bits is None and known is not None else Bitmap(pulse.base, pulse.bits or b"")
        snapshot = Snapshot(
            epoch=pulse.epoch,
            now_ms=pulse.now_ms,
            rev=pulse.rev,
            front=pulse.front,
            next=pulse.next,
            line=line,
            used=pulse.used,
        )
        self.recovery.read(snapshot, pulse.restored_at)
        self.desk.is_held = False
        self._minute_used, self._waiting = pulse.minute_used, pulse.waiting_count
        self._owes_rules = pulse.rules_version < self.rules.version
        if pulse.rules_version > self.rules.version:
            self._house.look_again()
        self._read_at = sent
        self._review(self._ticks(), snapshot)
        self._fresh.set()
        if not self.desk.is_empty:
            self._house.flush_soon(self)
        self._house.snapshot_came(self)

    def _trouble(self, status: str) -> None:
        """The line is lost, or another one stands in its place."""
        if status == "epoch":
            self._house.look_again()
        elif self.recovery.lost_since is None:
            self.recovery.lost()
            self.desk.is_held = True
            self.due = self._ticks()
            self._house.rouse(self)

    def close(self) -> None:
        """There is no such zone any more: nobody who waits to join will."""
        self._awake_since = None
        self.desk.turn_away()
