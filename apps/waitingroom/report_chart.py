"""A report's chart as SVG paths: drawn by the server, so that it prints and needs no script. Pure: no I/O.

Two figures a minute on one time axis: people waiting as an area on the left scale, entries a minute as a line on the
right one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .reports import MINUTE, Minute, Report

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 56, 14, 26
# More points than this are less than a pixel each: a longer span is drawn by the fullest of several minutes.
MOST_POINTS = 720
TICKS = 4
TIME_TICKS = 8
# Minutes between two labels of the time axis.
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis, and where it stands."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws; lengths in the units of a WIDTH by HEIGHT view box."""

    waiting: str
    entries: str
    times: Sequence[Tick]
    left: Sequence[Tick]
    right: Sequence[Tick]
    opens_at: float | None
    width: int = WIDTH
    height: int = HEIGHT
    plot_left: int = LEFT
    plot_right: int = WIDTH - RIGHT
    plot_top: int = TOP
    plot_bottom: int = HEIGHT - BOTTOM


def chart_of(found: Report, *, opens_at: datetime | None = None, until: datetime | None = None) -> Chart:
    """The chart of a report; times are labelled in the time zone of its `start`.

    Nothing is drawn from the minute on in which `until` lies: it is not over, and would look like a fall.
    """
    count = max(1, int((found.end - found.start) / MINUTE))
    merged = -(-count // MOST_POINTS)
    waiting, entries = _series(found.minutes, found.start, count, merged)
    left, right = _top(max(waiting)), _top(max(entries))
    step = (WIDTH - LEFT - RIGHT) / len(waiting)
    spread = (WIDTH - LEFT - RIGHT) / count
    drawn = count if until is None else max(1, int((until - found.start) / MINUTE) // merged)

    def x_of(moment: datetime) -> float:
        return round(LEFT + (moment - found.start) / MINUTE * spread, 1)

    return Chart(
        waiting=_stairs(waiting[:drawn], left, step, closed=True),
        entries=_stairs(entries[:drawn], right, step),
        times=[Tick(x_of(moment), text) for moment, text in _times(found.start, found.end)],
        left=_ticks(left),
        right=_ticks(right),
        opens_at=x_of(opens_at) if opens_at is not None and found.start < opens_at < found.end else None,
    )


def _series(minutes: Sequence[Minute], start: datetime, count: int, merged: int) -> tuple[list[int], list[int]]:
    """People waiting and entries, the most of every `merged` minutes."""
    waiting, entries = ([0] * -(-count // merged) for _ in range(2))
    for one in minutes:
        place = int((one.minute - start) / MINUTE) // merged
        if 0 <= place < len(waiting):
            waiting[place] = max(waiting[place], one.waiting)
            entries[place] = max(entries[place], one.entries)
    return waiting, entries


def _top(most: int) -> int:
    """The end of a scale that holds `most`, divisible by TICKS and round."""
    if most <= TICKS:
        return TICKS
    power = 10 ** math.floor(math.log10(most / TICKS))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power * TICKS >= most and each * power % 1 == 0)
    return int(step) * TICKS


def _y(value: float, top: int) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP), 1)


def _stairs(values: Sequence[int], top: int, step: float, *, closed: bool = False) -> str:
    """A path that holds each value for a step; closed, it encloses the area below."""
    parts = [f"M{LEFT} {_y(values[0], top)}"]
    for number, value in enumerate(values):
        if number and value != values[number - 1]:
            parts.append(f"V{_y(value, top)}")
        if number == len(values) - 1 or values[number + 1] != value:
            parts.append(f"H{round(LEFT + (number + 1) * step, 1)}")
    return "".join(parts) + (f"V{HEIGHT - BOTTOM}H{LEFT}Z" if closed else "")


def _ticks(top: int) -> list[Tick]:
    return [Tick(_y(top * part / TICKS, top), f"{top * part // TICKS:,}") for part in range(TICKS + 1)]


def _times(start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Round moments of the clock in the span, at most TIME_TICKS or so."""
    count = (end - start) / MINUTE
    step = next((each for each in TIME_STEPS if count / each <= TIME_TICKS), TIME_STEPS[-1])
    midnight = start.replace(hour=0, minute=0)
    first = -(-((start - midnight) // MINUTE) // step)
    moments = []
    moment = midnight + timedelta(minutes=first * step)
    while moment <= end:
        moments.append((moment, moment.strftime("%m-%d" if step == TIME_STEPS[-1] else "%H:%M")))
        moment += timedelta(minutes=step)
    return moments
