"""What was foretold is not taken back: the window in which each place was last told that it would be called.

When a window's room is not used up, everybody behind is called a little later than the schedule said. Who was told of
an earlier window goes on being told of that one, so nobody sees the time left rise. Kept by each process for those who
ask it; a new one begins when a manager changes what the schedule is made of.
"""

from array import array

_SEGMENT_BITS = 12
_IN_SEGMENT = (1 << _SEGMENT_BITS) - 1
_UNTOLD = array("I", bytes(4 << _SEGMENT_BITS))


class Foretold:
    """Four bytes a place, in segments of 4,096 places that exist once somebody there has asked."""

    __slots__ = ("_segments",)

    def __init__(self) -> None:
        self._segments: dict[int, array[int]] = {}

    def keep(self, place: int, window: int) -> int:
        """The earliest window that this place was ever told, now that the schedule says `window`."""
        segment = self._segments.get(place >> _SEGMENT_BITS)
        if segment is None:
            segment = self._segments[place >> _SEGMENT_BITS] = _UNTOLD[:]
        told = segment[place & _IN_SEGMENT]
        if told and told <= window:
            return told
        segment[place & _IN_SEGMENT] = window
        return window

    def forget_below(self, place: int) -> None:
        """Places below this one are called: they are told of no window any more."""
        for segment in [each for each in self._segments if each < place >> _SEGMENT_BITS]:
            del self._segments[segment]
