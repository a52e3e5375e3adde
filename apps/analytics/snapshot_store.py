"""What Redis keeps of snapshots that are being taken, or are not in the database yet.

Keys, all in one slot:
- `history:{snapshots}:taking`: somebody reads the figures of a mark.
- `history:{snapshots}:taken:<epoch_s>`: the snapshot of that mark has been put aside, or nobody can tell it any more.
  Kept for an hour, so that a second beat, a late run or a clock that is set back finds it.
- `history:{snapshots}:settled`: the last mark (epoch s) that was taken; before it none is missing that could
  be had.
- `history:{snapshots}:aside`: hash, mark (epoch s) -> snapshot, packed (snapshots.py), until it is in the database.
- `history:{snapshots}:writing`: somebody writes them into the database.
- `history:{snapshots}:written`: the mark (epoch s) of the last one that was written.
"""

from collections.abc import Iterable, Mapping, Sequence

from apps.realtime.redis import Command

KEYS = "history:{snapshots}:"
# A task that is at it for longer is killed, and by then another may begin.
TAKING_KEPT_S = 120
# Renewed with every part that is written. No shorter than the above: a database that hangs holds up one run at a time.
WRITING_KEPT_S = 120
TAKEN_KEPT_S = 3_600
# Snapshots that may wait: a day of them, 660 kB each with 100,000 streams. Past it the oldest go.
MARKS_KEPT = 288


def taking_claim() -> Command:
    """Answers None if somebody else is at it."""
    return ("SET", KEYS + "taking", 1, "NX", "EX", TAKING_KEPT_S)


def taking_release() -> Command:
    """Let others take."""
    return ("DEL", KEYS + "taking")


def is_taken(mark_s: int) -> Command:
    """1 if nothing is to be done about this mark."""
    return ("EXISTS", f"{KEYS}taken:{mark_s}")


def taken(mark_s: int) -> Command:
    """Nothing more is to be done about this mark."""
    return ("SET", f"{KEYS}taken:{mark_s}", 1, "EX", TAKEN_KEPT_S)


def settled() -> Command:
    """The last mark that was taken."""
    return ("GET", KEYS + "settled")


def settle(mark_s: int) -> Command:
    """This mark is taken, and what was missing before it has been looked for."""
    return ("SET", KEYS + "settled", mark_s)


def aside_put(asides: Mapping[int, bytes]) -> Command:
    """Put packed snapshots aside, all or none of them."""
    return ("HSET", KEYS + "aside", *(part for pair in asides.items() for part in pair))


def aside_marks() -> Command:
    """The marks whose snapshots wait."""
    return ("HKEYS", KEYS + "aside")


def aside_marks_read(reply: Iterable[bytes]) -> list[int]:
    """What `aside_marks` answered, oldest first."""
    return sorted(map(int, reply))


def aside(mark_s: int) -> Command:
    """One packed snapshot, or None."""
    return ("HGET", KEYS + "aside", mark_s)


def aside_drop(marks: Sequence[int]) -> Command:
    """Forget these: they are in the database, or given up."""
    return ("HDEL", KEYS + "aside", *marks)


def writing_claim() -> Command:
    """Answers None if somebody else is at it."""
    return ("SET", KEYS + "writing", 1, "NX", "EX", WRITING_KEPT_S)


def writing_renew() -> Command:
    """Stay at it for a while longer."""
    return ("EXPIRE", KEYS + "writing", WRITING_KEPT_S)


def writing_release() -> Command:
    """Let others write."""
    return ("DEL", KEYS + "writing")


def written() -> Command:
    """The mark of the last snapshot that was written."""
    return ("GET", KEYS + "written")


def written_put(mark_s: int) -> Command:
    """This mark is in the database."""
    return ("SET", KEYS + "written", mark_s)
