"""What the waiting room's commands are answered, as dataclasses; store.py builds the commands."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

# "lost": Redis does not know the line, and gates restore it. "epoch": the line was cleared; the caller's is another.
Status = Literal["ok", "lost", "epoch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A line as `pulse` read it. Unless status is "ok", only `epoch` means anything, and only for "epoch"."""

    status: Status
    now_ms: int = 0  # the line's clock, epoch ms
    epoch: int = 0
    base: int = 0  # the place of the first bit
    next: int = 0  # first place not yet given
    front: int = 0  # first place not yet called
    waiting_count: int = 0
    called_living: int = 0  # called, heard of lately, not yet entered
    minute_used: int = 0  # entries that count against the sliding minute
    log_oldest_ms: int = 0  # when the oldest of them was, to 10 ms; 0 if there is none
    rev: int = 0  # whose bits these are
    rules_version: int = 0
    restored_at: int = 0  # when the line was last in doubt or restored; 0 if never
    used: dict[int, int] = field(default_factory=dict)  # window -> entries
    bits: bytes | None = None  # the waiting bitmap from `base` on; None if the caller has it already


def pulse_read(reply: Sequence[Any]) -> Pulse:
    """What `pulse` answered."""
    status = _status(reply)
    if status != "ok":
        return Pulse(status=status, epoch=int(reply[1]) if len(reply) > 1 else 0)
    windows = reply[13]
    return Pulse(
        status=status,
        now_ms=reply[1],
        epoch=reply[2],
        base=reply[3],
        next=reply[4],
        front=reply[5],
        waiting_count=reply[6],
        called_living=reply[7],
        minute_used=reply[8],
        log_oldest_ms=reply[9],
        rev=reply[10],
        rules_version=reply[11],
        restored_at=reply[12],
        used=dict(zip(windows[::2], windows[1::2], strict=True)),
        bits=reply[14],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a batch of newcomers was given. "closed": the zone takes nobody now (blocked, or not yet open).

    From `waiting` on it says how the line stood behind them, at `entered_ms`, as `Pulse` does: enough to tell
    newcomers when they will be called without reading the line again.
    """

    status: Status | Literal["closed"]
    epoch: int = 0  # the line's, for "epoch"
    first: int = 0  # they have the places from here on, unless `shuffled`
    count: int = 0
    entered: int = 0  # so many of them, the first, entered at once
    entered_ms: int = 0  # the line's clock when they came
    shuffled: bool = False
    places: list[int] | None = None  # one each, if `shuffled`
    waiting: int = 0
    front: int = 0  # first place not yet called
    minute_used: int = 0  # entries that count against the sliding minute
    log_oldest_ms: int = 0  # when the oldest of them was, to 10 ms; 0 if there is none
    used: dict[int, int] = field(default_factory=dict)  # window -> entries


def join_read(reply: Sequence[Any]) -> Joined:
    """What `join` answered."""
    if reply[0] == b"closed":
        return Joined(status="closed")
    status = _status(reply)
    if status != "ok":
        return Joined(status=status, epoch=int(reply[1]) if len(reply) > 1 else 0)
    shuffled, windows = reply[5] == 1, reply[11]
    return Joined(
        status=status,
        first=reply[1],
        count=reply[2],
        entered=reply[3],
        entered_ms=reply[4],
        shuffled=shuffled,
        places=list(reply[7]) if shuffled else None,
        waiting=reply[6],
        front=reply[8],
        minute_used=reply[9],
        log_oldest_ms=reply[10],
        used=dict(zip(windows[::2], windows[1::2], strict=True)),
    )


WAIT, GONE, SPENT = 0, -1, -2


@dataclass(frozen=True, slots=True)
class Claimed:
    """A result for each claim, in order: epoch ms of the entry (the same when asked again), or WAIT, GONE or SPENT.

    GONE: evicted, left, or never there. SPENT: entered, and the pass is over.
    """

    status: Status
    results: list[int]
    room_at_ms: int = 0  # then the minute has room for one of those called who were refused; 0: they wait for more


def claim_read(reply: Sequence[Any]) -> Claimed:
    """What `claim` answered."""
    status = _status(reply)
    return Claimed(status, list(reply[1]), reply[2]) if status == "ok" else Claimed(status, [])


@dataclass(frozen=True, slots=True)
class Left:
    """Whether each place was waiting until it left, in order."""

    status: Status
    results: list[bool]


def leave_read(reply: Sequence[Any]) -> Left:
    """What `leave` answered."""
    status = _status(reply)
    return Left(status, [result == 1 for result in reply[1]] if status == "ok" else [])


@dataclass(frozen=True, slots=True)
class Evicted:
    """How many were taken out, and how many wait."""

    status: Status
    evicted: int
    waiting: int


def evict_read(reply: Sequence[Any]) -> Evicted:
    """What `evict` answered."""
    status = _status(reply)
    return Evicted(status, reply[1], reply[2]) if status == "ok" else Evicted(status, 0, 0)


def restore_read(reply: Sequence[Any]) -> Status:
    """What `restore` answered: "ok", or "epoch" if the line was cleared meanwhile."""
    return _status(reply)


@dataclass(frozen=True, slots=True)
class LineStatus:
    """A few figures of a line."""

    epoch: int
    waiting: int
    front: int
    next: int
    now_ms: int
    restored_at: int


def status_read(reply: Sequence[Any]) -> LineStatus | None:
    """What `status` answered; None if Redis does not know the line."""
    return None if reply[0] is None else LineStatus(*(int(figure) for figure in reply))


def windows_read(reply: dict[bytes, bytes] | Sequence[bytes]) -> dict[int, int]:
    """What `windows` answered: number of a window -> entries."""
    return {int(window): int(entries) for window, entries in _pairs(reply)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneMinute:
    """What happened at a zone in one minute."""

    joins: int = 0
    entries: int = 0
    evicted: int = 0
    left: int = 0
    would_wait: int = 0  # came in observe mode, and would have had to wait
    refused: int = 0  # asked to join while the zone took nobody: who asks again counts again
    waiting: int = 0  # when last looked at
    peak: int | None = None  # the most that were seen waiting, looked at every five seconds; None: nobody looked
    waits: dict[int, int]  # bucket floor(8 * log2(1 + seconds waited)) -> entries


_COUNTED = {field.name for field in fields(ZoneMinute)} - {"waits"}


def stats_read(reply: dict[bytes, bytes] | Sequence[bytes]) -> ZoneMinute:
    """What `stats` answered, by either protocol version; all zero if nothing happened."""
    counts: dict[str, int] = {}
    waits = {}
    for name, value in _pairs(reply):
        kind, _, bucket = name.decode().partition(":")
        if bucket:
            waits[int(bucket)] = int(value)
        else:
            counts[kind] = int(value)
    # A newer release may count what this one does not know, while both run.
    return ZoneMinute(**{kind: by for kind, by in counts.items() if kind in _COUNTED}, waits=waits)


def catalog_read(reply: dict[bytes, bytes] | Sequence[bytes]) -> dict[str, bytes]:
    """What `catalog` answered: zone -> its rules as JSON, yet to be checked."""
    return {zone_id.decode(): rules for zone_id, rules in _pairs(reply)}


def catalog_look_read(reply: Sequence[Any]) -> tuple[int, dict[str, bytes] | None]:
    """What `catalog_look` answered: the catalogue's number, 0 if Redis has none; and the catalogue if it changed."""
    version, listed = reply
    return version, None if listed is None else catalog_read(listed)


def _pairs(reply: dict[bytes, bytes] | Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))


def _status(reply: Sequence[Any]) -> Status:
    match reply[0]:
        case b"ok":
            return "ok"
        case b"lost":
            return "lost"
        case b"epoch":
            return "epoch"
    raise ValueError(f"the line answered {reply[0]!r}")
