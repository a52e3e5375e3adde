"""When a client should ask again: soon when its turn is near, rarely when it is far or when this process is busy.

Pure. Periods are ms. A period is never shorter than the zone's own, and never longer than MOST_MS or a third of the
idle limit, so that two lost polls evict nobody, unless the zone's own is: of a period of half the limit, one.
"""

WINDOW_MS = 6_000
MOST_MS = 20_000
# A wait of ten minutes is asked about every 20 s, one of a minute every 3 s.
ETA_SHARE = 20
# A gate knows who is called in a new window once it has asked Redis just after; those called come spread, not at once:
# some milliseconds for each of them, a second at most.
OPENING_MARGIN_MS = 350
SPREAD_MS_EACH = 10
MOST_SPREAD_MS = 1_000
# Somebody called whom the minute has no room for just now is let in by the same question if room comes within so long.
# Who had to ask again would be late by a poll every minute, until the turns of whole windows were lost.
HOLD_MS = 1_000
# Who is called already needs no more than that the moment has come.
CLAIM_MARGIN_MS = 30
# Late by so much, timers of this process say that it has twice the work that it can do in time.
STRAINED_S = 0.1
MOST_STRAIN = 6.0


class Pace:
    """The polling periods of one zone under one strain of the process."""

    __slots__ = ("_floor", "_most", "_spread")

    def __init__(self, *, poll_ms: int, idle_s: int, per_window: int, strain: float = 1.0) -> None:
        """`per_window`: how many are called at once."""
        self._most = max(poll_ms, min(MOST_MS, idle_s * 1_000 // 3))
        self._floor = min(self._most, int(poll_ms * strain))
        self._spread = max(1, min(MOST_SPREAD_MS, per_window * SPREAD_MS_EACH))

    def period(self, eta_ms: int | None, place: int, margin_ms: int = OPENING_MARGIN_MS) -> int:
        """Ms until this place should ask again; `eta_ms` is when its turn comes, None if nobody knows."""
        if eta_ms is None:
            return self._floor
        if eta_ms <= 2 * WINDOW_MS:
            # Soon: ask just after, neighbours at moments far apart.
            period = eta_ms + margin_ms + place * 617 % self._spread
            if period > self._floor + WINDOW_MS:
                period = self._floor  # there is time to ask once more before, and to be told of a change
        else:
            period = eta_ms // ETA_SHARE
        if period < self._floor:
            return self._floor
        return period if period < self._most else self._most


class Strain:
    """How late this process is with what it meant to do: 1.0 when it is in time, up to MOST_STRAIN."""

    __slots__ = ("_late_s",)

    def __init__(self) -> None:
        self._late_s = 0.0

    def note(self, late_s: float) -> None:
        """A timer fired so late. The last ten or so decide."""
        self._late_s += (max(0.0, late_s) - self._late_s) / 10

    @property
    def factor(self) -> float:
        """What polling periods are stretched by."""
        if self._late_s < STRAINED_S / 4:
            return 1.0
        return min(MOST_STRAIN, 1.0 + self._late_s / STRAINED_S)
