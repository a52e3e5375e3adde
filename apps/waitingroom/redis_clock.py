"""Redis's clock, as far as this process can tell: the newest reply's time and what has gone by here since."""

import time
from collections.abc import Callable

# Replies come late by as much as the network and this loop are busy, never early, so the least delayed one is right.
# Two clocks drift apart by a ten-thousandth: so much of it is forgotten a reply.
DRIFT_MS = 1.0
# Further back than any delay: Redis has another clock now.
STEP_MS = 1_000.0


class RedisClock:
    """`ticks` is any clock in seconds that runs evenly; what it shows does not matter."""

    __slots__ = ("_offset_ms", "is_known", "ticks")

    def __init__(self, ticks: Callable[[], float]) -> None:
        self.ticks = ticks
        # Until Redis was heard: this machine's own time, good enough to say that nobody knows yet.
        self._offset_ms = (time.time() - ticks()) * 1_000
        self.is_known = False

    def heard(self, now_ms: int) -> None:
        """A reply came just now, and Redis said that it is `now_ms` (epoch ms)."""
        offset = now_ms - self.ticks() * 1_000
        if not self.is_known or offset < self._offset_ms - STEP_MS:
            self._offset_ms = offset
        else:
            self._offset_ms = max(offset, self._offset_ms - DRIFT_MS)
        self.is_known = True

    def at(self, ticks: float) -> int:
        """Epoch ms on Redis's clock when `ticks` was read."""
        return int(ticks * 1_000 + self._offset_ms)

    def now_ms(self) -> int:
        """Epoch ms on Redis's clock, now."""
        return int(self.ticks() * 1_000 + self._offset_ms)

    def ticks_at(self, epoch_ms: float) -> float:
        """What `ticks` will read at this moment of Redis's clock."""
        return (epoch_ms - self._offset_ms) / 1_000
