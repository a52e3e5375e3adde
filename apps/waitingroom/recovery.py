"""Putting one zone's line back after Redis lost it.

A process that has read the line tells Redis so at once. One that has not (it just started, or nobody had come to the
zone here) listens for a while to the tickets that are presented, because the first to tell opens the line for all.
While a line is lost newcomers wait, so that nobody is given the place of somebody who stands in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from apps.realtime.redis import Command

from . import store
from .metrics import RESTORED
from .rules import ZoneRules
from .seen import SEGMENT_BYTES, SEGMENTS_TOLD, Presence
from .snapshot import Bitmap, Snapshot

# A client asks every three seconds or so: after this long most of those who are here have shown their tickets.
LISTEN_S = 3.0


@dataclass(slots=True)
class Recovery:
    """What this process knows of a line, and since when it is lost. `ticks` is the clock of `lost`, in seconds."""

    ticks: Callable[[], float]
    known: Snapshot | None = None  # the line as last read
    restored_at: int = 0  # when it was last restored, as of then
    given: int = 0  # first place not given yet, as of then; kept while nobody follows the line
    lost_since: float | None = None
    owed: Snapshot | None = None  # another process put the line back: this is what ours knew
    _entered: set[int] = field(default_factory=set)  # places let in here since then
    _telling: tuple[Snapshot | None, tuple[int, bytes] | None] = (None, None)

    def lost(self) -> None:
        """Redis said that it does not know the line."""
        if self.lost_since is None:
            self.lost_since = self.ticks()

    def read(self, snapshot: Snapshot, restored_at: int) -> None:
        """The line was read. If somebody else had put it back meanwhile, what was known here is owed to it."""
        if self.known is not None and restored_at > self.restored_at and self.lost_since is None:
            self.owed = self._without_entered(self.known)
        self._entered = {place for place in self._entered if snapshot.line.holds(place)}
        self.known, self.restored_at, self.lost_since = snapshot, restored_at, None
        self.given = snapshot.next

    def entered(self, place: int) -> None:
        """This place was let in since the line was read."""
        self._entered.add(place)

    def _without_entered(self, known: Snapshot) -> Snapshot:
        """The line less whoever is known to have entered: Redis, having forgotten that, would let them hold a turn."""
        base, bits = known.line.base, bytearray(known.line.data)
        for place in self._entered:
            if base <= place < base + len(bits) * 8:
                bits[place - base >> 3] &= ~(128 >> (place - base & 7))
        return replace(known, line=Bitmap(base, bytes(bits)))

    def forget(self, given: int) -> None:
        """The line was cleared, or this process stops following it, and so many places of it have been given."""
        self.given = given
        self.known = self.owed = self.lost_since = None
        self.restored_at = 0
        self._entered.clear()

    def command(self, rules: ZoneRules, presence: Presence) -> Command | None:
        """What Redis must be told to have the line again, if it is time to; `told` says what came of it."""
        known, presented = self.known, None
        if self.lost_since is None:
            known, self.owed = self.owed, None
            if known is None:
                return None
        elif known is None:
            if self.ticks() - self.lost_since < LISTEN_S:
                return None
            presence.turn()
            presented = self._up_to_given(presence.take())
        else:
            known = self._without_entered(known)
        self._telling = known, presented
        return store.restore(rules=rules, known=known, presented=presented)

    def _up_to_given(self, presented: tuple[int, bytes] | None) -> tuple[int, bytes] | None:
        """The same, and nobody up to the last place that is known to be given: what follows is to begin behind it."""
        if presented is None:
            return None
        first, bits = presented
        return first, bits.ljust(min(self.given - first + 7 >> 3, SEGMENTS_TOLD * SEGMENT_BYTES), b"\0")

    def told(self, presence: Presence, *, is_done: bool) -> None:
        """Redis took it, or is to be told again."""
        (known, presented), self._telling = self._telling, (None, None)
        if is_done:
            RESTORED.inc()
            return
        if presented is not None:
            presence.give_back(presented)
        if self.lost_since is None:
            self.owed = known
