"""Who was heard of: one byte a place and slot, from which Redis is told one bit a place.

A slot lasts SLOT_S. Within it every poll counts up its place's byte, which tells at once who polls too fast and who was
here at all. At the end of the slot the bytes become bits (most significant first, as SETBIT numbers them), which wait
here until Redis has taken them: a lost connection loses nobody.
"""

from .snapshot import Snapshot

SLOT_S = 3.0
SEGMENT_BITS = 16
SEGMENT = 1 << SEGMENT_BITS  # places in a segment: 64 KiB of bytes, 8 KiB of bits
SEGMENT_BYTES = SEGMENT // 8
# Tickets so far apart are not of one line: it began anew, and those of before have no place in it (lua/restore.lua).
SEGMENTS_TOLD = 256
_IN_SEGMENT = SEGMENT - 1
# Any count is one mark.
_MARKS = bytes([0]) + bytes([1]) * 255


def bits_of(counts: bytes | bytearray) -> int:
    """The marks of one segment as one number of SEGMENT bits, the first place the most significant."""
    marks = counts.translate(_MARKS)
    found = 0
    for offset in range(8):  # every eighth byte at once: 65,536 marks take 60 us
        found |= int.from_bytes(marks[offset::8], "big") << (7 - offset)
    return found


class Presence:
    """Who polled here, of one zone. Not for several epochs: a cleared line starts with a new one."""

    __slots__ = ("_counts", "_entered", "_entered_before", "_owed")

    def __init__(self) -> None:
        self._counts: dict[int, bytearray] = {}  # of the slot that is running, by segment
        self._owed: dict[int, int] = {}  # bits of ended slots that Redis was not told of, by segment
        self._entered: set[int] = set()  # places let in during this slot
        self._entered_before: set[int] = set()  # and during the one before

    def poll(self, place: int) -> int:
        """Count a poll of this place; how many there were in this slot (at most 255)."""
        segment = self._counts.get(place >> SEGMENT_BITS)
        if segment is None:
            segment = self._counts[place >> SEGMENT_BITS] = bytearray(SEGMENT)
        index = place & _IN_SEGMENT
        count = segment[index]
        if count == 255:
            return count
        segment[index] = count + 1
        return count + 1

    def mark(self, place: int) -> None:
        """This place was heard of, without counting as a poll: its socket is open."""
        segment = self._counts.get(place >> SEGMENT_BITS)
        if segment is None:
            segment = self._counts[place >> SEGMENT_BITS] = bytearray(SEGMENT)
        if not segment[place & _IN_SEGMENT]:
            segment[place & _IN_SEGMENT] = 1

    def entered(self, place: int) -> None:
        """This place was let in: that it was heard of before is nobody's concern now.

        A Redis that has lost the line would take it for somebody who still waits.
        """
        self._entered.add(place)

    def turn(self) -> None:
        """End the slot: counts begin anew, who was heard of is owed to Redis."""
        counts, self._counts = self._counts, {}
        self._entered_before, self._entered = self._entered, set()
        for segment, marks in counts.items():
            self._owed[segment] = self._owed.get(segment, 0) | bits_of(marks)

    def _let_go(self, entered: set[int]) -> None:
        for place in entered:
            segment = place >> SEGMENT_BITS
            if segment in self._owed:
                self._owed[segment] &= ~(1 << _IN_SEGMENT - (place & _IN_SEGMENT))

    def take(self, base: int = 0, line: Snapshot | None = None) -> tuple[int, bytes] | None:
        """All that is owed of places from `base` on (a multiple of SEGMENT): the first place, and its bits in one run.

        With a `line`, who had left it when it was read is left out: should Redis have lost the line since, what was
        heard of them before must not put them back. None if nothing is owed. Whoever takes it tells Redis, or gives it
        back.
        """
        self._let_go(self._entered | self._entered_before)
        owed, self._owed = self._owed, {}
        if line is not None:
            owed = {segment: bits & _standing(line, segment) for segment, bits in owed.items()}
        segments = [segment for segment, bits in owed.items() if bits and segment >= base >> SEGMENT_BITS]
        if not segments:
            return None
        last = max(segments)
        first = min(segment for segment in segments if segment > last - SEGMENTS_TOLD)
        empty = bytes(SEGMENT_BYTES)
        run = b"".join(
            owed[segment].to_bytes(SEGMENT_BYTES, "big") if segment in owed else empty
            for segment in range(first, last + 1)
        )
        return first << SEGMENT_BITS, run.rstrip(b"\0")

    def forget_departed(self, line: Snapshot) -> None:
        """Drop what is not told yet of places that had left this line when it was read.

        Redis has lost the line: told of them, it would put those back whom other processes had let in.
        """
        self.turn()
        self._owed = {segment: bits & _standing(line, segment) for segment, bits in self._owed.items()}

    def give_back(self, taken: tuple[int, bytes]) -> None:
        """Redis could not be told of this: it is owed again."""
        first, run = taken[0] >> SEGMENT_BITS, taken[1]
        for start in range(0, len(run), SEGMENT_BYTES):
            part = run[start : start + SEGMENT_BYTES].ljust(SEGMENT_BYTES, b"\0")
            segment = first + start // SEGMENT_BYTES
            self._owed[segment] = self._owed.get(segment, 0) | int.from_bytes(part, "big")


def _standing(line: Snapshot, segment: int) -> int:
    """The places of a segment that wait in this line, or joined after it was read."""
    first = segment << SEGMENT_BITS
    start = first - line.line.base >> 3
    waiting = line.line.data[start : start + SEGMENT_BYTES] if start >= 0 else b""
    given = min(max(line.next - first, 0), SEGMENT)
    return int.from_bytes(waiting.ljust(SEGMENT_BYTES, b"\0"), "big") | (1 << SEGMENT - given) - 1
