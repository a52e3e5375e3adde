"""One zone's line as this process follows it: read once a second while somebody asks about it, told of who was heard.

A line is followed from the first visitor on and let alone again when it is empty and nobody has asked for a while.
"""

from collections.abc import Iterator
from typing import Any

from apps.realtime.metrics import REDIS_FAILURES

from . import store
from .bearing import Bearing, Progress
from .desk import Call, Desk
from .house import House
from .recovery import Recovery
from .redis_clock import RedisClock
from .replies import Pulse, pulse_read, restore_read
from .rules import ZoneRules
from .seen import SLOT_S, Presence
from .single_use import Redemptions
from .snapshot import Snapshot
from .view import View

PULSE_EVERY_S = 1.0
# Two pulses on the rhythm are never closer than this, also where an extra one came between.
PULSE_APART_S = 0.25
# Where so few enter, a second lost by each of them is room that nobody uses: the next is let in when the minute frees.
FEW_A_MINUTE = 600
ROOM_MARGIN_S = 0.01
# For so long after a loss tickets that turn up are put back (see lua/line.lua).
GRACE_MS = 60_000
# Nobody asked, no socket is open and nobody waits: after this long the line is no longer read.
IDLE_AFTER_S = 120.0


class Follower:
    """One zone's line on one event loop."""

    def __init__(self, rules: ZoneRules, house: House) -> None:
        self.rules = rules
        self.clock = RedisClock(house.ticks)
        self.view = View(rules, self.clock, house.strain, hurry=self._hurry)
        self.presence = Presence()
        self.recovery = Recovery(house.ticks)
        self.progress = Progress()
        self.desk = Desk(
            rules.zone_id,
            house.server,
            self.clock,
            flush_soon=self._flush_soon,
            trouble=self._trouble,
            entered=self._entered,
            joined=self.view.learn,
        )
        self.redemptions = Redemptions(rules.zone_id, flush_soon=self._flush_soon)
        self.sockets = 0  # open here
        self.due = 0.0  # ticks of the next pulse
        self.is_pulsing = False
        self._house = house
        self._ticks = house.ticks
        self._epoch = rules.epoch
        self._heard_at = 0.0  # ticks when somebody last asked
        self._turn_at = 0.0
        self._owes_rules = False

    @property
    def snapshot(self) -> Snapshot | None:
        """The line as last read; None while it is not followed and until the first pulse."""
        return self.view.outlook.snapshot

    @property
    def is_awake(self) -> bool:
        """Whether the line is read every second."""
        return self.view.since is not None

    @property
    def is_away(self) -> bool:
        """Whether the line cannot be read: the fail mode holds."""
        return self.view.current().is_away

    # --- waking and sleeping ----------------------------------------------------------------------------------

    def touch(self) -> None:
        """Somebody is here."""
        self._heard_at = self._ticks()
        if not self.is_awake:
            self.view.open(self._heard_at)
            self._hurry()

    def sleep_if_idle(self) -> None:
        """Let alone a line that is empty and that nobody has asked about for IDLE_AFTER_S."""
        snapshot = self.snapshot
        if self._ticks() - self._heard_at < IDLE_AFTER_S or self.sockets or snapshot is None:
            return
        if not snapshot.line.count and self.desk.is_empty and not self.is_pulsing:
            self.view.since = None
            self._start_anew(given=snapshot.next)

    def close(self) -> None:
        """There is no such zone any more: nobody who waits to join will."""
        self.view.since = None
        self.desk.turn_away()

    def follow(self, rules: ZoneRules) -> None:
        """Go by these rules from now on, unless newer ones are known."""
        if rules.version < self.rules.version or rules == self.rules:
            return
        self.rules = rules
        self.view.obey(rules)
        if rules.epoch != self._epoch:
            self._epoch = rules.epoch
            if self.is_awake:
                self.view.since = self._ticks()
            self._start_anew()
        if self.is_awake:
            self._hurry()
            self._flush_soon()  # joins that were asked for the line before

    def _start_anew(self, *, given: int = 0) -> None:
        """Nothing is known of the line, but that so many of its places were given."""
        self.presence = Presence()
        self.recovery.forget(given)
        self.desk.is_held = False
        self.desk.start_anew()
        self.view.start_anew(self.rules)

    # --- Redis ------------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        self._house.flush_soon(self.rules.zone_id)

    def _hurry(self) -> None:
        """Pulse as soon as possible."""
        self.due = float("-inf")
        self._house.rouse()

    def calls(self) -> Iterator[Call]:
        """What there is to tell Redis now."""
        yield from self.desk.calls(self._epoch)
        yield from self.redemptions.calls()

    def pulse_calls(self, *, is_last: bool = False) -> Iterator[Call]:
        """The pulse that is due, and before it what Redis lacks. `is_last`: with everybody heard of until now."""
        ticks = self._ticks()
        if ticks >= self._turn_at or is_last:
            self.presence.turn()
            self._turn_at = ticks + SLOT_S
        if self.is_pulsing:
            return  # once it is answered, the next is due at once
        self.due = self._next_due(ticks)
        self.is_pulsing = True
        if self._owes_rules:
            yield store.publish(self.rules), self._published
        if (command := self.recovery.command(self.rules, self.presence)) is not None:
            yield command, self._restored
        snapshot = self.snapshot
        known_rev = -1 if snapshot is None else snapshot.rev
        seen = self._seen(self.recovery.known)
        yield (
            store.pulse(zone_id=self.rules.zone_id, epoch=self._epoch, seen=seen, known_rev=known_rev),
            lambda reply: self._pulsed(ticks, seen, reply),
        )

    def _seen(self, snapshot: Snapshot | None) -> tuple[int, bytes] | None:
        """Who is to be told of as heard; a line that is lost takes no marks."""
        if self.recovery.lost_since is not None:
            return None
        if snapshot is None:
            return self.presence.take()
        # Soon after a loss the snapshot lacks people, and what was heard of them puts them back.
        is_whole = snapshot.now_ms - self.recovery.restored_at > GRACE_MS
        return self.presence.take(snapshot.line.base, snapshot if is_whole else None)

    def _next_due(self, ticks: float) -> float:
        """Just after a whole second of Redis's clock, at which a window may open."""
        earliest = ticks + PULSE_APART_S
        since_s = (self.clock.at(earliest) - self._house.phase_ms) / 1_000 % PULSE_EVERY_S
        return earliest + PULSE_EVERY_S - since_s

    def _published(self, reply: Any) -> None:
        self._owes_rules = isinstance(reply, Exception)

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
            self._take(pulse, sent)
        if self.due <= self._ticks():
            self._house.rouse()

    def _take(self, pulse: Pulse, sent: float) -> None:
        snapshot = self.view.take(pulse, sent)
        if pulse.restored_at > self.recovery.restored_at and self.recovery.lost_since is None:
            self._forget_departed()
        self.recovery.read(snapshot, pulse.restored_at)
        self.progress.read(
            snapshot,
            waiting=pulse.waiting_count,
            entering=pulse.minute_used,
            rules=self.rules,
            state=self.view.outlook.state,
            restored=pulse.restored_at,
        )
        self.desk.is_held = False
        self._owes_rules = pulse.rules_version < self.rules.version
        if pulse.rules_version > self.rules.version:
            self._house.look_again()
        self._look_when_room_comes()
        if not self.desk.is_empty:
            self._flush_soon()  # also what failed before
        self._house.snapshot_came(self.rules.zone_id)

    def bearing(self) -> Bearing | None:
        """How the line stands, for those who run it; None before it was read."""
        snapshot, view = self.snapshot, self.view
        if snapshot is None:
            return None
        is_lost = self.recovery.lost_since is not None
        now_ms = self.clock.now_ms()
        return Bearing(
            at=now_ms if is_lost else snapshot.now_ms,
            epoch=snapshot.epoch,
            version=self.rules.version,
            waiting=view.waiting,
            called=view.minute.called_living,
            entering=view.minute.used,
            eta=view.outlook.eta_newcomer_s(now_ms),
            front=snapshot.front,
            moved=self.progress.moved,
            grown=self.progress.grown(view.waiting),
            since=self.progress.since,
            lost=is_lost,
            gate=self._house.server,
        )

    def _look_when_room_comes(self) -> None:
        """Sockets of called people are claimed for when the line is read: read it when the next of few may enter."""
        if self.sockets and self.view.minute.called_living and self.rules.per_minute <= FEW_A_MINUTE:
            ticks, hope = self._ticks(), self.clock.ticks_at(self.view.outlook.claims_from_ms)
            if ticks < hope < self.due:
                self.due = max(hope + ROOM_MARGIN_S, ticks + PULSE_APART_S)
                self._house.rouse()

    def _entered(self, place: int) -> None:
        self.presence.entered(place)
        self.recovery.entered(place)

    def _forget_departed(self) -> None:
        """Redis lost the line: what was heard before of who had left it by then must not put them back."""
        if self.recovery.known is not None:
            self.presence.forget_departed(self.recovery.known)

    def _trouble(self, status: str) -> None:
        """The line is lost, or another one stands in its place."""
        if status == "epoch":
            self._house.look_again()
        elif self.recovery.lost_since is None:
            self.recovery.lost()
            self._forget_departed()
            self.desk.is_held = True
            self._hurry()
