"""Marks of the clock, and a snapshot as the few bytes that wait for the database. Pure: no I/O, no clock."""

import datetime
import struct
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import accumulate, pairwise

from apps.audience.selectors import LiveCounts

SNAPSHOT_SECONDS = 300
# A worker's clock may be a little behind beat's: what arrives just before a mark was sent for that mark.
CLOCK_SKEW_SECONDS = 2
# Figures read up to so long after a mark count as those of the mark. Later, what it was is looked up in the trails.
LATE_S = 60
# Trails go back 15 minutes when sweeps are in time; a point so long before the mark still tells what it was then.
RECALLED_S = 900
RECALLED_WITHIN_S = 15

FIELDS = 5
# A first byte that another way of packing would change.
READ, RECALLED = b"1", b"2"


class AsideSpoilt(ValueError):
    """These bytes are no snapshot."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A snapshot that is not in the database yet. Of a recalled one, visits and unique viewers are not known."""

    is_recalled: bool
    rows: Sequence[LiveCounts]


def snapshot_mark(now: datetime.datetime) -> datetime.datetime:
    """The 5-minute mark of the clock to which a snapshot at `now` belongs."""
    seconds = int(now.timestamp()) + CLOCK_SKEW_SECONDS
    return mark_of(seconds - seconds % SNAPSHOT_SECONDS)


def mark_of(seconds: int) -> datetime.datetime:
    """Epoch seconds as a moment."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)


def mark_after(moment: datetime.datetime) -> datetime.datetime:
    """The first mark that is not before the moment."""
    seconds = -(-moment.timestamp() // SNAPSHOT_SECONDS) * SNAPSHOT_SECONDS
    return mark_of(int(seconds))


def marks_missed(*, settled_s: int | None, mark_s: int, is_late: bool) -> tuple[range, int]:
    """(marks to recall, how many older ones nobody can tell) between the last one that was settled and the one that is.

    `settled_s` is None if nobody knows: then nothing is missed. The mark itself is among them if it `is_late`.
    """
    end = mark_s + SNAPSHOT_SECONDS if is_late else mark_s
    if settled_s is None or settled_s >= mark_s:
        return range(mark_s, end, SNAPSHOT_SECONDS), 0
    first = settled_s + SNAPSHOT_SECONDS
    recalled = max(first, mark_s - RECALLED_S + SNAPSHOT_SECONDS)
    return range(recalled, end, SNAPSHOT_SECONDS), (recalled - first) // SNAPSHOT_SECONDS


def pack(aside: Aside) -> bytes:
    """The rows, column by column and each id as its distance from the one before: under 7 bytes a stream."""
    rows = sorted(map(astuple, aside.rows))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * FIELDS
    columns[0] = [after - before for before, after in pairwise([0, *columns[0]])]
    packed = b"".join(struct.pack(f"<{len(rows)}q", *column) for column in columns)
    return (RECALLED if aside.is_recalled else READ) + zlib.compress(packed, 1)


def unpack(packed: bytes) -> Aside:
    """What `pack` was given, in the order of ids. AsideSpoilt."""
    try:
        is_recalled = {READ: False, RECALLED: True}[packed[:1]]
        values = [value for (value,) in struct.iter_unpack("<q", zlib.decompress(packed[1:]))]
    except (KeyError, zlib.error, struct.error) as error:
        raise AsideSpoilt(f"these {len(packed)} bytes are no snapshot: {error!r}") from error
    number, rest = divmod(len(values), FIELDS)
    if rest:
        raise AsideSpoilt(f"{len(values)} figures are not those of whole rows")
    ids, *figures = (values[field * number : (field + 1) * number] for field in range(FIELDS))
    return Aside(is_recalled, [LiveCounts(*row) for row in zip(accumulate(ids), *figures, strict=True)])
