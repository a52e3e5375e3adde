"""One zone's past as its open pages know it: read bit by bit, so that it costs Redis next to nothing a second."""

import time
from collections.abc import Mapping
from dataclasses import asdict

from ..board_store import Gate
from ..replies import ZoneMinute
from .wall import ChangeTold, encode
from .zone_sight import HISTORY_MINUTES, Written, gates_seen, is_settled, past_of, unwritten, waits_of

# The running minute is read this often, if the budget of all zones allows it.
FRESH_EVERY_S = 5.0
WRITTEN_EVERY_S = 60.0
WITHOUT_MINUTES = frozenset({"gates", "changes", "rates"})


class WatchedPast:
    """What is known of one zone. `minute` is always the number of the running one."""

    def __init__(self) -> None:
        self.read_at = float("-inf")  # ticks when the running minute was read
        self.written: Written | None = None
        self.written_at = float("-inf")  # ticks
        self.changes: list[ChangeTold] | None = None
        self.rates: list[list[int]] = []
        self.changes_of: tuple[int, int] | None = None  # versions of zone and roles that both are of
        self._fresh: dict[int, ZoneMinute] = {}
        self._settled: set[int] = set()

    def wants(self, minute: int, ticks: float) -> list[int]:
        """The minutes that are to be read of Redis now, most wanted first."""
        is_due = minute not in self._fresh or ticks - self.read_at >= FRESH_EVERY_S
        return [*([minute] if is_due else []), *(each for each in reversed(self._needed(minute)) if self._is_due(each))]

    def _is_due(self, closed: int) -> bool:
        """Whether it was not read, or before its figures were final."""
        return closed not in self._fresh or (closed not in self._settled and is_settled(closed, time.time()))

    def _needed(self, minute: int) -> list[int]:
        """The closed minutes that only Redis holds, and the last ones, which say how long people wait."""
        if self.written is None:
            return [*waits_of(minute)]
        return sorted({*waits_of(minute), *unwritten(self.written, minute)} - {minute})

    def take(self, number: int, counted: ZoneMinute, minute: int, ticks: float) -> None:
        """A minute was read."""
        self._fresh[number] = counted
        if number == minute:
            self.read_at = ticks
        elif is_settled(number, time.time()):
            self._settled.add(number)
        oldest = minute - HISTORY_MINUTES
        self._fresh = {each: kept for each, kept in self._fresh.items() if each >= oldest}
        self._settled = {each for each in self._settled if each >= oldest}

    def told(self, zone_id: str, minute: int, gates: Mapping[str, Gate]) -> dict[str, str] | None:
        """Each part of the past as JSON; None before any of it was read.

        While minutes are missing their sums are left out: the page goes on with what it was made with.
        """
        if self.written is None or self.changes is None or not self._fresh:
            return None
        past = past_of(
            self.written,
            self._fresh,
            minute=minute,
            gates=gates_seen(zone_id, gates),
            changes=self.changes,
            rates=self.rates,
        )
        is_whole = {minute, *self._needed(minute)} <= self._fresh.keys()
        return {name: encode(value) for name, value in asdict(past).items() if is_whole or name in WITHOUT_MINUTES}
