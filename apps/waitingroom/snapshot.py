"""One zone's line as a gate read it from Redis a moment ago: ranks by memory alone.

The line is a bitmap: bit p, counted from `base`, says that place p is waiting, in Redis's order (SETBIT: the first bit
is the most significant one of the first byte). Set bits below each block of 128 bytes are counted once, when the bitmap
is read; a rank is then one look-up and one count within a block, the same for ten waiting and for a million.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

_BLOCK_SHIFT = 7
BLOCK_BYTES = 1 << _BLOCK_SHIFT


class Bitmap:
    """Bits of places from `base` on, with what is needed to count those below a place. Never changed once made."""

    __slots__ = ("_below", "_length", "base", "count", "data")

    def __init__(self, base: int, data: bytes) -> None:
        """`data` is what GET of the Redis bitmap answers; place p is its bit p - base."""
        self.base = base
        self.data = data
        self._length = len(data)
        from_bytes = int.from_bytes
        blocks = (
            from_bytes(data[start : start + BLOCK_BYTES], "big").bit_count()
            for start in range(0, self._length, BLOCK_BYTES)
        )
        self._below = list(accumulate(blocks, initial=0))
        self.count: int = self._below[-1]

    def below(self, place: int) -> int:
        """How many bits are set for places below this one."""
        offset = place - self.base
        if offset <= 0:
            return 0
        byte = offset >> 3
        if byte >= self._length:
            return self.count
        block = byte >> _BLOCK_SHIFT
        within = int.from_bytes(self.data[block << _BLOCK_SHIFT : byte + 1], "big") >> 8 - (offset & 7)
        return self._below[block] + within.bit_count()

    def holds(self, place: int) -> bool:
        """Whether this place's bit is set."""
        offset = place - self.base
        byte = offset >> 3
        return 0 <= byte < self._length and bool(self.data[byte] >> 7 - (offset & 7) & 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The line of one zone at `now_ms`. `dataclasses.replace(snapshot, ...)` renews figures and keeps the bitmap.

    Everybody from `front` on is yet to be called; `next` is the first place not yet given when the line was read, so a
    place from there on joined later and stands behind everybody counted here, in order.
    """

    epoch: int
    now_ms: int  # Redis's clock, epoch ms
    rev: int  # changes whenever the bitmap does
    front: int
    next: int
    line: Bitmap
    used: Mapping[int, int]  # entries of each 6-second window, by its number
    total: int = field(init=False)  # waiting from `front` on
    called_waiting: int = field(init=False)  # waiting below `front`: called, but not yet entered

    def __post_init__(self) -> None:
        called = self.line.below(self.front)
        object.__setattr__(self, "called_waiting", called)
        object.__setattr__(self, "total", self.line.below(self.next) - called)

    def called(self, place: int) -> bool:
        """Whether this place may claim its entry."""
        return place < self.front

    def ahead(self, place: int) -> int:
        """How many stand before this place and are yet to be called; 0 for one who is called."""
        if place < self.front:
            return 0
        if place >= self.next:
            return self.total + place - self.next
        return self.line.below(place) - self.called_waiting

    def rank(self, place: int) -> int:
        """Where this place stands among those yet to be called, from 1; 1 also for one who is called."""
        return self.ahead(place) + 1
