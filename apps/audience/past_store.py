"""Redis of sessions that are over: how they wait to be written into the database. Spells these keys and no others.

As in store.py, functions build commands or read replies. The script that takes a session out of the living writes its
record in the same step (lua/leaving.lua), so a record cannot be lost or doubled on the way; and since a Cluster lets a
script touch one slot only, each stream has a queue of its own. The register says which queues to look into. It is in
another slot, so it follows: sweeps tell it what they find, and a stream is put on it before it leaves the catalogue.
Therefore a stream with records is in the catalogue, through which every sweep goes, or on the register
(lua/register.lua says how it leaves that).

Keys of one stream S:
    live:past:{S}             stream       record a session: session|left_ms|reason|joined_ms|viewer; group `database`
    live:past:{S}:about       hash         room: records that may wait; dropped: that did not fit, since last told;
                                           ended_ms, cursor: when the stream ended, how far its sessions are written
    live:past:{S}:ended       hash         what live:sessions:{S} held when the stream ended
Keys of the house, in the slot of the catalogue:
    live:{streams}:past           sorted set   stream -> epoch ms since when its oldest record waits, or before
    live:{streams}:past:waiting   hash         stream -> records that wait, as last told
    live:{streams}:past:rejected  stream       records that no database could take: stream, record, reason
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.realtime.lua import load_script
from apps.realtime.redis import Command

from .house_store import CATALOG
from .store import past_keys

_take = load_script(__package__, "take", prelude="record")
_acknowledge = load_script(__package__, "acknowledge", prelude="record")
_register = load_script(__package__, "register")

# Taking 500 costs Redis about 3 ms if they come from a stream's end, and acknowledging them less than one.
RECORDS_PER_CALL = 500
# Handed out and not acknowledged for so long, the worker that has them is taken for dead. Longer than any insert; were
# it not, both would write the same rows, which changes nothing.
TAKEN_OVER_AFTER_MS = 30_000
REJECTED_KEPT = 100_000

REGISTER = "live:{streams}:past"
WAITING = "live:{streams}:past:waiting"
REJECTED = "live:{streams}:past:rejected"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of one stream, or of the house: sessions that wait to be written into the database, and since when (epoch ms, 0
    if none does)."""

    records: int
    since_ms: int


# --- one stream ---------------------------------------------------------------------------------------------------


def swept_read(reply: Sequence[Any]) -> tuple[Waiting, int]:
    """Of what `store.sweep` answered: what waits, and how many records were dropped for want of room."""
    return Waiting(int(reply[5]), int(reply[6])), int(reply[7])


def ended_read(reply: Sequence[Any]) -> tuple[Waiting, int]:
    """Of what `store.end` answered: the same."""
    return Waiting(int(reply[2]), int(reply[3])), int(reply[4])


def take(*, stream_id: int, consumer: str, count: int, taken_over_after_ms: int | None) -> Command:
    """Be handed out records that nobody else gets; `count` is at most RECORDS_PER_CALL.

    Also those that somebody was handed so long ago and has not acknowledged; None leaves these alone.
    """
    after_ms = "" if taken_over_after_ms is None else taken_over_after_ms
    return _take.call(past_keys(stream_id), [consumer, count, after_ms])


def taken_read(reply: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """What `take` answered: (id, record), those of a dead worker first."""
    return list(zip(reply[::2], reply[1::2], strict=True))


def acknowledge(*, stream_id: int, ids: Sequence[bytes]) -> Command:
    """These are in the database; at most RECORDS_PER_CALL of them, none to ask how much waits."""
    return _acknowledge.call(past_keys(stream_id), list(ids))


def waiting_read(reply: Sequence[Any]) -> Waiting:
    """What `acknowledge` answered."""
    return Waiting(int(reply[0]), int(reply[1]))


# --- the register -------------------------------------------------------------------------------------------------


def register(waiting: Mapping[int, Waiting]) -> Command:
    """Say that something waits in these streams; those on the register already keep their place."""
    return _register_call((stream_id, one, "") for stream_id, one in waiting.items())


def register_settle(waiting: Mapping[int, Waiting], *, were_listed: Mapping[int, bool]) -> Command:
    """Say what still waits in streams that were looked into; each with whether the catalogue had it before the look."""
    return _register_call((stream_id, one, int(were_listed[stream_id])) for stream_id, one in waiting.items())


def _register_call(streams: Iterable[tuple[int, Waiting, int | str]]) -> Command:
    args: list[str | int | bytes] = []
    for stream_id, waiting, was_listed in streams:
        args += (stream_id, waiting.records, waiting.since_ms, was_listed)
    return _register.call([REGISTER, WAITING, CATALOG], args)


def registered(limit: int) -> Command:
    """Streams of which something waits, longest first; answers ids."""
    return ("ZRANGE", REGISTER, 0, limit - 1)


def looked_up(stream_ids: Sequence[int]) -> list[Command]:
    """How much waits in each as last told, and whether the catalogue has it; answers what `looked_up_read` reads."""
    return [("HMGET", WAITING, *stream_ids), ("HMGET", CATALOG, *stream_ids)]


def looked_up_read(replies: Sequence[Sequence[bytes | None]]) -> list[tuple[int, bool]]:
    """(records, whether it is in the catalogue) for each stream that was asked about."""
    counts, words = replies
    return [(int(count or 0), word is not None) for count, word in zip(counts, words, strict=True)]


def house_waiting() -> list[Command]:
    """How much waits in the whole house, and since when; answers what `house_waiting_read` reads."""
    return [("HVALS", WAITING), ("ZRANGE", REGISTER, 0, 0, "WITHSCORES")]


def house_waiting_read(replies: Sequence[Any]) -> Waiting:
    """As last told by sweeps, ends and drains."""
    counts, first = replies
    # One pair, or a pair in a list: two versions of the protocol.
    oldest = (first[0][1] if isinstance(first[0], (list, tuple)) else first[1]) if first else 0
    return Waiting(sum(map(int, counts)), int(float(oldest)))


# --- records that cannot be written -------------------------------------------------------------------------------


def reject(*, stream_id: int, record: bytes, reason: str) -> Command:
    """Set a record aside; the newest REJECTED_KEPT are kept."""
    fields = ("stream", stream_id, "record", record, "reason", reason)
    return ("XADD", REJECTED, "MAXLEN", "~", REJECTED_KEPT, "*", *fields)


def rejected() -> Command:
    """All records that were set aside; answers (id, fields) pairs."""
    return ("XRANGE", REJECTED, "-", "+")


def rejected_read(reply: Sequence[tuple[bytes, Any]]) -> list[tuple[bytes, dict[str, str]]]:
    """What `rejected` answered. Records may be no text at all: then only look like it."""
    return [(record_id, _texts(fields)) for record_id, fields in reply]


def _texts(fields: Mapping[bytes, bytes] | Sequence[bytes]) -> dict[str, str]:
    pairs = fields.items() if isinstance(fields, Mapping) else zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(): value.decode(errors="backslashreplace") for name, value in pairs}


def rejected_drop(ids: Sequence[bytes]) -> Command:
    """Forget some of them."""
    return ("XDEL", REJECTED, *ids)
