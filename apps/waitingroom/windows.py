"""Windows of six seconds, each one's share of N entries a minute, and when a rank will be called. Pure: no I/O.

Windows are aligned to the epoch: window w begins at w * 6,000 ms. Its share is floor((w + 1)N / 10) - floor(wN / 10),
so that any ten neighbours share exactly N, whatever N is.

While a line stands, window j calls

    cap(j) = max(0, min(share(j), N - entries of the nine windows before j))

more places. The schedule plays this forward, supposing that whoever is called enters: the room that is left in the
window under way goes to those already called. A planned window never takes more than its share, so from the tenth
window after the present one on the nine before leave at least a share, and cap(j) = share(j). Only nine windows have to
be played; all later ones follow from floor(jN / 10), the shares of all windows before j.

If fewer enter than planned, later caps only grow, so a foretold moment comes earlier, never later, while N stays.
"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

WINDOW_MS = 6_000
WINDOWS_A_MINUTE = 10


def window_of(epoch_ms: int) -> int:
    """The window that this moment lies in."""
    return epoch_ms // WINDOW_MS


def share(per_minute: int, window: int) -> int:
    """How many may enter in this window while a line stands; any ten neighbours sum to `per_minute`."""
    return _shares_before(per_minute, window + 1) - _shares_before(per_minute, window)


def _shares_before(per_minute: int, window: int) -> int:
    return window * per_minute // WINDOWS_A_MINUTE


class Schedule:
    """When the rank-th person beyond the front will be called, as foretold at `now_ms`."""

    __slots__ = ("_called", "_first", "_later", "_opens_at_ms", "_per_minute", "_room", "_stopped", "_window", "now_ms")

    def __init__(
        self,
        now_ms: int,
        per_minute: int,
        used: Mapping[int, int],
        paused: bool = False,
        opens_at_ms: int | None = None,
    ) -> None:
        """`now_ms` and `used` (entries by window) must be of the same moment as the front that ranks count from.

        Nobody is called while `paused`, nor before `opens_at_ms` (epoch ms) if that is yet to come.
        """
        self.now_ms = now_ms
        self._per_minute = per_minute
        self._stopped = paused or per_minute <= 0
        self._window = window = window_of(now_ms)
        self._opens_at_ms = now_ms if opens_at_ms is None else opens_at_ms
        # The first window that may call anybody: the present one has called already.
        self._first = window + 1 if self._opens_at_ms <= now_ms else max(window + 1, window_of(self._opens_at_ms))
        planned = [used.get(each, 0) for each in range(window - WINDOWS_A_MINUTE + 1, window + 1)]
        self._room = max(0, min(share(per_minute, window) - planned[-1], per_minute - sum(planned)))
        planned[-1] += self._room
        for each in range(window + 1, window + WINDOWS_A_MINUTE):
            room = per_minute - sum(planned[1 - WINDOWS_A_MINUTE :])
            planned.append(max(0, min(share(per_minute, each), room)) if each >= self._first else 0)
        # Called by the end of windows window+1 .. window+9, and the window from which shares alone decide.
        self._called = list(accumulate(planned[WINDOWS_A_MINUTE:]))
        self._later = max(window + WINDOWS_A_MINUTE, self._first)

    def window_for(self, rank: int) -> int | None:
        """The window that calls the `rank`-th (from 1) of those yet to be called; None when nobody is called."""
        if self._stopped:
            return None
        called = self._called
        if rank <= called[-1]:
            return self._window + 1 + bisect_left(called, max(1, rank))
        target = rank - called[-1] + _shares_before(self._per_minute, self._later)
        return -(-WINDOWS_A_MINUTE * target // self._per_minute) - 1

    def opening_ms(self, rank: int) -> int | None:
        """When the `rank`-th will be called, epoch ms on the clock of `now_ms`; None when nobody is called."""
        window = self.window_for(rank)
        return None if window is None else max(window * WINDOW_MS, self._opens_at_ms)

    def eta_ms(self, rank: int, now_ms: int | None = None) -> int | None:
        """Milliseconds from `now_ms`, by default the schedule's, until the `rank`-th is called; 0 if that is past."""
        opening = self.opening_ms(rank)
        if opening is None:
            return None
        return max(0, opening - (self.now_ms if now_ms is None else now_ms))

    def clears_ms(self, waiting: int) -> int | None:
        """When the last of so many who wait now, called or not, is called, epoch ms; None when nobody is."""
        if not waiting:
            return self.now_ms
        if self._stopped:
            return None
        rank = waiting - self.room_now()
        return self.now_ms if rank <= 0 else self.opening_ms(rank)

    def room_now(self) -> int:
        """How many the present window still lets in, for all that the windows say."""
        return 0 if self._stopped or self._opens_at_ms > self.now_ms else self._room
