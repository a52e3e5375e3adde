"""What this process sees of one zone's line: the newest snapshot, and what the rules make of it at this moment.

Answers are made from the outlook. It is made anew when the line was read, when newcomers were told how it stands, when
the zone's state changes by itself, and when the last reading has grown too old. Time is Redis's: every reading brings
it, and between two of them this machine's monotonic clock is added.
"""

import asyncio
from collections.abc import Callable

from .foretold import Foretold
from .outlook import Minute, Outlook, learned
from .pacing import Strain
from .redis_clock import RedisClock
from .replies import Joined, Pulse
from .rules import ZoneRules
from .snapshot import Bitmap, Snapshot

# A snapshot older than this: Redis is away, and the zone's fail mode holds.
STALE_S = 5.0
# For how long a reading of the line is awaited.
READING_PATIENCE_S = 2.0


class View:
    """One zone's line as last read. `ticks` are those of `clock`, in seconds."""

    def __init__(self, rules: ZoneRules, clock: RedisClock, strain: Strain, *, hurry: Callable[[], None]) -> None:
        """`hurry` has the line read as soon as possible."""
        self.since: float | None = None  # ticks from which on the line is read every second; None: it is let alone
        self.outlook: Outlook  # as of the last review: `current` is the one of now
        self.minute: Minute
        self.waiting: int
        self._rules = rules
        self._clock = clock
        self._strain = strain
        self._hurry = hurry
        self._read_at = 0.0  # ticks of the pulse that read the snapshot
        self._reading = asyncio.Event()  # set by the next reading, and then another one
        self.start_anew(rules)

    def start_anew(self, rules: ZoneRules) -> None:
        """Nothing is known of the line, whose rules are these."""
        self._rules = rules
        self.outlook = Outlook(rules, None, now_ms=self._clock.now_ms())
        self._until = 0.0  # ticks: the outlook holds
        self.minute, self._foretold, self.waiting = Minute(), Foretold(), 0
        self._joined: Joined | None = None  # what the last newcomers here were told of the line

    def obey(self, rules: ZoneRules) -> None:
        """Go by these rules from now on."""
        before, self._rules = self._rules, rules
        if (rules.mode, rules.opens_at_ms) != (before.mode, before.opens_at_ms) or rules.per_minute < before.per_minute:
            self._foretold = Foretold()
        self._until = 0.0

    def open(self, ticks: float) -> None:
        """From now on the line is read."""
        self.since, self._until = ticks, 0.0

    # --- looking ----------------------------------------------------------------------------------------------

    def at(self, ticks: float) -> Outlook:
        """The outlook at this moment."""
        if ticks >= self._until:
            self.review(ticks)
        return self.outlook

    def current(self) -> Outlook:
        """The outlook now."""
        return self.at(self._clock.ticks())

    def review(self, ticks: float, came: Snapshot | None = None) -> None:
        """Look at the zone anew: a snapshot came, the last one grew too old, or the zone opened."""
        snapshot = came or self.outlook.snapshot
        since = self.since if snapshot is None else self._read_at
        is_away = since is not None and ticks - since >= STALE_S
        self.outlook = outlook = Outlook(
            self._rules,
            snapshot,
            now_ms=self._clock.at(ticks),
            minute=self.minute,
            foretold=self._foretold,
            strain=self._strain.factor,
            is_away=is_away,
        )
        until = ticks + 1.0 if is_away or since is None else since + STALE_S
        self._until = min(until, self._clock.ticks_at(outlook.changes_at_ms))

    async def is_read(self, since_ms: int = 0) -> bool:
        """Wait until the line was read at this moment (epoch ms) or later; False if that takes too long."""
        if self._has_read(since_ms):
            return True
        try:
            async with asyncio.timeout(READING_PATIENCE_S):
                while not self._has_read(since_ms):
                    self._hurry()
                    await self._reading.wait()
        except TimeoutError:
            return False
        return True

    def _has_read(self, since_ms: int) -> bool:
        snapshot = self.outlook.snapshot
        return snapshot is not None and snapshot.now_ms >= since_ms

    # --- learning ---------------------------------------------------------------------------------------------

    def take(self, pulse: Pulse, sent: float) -> Snapshot:
        """The line was read by a pulse that was sent at these ticks."""
        self._clock.heard(pulse.now_ms)
        known = self.outlook.snapshot
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
        self.minute = Minute(pulse.minute_used, pulse.log_oldest_ms, pulse.called_living)
        self.waiting, self._read_at = pulse.waiting_count, sent
        self._foretold.forget_below(pulse.front)
        self.review(self._clock.ticks(), snapshot)
        if self._joined is not None:  # they may have come after this was read, and been answered first
            self.learn(self._joined)
        reading, self._reading = self._reading, asyncio.Event()
        reading.set()
        return snapshot

    def learn(self, joined: Joined) -> None:
        """Newcomers were told how the line stands, so that nobody need read it again to tell them when they enter."""
        self._joined = joined
        snapshot = self.outlook.snapshot
        if snapshot is not None and (newer := learned(snapshot, self.minute, joined)) is not None:
            line, self.minute = newer
            self.waiting = joined.waiting
            self.review(self._clock.ticks(), line)
