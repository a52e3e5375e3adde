"""A flash crowd: how many people come in each minute, and at which moments. Reads the file form `minute,requests`.

Pure: no Django, no network, no clock. Minute m with r requests is r / scale arrivals, spread evenly at random (seeded)
over that minute; the scale makes the busiest minute played a chosen multiple of N, what the zone admits a minute.
"""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from .trace import TraceError, text_read

COLUMNS = ("minute", "requests")
PEAK_TIMES_N = 3.0


@dataclass(frozen=True, slots=True)
class Minute:
    """A row: the minute, as seconds of the file's own clock, and its requests."""

    start: float
    requests: int


def is_crowd(path: Path) -> bool:
    """Whether the file's header is that of a crowd; TraceError or OSError if it cannot be read at all."""
    header = next(csv.reader([text_read(path).partition("\n")[0]]), [])
    return all(name in header for name in COLUMNS)


def crowd_read(path: Path) -> list[Minute]:
    """The minutes of a CSV file, gzipped or not, in their order."""
    return list(minutes_parse(io.StringIO(text_read(path), newline="")))


def minutes_parse(lines: Iterable[str]) -> Iterable[Minute]:
    """Each row as a Minute. The header names the columns; minutes only go forward."""
    rows = csv.reader(lines, strict=True)
    before = float("-inf")
    try:
        header = next(rows, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise TraceError(f"line 1: the header lacks {', '.join(missing)}")
        at, requests = (header.index(name) for name in COLUMNS)
        for row in rows:
            if len(row) != len(header):
                raise TraceError(f"line {rows.line_num}: {len(row)} columns where the header has {len(header)}")
            try:
                start = datetime.fromisoformat(row[at]).replace(tzinfo=UTC).timestamp()
            except ValueError:
                raise TraceError(f"line {rows.line_num}: minute is no date and time: {row[at]!r}") from None
            if not (row[requests].isascii() and row[requests].isdecimal()):
                raise TraceError(f"line {rows.line_num}: requests is not a whole number: {row[requests]!r}")
            if start <= before:
                raise TraceError(f"line {rows.line_num}: {row[at]} does not come after the minute before it")
            before = start
            yield Minute(start, int(row[requests]))
    except csv.Error as error:
        raise TraceError(f"line {rows.line_num}: {error}") from None


def minutes_between(start: float, end: float) -> int:
    """How many minutes of the file begin with the one that holds `start`, and before `end`. TraceError if none does."""
    count = ceil(end / 60) - int(start // 60)
    if count < 1 or end <= start:
        raise TraceError("the end does not come after the beginning")
    return count


def crowd_cut(minutes: Sequence[Minute], *, start: float, count: int) -> list[Minute]:
    """`count` minutes from `start` on; fewer if the file ends. A minute that the file lacks is one without requests."""
    known = {minute.start: minute.requests for minute in minutes}
    first = start // 60 * 60
    last = min(first + 60 * (count - 1), max(known, default=first - 60))
    cut = [
        Minute(at, known.get(at, 0)) for at in (first + 60.0 * step for step in range(int((last - first) // 60) + 1))
    ]
    if not any(minute.requests for minute in cut):
        raise TraceError("nobody comes between these moments")
    return cut


def arrivals(minutes: Sequence[Minute], *, per_minute: int, seed: int, peak: float = PEAK_TIMES_N) -> list[float]:
    """When each person comes, in seconds after the first minute began, in order. The busiest minute has `peak` x N."""
    chance = random.Random(seed)
    scale = peak * per_minute / max(minute.requests for minute in minutes)
    moments: list[float] = []
    owed = 0.0
    for number, minute in enumerate(minutes):
        owed += minute.requests * scale  # what rounding leaves goes into the next minute, so that none is lost
        people = round(owed)
        owed -= people
        moments += sorted((number + chance.random()) * 60.0 for _ in range(people))
    return moments
