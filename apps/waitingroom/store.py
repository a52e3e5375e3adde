"""Redis of the waiting room, zone by zone: lines, the catalogue, passes. What gates tell is in board_store.py.

Every function here builds a command (to be sent by `apps.realtime.redis`); none does I/O. replies.py reads what comes
back. One zone's keys share the hash tag {Z}, so that a Cluster holds them in one slot; scripts are given the first of
them and derive the others. The signed tickets that clients hold are the truth; all of this is an index over them.

A place is a number in a zone's line; bit p - base of a bitmap is place p, in SETBIT's order. Times are epoch ms.
`now_ms` None means Redis's own clock, which gates always use, so that clocks that differ cannot make them disagree.

Keys of one zone Z:
    line:{Z}                  hash    the head: epoch, base, next (place not yet given), front (first place not yet
                                      called), waiting, now, rev (grows when waiting or base change), and what
                                      lua/line.lua says
    line:{Z}:rules            hash    what scripts need of ZoneRules; no call carries N, mode or limits
    line:{Z}:waiting          bitmap  who stands in line
    line:{Z}:entered          bitmap  who went in
    line:{Z}:seen:<epoch s>   bitmap  who was heard of in the 10 s (longer for long idle limits) from then on
    line:{Z}:came:<window>    bitmap  who of those called was heard of, or refused, in that window; kept for 20 s
    line:{Z}:windows          hash    number of a 6-second window -> entries, the last twelve
    line:{Z}:log              list    bucket:entries, by 10 ms, of the sliding minute
    line:{Z}:passes:<epoch>:<block>  string  when each place from block * 512 on entered, six bytes a place, 0 if it
                                      did not
    line:{Z}:spent:<minute>:<block>  hash  single-use passes issued then that were used -> mark of the call
    line:{Z}:batch:<server>   string  the last batch of joins of a gate process, and what it was answered
    line:{Z}:stats:<minute>   hash    joins entries evicted left would_wait, refused (asked to join, each time), waiting
                                      (a gauge), peak (of that gauge), wait:<bucket>
    line:{Z}:scratch:*        bitmap  for the length of a script
    line:{Z}:whole            never   is there; see `_keys`
Keys of the house, in one slot:
    gate:{zones}:catalog      hash        zone -> its rules as JSON
    gate:{zones}:version      number      raised whenever the catalogue changes
    and those of board_store.py
"""

import secrets
from collections.abc import Sequence
from itertools import chain

from apps.realtime.lua import load_script
from apps.realtime.redis import Command

from .replies import GONE as GONE
from .replies import SPENT as SPENT
from .replies import WAIT as WAIT
from .replies import Claimed as Claimed
from .replies import Evicted as Evicted
from .replies import Joined as Joined
from .replies import Left as Left
from .replies import LineStatus as LineStatus
from .replies import Pulse as Pulse
from .replies import Status as Status
from .replies import ZoneMinute as ZoneMinute
from .replies import catalog_look_read as catalog_look_read
from .replies import catalog_read as catalog_read
from .replies import claim_read as claim_read
from .replies import evict_read as evict_read
from .replies import join_read as join_read
from .replies import leave_read as leave_read
from .replies import pulse_read as pulse_read
from .replies import restore_read as restore_read
from .replies import stats_read as stats_read
from .replies import status_read as status_read
from .replies import windows_read as windows_read
from .rules import ZoneRules
from .snapshot import Snapshot

_BITS = ("bits", "line", "calling")
_KEEPING = (*_BITS, "keeping")
_publish = load_script(__package__, "publish", prelude=(*_BITS, "ruling"))
_restore = load_script(__package__, "restore", prelude=(*_KEEPING, "ruling"))
_pulse = load_script(__package__, "pulse", prelude=_KEEPING)
_evict = load_script(__package__, "evict", prelude=_KEEPING)
_join = load_script(__package__, "join", prelude=(*_BITS, "draw"))
_claim = load_script(__package__, "claim", prelude=_BITS)
_leave = load_script(__package__, "leave", prelude=_BITS)
_redeem = load_script(__package__, "redeem")
_catalog_put = load_script(__package__, "catalog_put")
_catalog_look = load_script(__package__, "catalog_look")

JOINS_PER_CALL = 1_000
CLAIMS_PER_CALL = 500
LEAVES_PER_CALL = 1_000

CATALOG = "gate:{zones}:catalog"
VERSION = "gate:{zones}:version"


def _head(zone_id: str) -> str:
    return f"line:{{{zone_id}}}"


def _keys(zone_id: str) -> list[str]:
    """What a zone's scripts declare: the head, and a key that never exists.

    While a Cluster moves the slot, keys are here and there, and a script that is not told of all it touches would fail
    half-way. Of two keys one of which it lacks, Redis answers TRYAGAIN before the script begins, until all has moved.
    """
    return [_head(zone_id), f"{_head(zone_id)}:whole"]


def _time(now_ms: int | None) -> str | int:
    return "" if now_ms is None else now_ms


# --- zones ----------------------------------------------------------------------------------------------------------


def _ruling(rules: ZoneRules) -> list[str | int | bytes]:
    """The rules in the order of lua/ruling.lua."""
    return [
        rules.version,
        rules.epoch,
        rules.per_minute,
        rules.mode.value,
        rules.idle_s,
        "" if rules.prequeue_from_ms is None else rules.prequeue_from_ms,
        "" if rules.opens_at_ms is None else rules.opens_at_ms,
        rules.seed,
        rules.pass_s,
        rules.slowed_at_ms,
    ]


