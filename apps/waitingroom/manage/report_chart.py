"""A report's chart as SVG paths: drawn by the server, so that it prints and needs no script. Pure: no I/O.

Two figures a minute on one time axis: people waiting as an area on the left scale, entries a minute as a line on the
right one. Where nobody knows them nothing is drawn, and the time is shaded.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..reports import MINUTE, Report

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 56, 14, 26
# More points than this are less than a pixel each: a longer span is drawn by the fullest of several minutes.
MOST_POINTS = 720
TICKS = 4
# Minutes between two labels of the time axis.
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)


@dataclass(frozen=True, slots=True)
class Frame:
    """The paper: its size, the margins around the plot, and how many labels the time axis has room for, or so."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    times: int


WIDE = Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, times=8)
# For a phone, where figures have no room but in the plot.
NARROW = Frame(360, 240, left=1, right=1, top=22, bottom=24, times=4)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws; lengths in the units of a view box of the frame's size."""

    waiting: str
    entries: str
    times: Sequence[Tick]
    left: Sequence[Tick]
    right: Sequence[Tick]
    unknown: str  # the parts of the plot of which nobody knows
    opens_at: float | None
    width: int
    height: int
    plot_left: int
    plot_right: int
    plot_top: int
    plot_bottom: int


@dataclass(frozen=True, slots=True)
class Charts:
    """The same chart for wide and for narrow windows."""

    wide: Chart
    narrow: Chart


def charts_of(found: Report, *, opens_at: datetime | None = None, until: datetime | None = None) -> Charts:
    """The charts of a report; see `chart_of`."""
    wide, narrow = (chart_of(found, opens_at=opens_at, until=until, frame=frame) for frame in (WIDE, NARROW))
    return Charts(wide, narrow)


def chart_of(
    found: Report, *, opens_at: datetime | None = None, until: datetime | None = None, frame: Frame = WIDE
) -> Chart:
    """The chart of a report; times are labelled in the time zone of its `start`.

    Nothing is drawn from the minute on in which `until` lies: it is not over, and would look like a fall.
    """
    count = max(1, int((found.end - found.start) / MINUTE))
    merged = -(-count // MOST_POINTS)
    waiting, entries = _series(found, count, merged)
    left, right = (
        _top(max((value for value in values if value is not None), default=0)) for values in (waiting, entries)
    )
    across = frame.width - frame.left - frame.right
    step, spread = across / len(waiting), across / count
    drawn = count if until is None else max(1, int((until - found.start) / MINUTE) // merged)

    def x_of(moment: datetime) -> float:
        return round(frame.left + (moment - found.start) / MINUTE * spread, 1)

    return Chart(
        waiting=_stairs(waiting[:drawn], left, step, frame, closed=True),
        entries=_stairs(entries[:drawn], right, step, frame),
        times=[Tick(x_of(moment), text) for moment, text in _times(found.start, found.end, frame.times)],
        left=_ticks(left, frame),
        right=_ticks(right, frame),
        unknown="".join(
            f"M{x_of(one.start)} {frame.top}H{x_of(one.end)}V{frame.height - frame.bottom}H{x_of(one.start)}Z"
            for one in found.unknown
        ),
        opens_at=x_of(opens_at) if opens_at is not None and found.start < opens_at < found.end else None,
        width=frame.width,
        height=frame.height,
        plot_left=frame.left,
        plot_right=frame.width - frame.right,
        plot_top=frame.top,
        plot_bottom=frame.height - frame.bottom,
    )


def _series(found: Report, count: int, merged: int) -> tuple[list[int | None], list[int | None]]:
    """People waiting and entries, the most of every `merged` minutes; None where nobody knows either."""
    waiting: list[int | None] = [0] * -(-count // merged)
    for span in found.unknown:
        first, end = (int((moment - found.start) / MINUTE) for moment in (span.start, span.end))
        for place in range(max(0, first) // merged, min(len(waiting), -(-end // merged))):
            waiting[place] = None
    entries = list(waiting)
    for one in found.minutes:
        place = int((one.minute - found.start) / MINUTE) // merged
        if 0 <= place < len(waiting):
            waiting[place] = max(waiting[place] or 0, one.longest)
            entries[place] = max(entries[place] or 0, one.entries)
    return waiting, entries


def _top(most: int) -> int:
    """The end of a scale that holds `most`, divisible by TICKS and round."""
    if most <= TICKS:
        return TICKS
    power = 10 ** math.floor(math.log10(most / TICKS))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power * TICKS >= most and each * power % 1 == 0)
    return int(step) * TICKS


def _y(value: float, top: int, frame: Frame) -> float:
    bottom = frame.height - frame.bottom
    return round(bottom - value / top * (bottom - frame.top), 1)


def _stairs(values: Sequence[int | None], top: int, step: float, frame: Frame, *, closed: bool = False) -> str:
    """A path that holds each value for a step, with a gap for None; closed, it encloses the area below."""
    return "".join(_flight(first, flight, top, step, frame, closed) for first, flight in _flights(values))


def _flights(values: Sequence[int | None]) -> Iterator[tuple[int, list[int]]]:
    """The runs of values that are known, each with where it begins."""
    flight: list[int] = []
    for number, value in enumerate([*values, None]):
        if value is not None:
            flight.append(value)
        elif flight:
            yield number - len(flight), flight
            flight = []


def _flight(first: int, values: Sequence[int], top: int, step: float, frame: Frame, closed: bool) -> str:
    start = round(frame.left + first * step, 1) if first else frame.left
    parts = [f"M{start} {_y(values[0], top, frame)}"]
    for number, value in enumerate(values):
        if number and value != values[number - 1]:
            parts.append(f"V{_y(value, top, frame)}")
        if number == len(values) - 1 or values[number + 1] != value:
            parts.append(f"H{round(frame.left + (first + number + 1) * step, 1)}")
    return "".join(parts) + (f"V{frame.height - frame.bottom}H{start}Z" if closed else "")


def _ticks(top: int, frame: Frame) -> list[Tick]:
    return [Tick(_y(top * part / TICKS, top, frame), f"{top * part // TICKS:,}") for part in range(TICKS + 1)]


def _times(start: datetime, end: datetime, most: int) -> list[tuple[datetime, str]]:
    """Round moments of the clock in the span, at most so many or so."""
    count = (end - start) / MINUTE
    step = next((each for each in TIME_STEPS if count / each <= most), TIME_STEPS[-1])
    midnight = start.replace(hour=0, minute=0)
    first = -(-((start - midnight) // MINUTE) // step)
    moments = []
    moment = midnight + timedelta(minutes=first * step)
    while moment <= end:
        moments.append((moment, moment.strftime("%m-%d" if step == TIME_STEPS[-1] else "%H:%M")))
        moment += timedelta(minutes=step)
    return moments