def publish(rules: ZoneRules, *, fresh: bool = False, now_ms: int | None = None) -> Command:
    """Write a zone's rules for its line unless newer ones are there; answers 1 if they were written.

    `fresh` opens the line if there is none: say so only for a new zone, for else Redis has lost the line, and gates
    restore it. A raised epoch clears the line; what entered in the last minute still counts.
    """
    return _publish.call(_keys(rules.zone_id), [_time(now_ms), int(fresh), *_ruling(rules)])


def catalog_put(rules: ZoneRules) -> list[Command]:
    """Tell gates of a new or changed zone, unless they were told of a newer version of it."""
    return [_catalog_put.call([CATALOG, VERSION], [rules.zone_id, rules.version, rules.to_json()])]


def catalog_drop(zone_id: str) -> list[Command]:
    """Tell gates that a zone is gone."""
    return [("HDEL", CATALOG, zone_id), ("INCR", VERSION)]


def catalog() -> Command:
    """Every zone's rules; see `catalog_read`."""
    return ("HGETALL", CATALOG)


def catalog_look(known: int | None) -> Command:
    """What has changed since the catalogue had the number `known` (None: read all); see `catalog_look_read`."""
    return _catalog_look.call([CATALOG, VERSION], ["" if known is None else known])


# --- the line -------------------------------------------------------------------------------------------------------


def pulse(
    *,
    zone_id: str,
    epoch: int,
    now_ms: int | None = None,
    seen: tuple[int, bytes] | None = None,
    known_rev: int = -1,
) -> Command:
    """Say who was heard of, and read the line; see `pulse_read`.

    `seen` is a first place, a multiple of 8, and a bitmap from there on. The answer leaves out the line's own bitmap
    if its rev is `known_rev`.
    """
    first, bits = seen or (0, b"")
    return _pulse.call(_keys(zone_id), [_time(now_ms), epoch, first, bits, known_rev])


def join(*, zone_id: str, epoch: int, server: str, batch: int, count: int, now_ms: int | None = None) -> Command:
    """`count` newcomers (at most JOINS_PER_CALL) get places; see `join_read`.

    A server process counts its batches and sends the next one when the one before is answered; sent again, a batch is
    given the same answer.
    """
    return _join.call(_keys(zone_id), [_time(now_ms), epoch, server, batch, count])


def claim(*, zone_id: str, epoch: int, places: Sequence[tuple[int, int]], now_ms: int | None = None) -> Command:
    """Each (place, ms waited so far), at most CLAIMS_PER_CALL, asks to enter; see `claim_read`."""
    return _claim.call(_keys(zone_id), [_time(now_ms), epoch, *chain.from_iterable(places)])


def leave(*, zone_id: str, epoch: int, places: Sequence[int], now_ms: int | None = None) -> Command:
    """These places, at most LEAVES_PER_CALL, leave the line; see `leave_read`."""
    return _leave.call(_keys(zone_id), [_time(now_ms), epoch, *places])


def evict(*, zone_id: str, now_ms: int | None = None) -> Command:
    """Take out who has been silent for the idle limit; see `evict_read`."""
    return _evict.call(_keys(zone_id), [_time(now_ms)])


def restore(
    *,
    rules: ZoneRules,
    known: Snapshot | None,
    presented: tuple[int, bytes] | None = None,
    now_ms: int | None = None,
) -> Command:
    """Tell a Redis that lost the line what a gate knows of it.

    `known` is the line as the gate read it last, of the same epoch; `presented` the tickets that clients showed since,
    as for `pulse`. Every gate that is answered "lost" tells what it knows; all of it is added up.
    """
    first, bits = presented or (0, b"")
    line: list[str | int | bytes] = ["", "", "", "", ""]
    windows: list[str | int | bytes] = []
    if known is not None and known.epoch == rules.epoch:
        line = [known.now_ms, known.line.base, known.next, known.front, known.line.data]
        windows = list(chain.from_iterable(known.used.items()))
    return _restore.call(_keys(rules.zone_id), [_time(now_ms), *_ruling(rules), *line, first, bits, *windows])


def status(zone_id: str) -> Command:
    """A few figures of the line; see `status_read`."""
    return ("HMGET", _head(zone_id), "epoch", "waiting", "front", "next", "now", "restored_at")


def windows(zone_id: str) -> Command:
    """Entries of the line's last windows; see `windows_read`."""
    return ("HGETALL", f"{_head(zone_id)}:windows")


def drop(zone_id: str) -> Command:
    """Forget the line of a zone that is gone; what is not named here has a lifetime and goes by itself."""
    head = _head(zone_id)
    return ("UNLINK", head, *(f"{head}:{part}" for part in ("rules", "waiting", "entered", "windows", "log")))


# --- passes, statistics -----------------------------------------------------------------------------------------------


def redeem(
    *, zone_id: str, place: int, issued_ms: int, pass_s: int, client: str = "", now_ms: int | None = None
) -> Command:
    """Use a pass that is good for one use: 1 the first time, 0 ever after. `client` is the mark that the pass carries.

    The command carries a mark of its own: sent again after a lost connection, it is still the first.
    """
    return _redeem.call(_keys(zone_id), [_time(now_ms), place, issued_ms, client, pass_s, secrets.token_hex(8)])


def stats(zone_id: str, minute: int) -> Command:
    """What happened in a minute (epoch minutes), kept for two hours; see `stats_read`."""
    return ("HGETALL", f"{_head(zone_id)}:stats:{minute}")
