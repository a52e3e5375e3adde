"""Redis of the audience, stream by stream: the keys of one stream and the scripts that touch them.

Every function here builds a command (to be sent by `apps.realtime.redis`) or reads a reply; none does I/O. One stream's
keys share the hash tag {S}, so that a Cluster holds them in one slot and a script may touch them all. The sessions that
server processes hold are the truth; all of this is an index over them, and announcing them again rebuilds it. Keys of
the whole house: house_store.py. Sessions that are over wait for the database in keys of their own: past_store.py. Who
was sent away: removal_store.py.

Keys of one stream S:
    hb:{S}                    sorted set   session -> epoch ms when last heard of; silence is a range, not a scan
    live:sessions:{S}         hash         session -> owner|joined_ms|viewer; owner starts with the connect time in ms
    live:tabs:{S}             hash         viewer -> open sessions
    live:users:{S}            set          viewers present
    live:servers:{S}          hash         server process -> sessions it holds|epoch ms
    live:announced:{S}        hash         server process -> epoch ms of its last whole announcement
    view:{S}:current          number       viewers now
    view:{S}:peak             number       most viewers at once
    view:{S}:total            number       visits since the stream started
    view:{S}:recent_users     sorted set   viewer -> last coming or going, kept 120 s: coming back is no new visit
    view:{S}:unique:<day>     HyperLogLog  viewers of that day (Asia/Seoul)
    view:{S}:state            string       live | ended; absent if Redis was never told or forgot
    view:{S}:trail            list         epoch_s:current, newest first: the live chart's last minutes
    view:{S}:repair           string       epoch ms since when servers were asked to announce this stream again
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.realtime.lua import load_script
from apps.realtime.redis import Command

from .sessions import DRAIN_GRACE_MS, SILENCE_MS, Session

LEAVING = ("presence", "record", "leaving")

_announce = load_script(__package__, "announce", prelude="presence")
_depart = load_script(__package__, "depart", prelude=LEAVING)
_sweep = load_script(__package__, "sweep", prelude=LEAVING)
_end = load_script(__package__, "end", prelude=LEAVING)
_audit = load_script(__package__, "audit", prelude="presence")
_recall = load_script(__package__, "recall")
_recount = load_script(__package__, "recount", prelude=LEAVING)

# 500 joins take Redis about 4 ms, 1,000 heartbeats about 3: no call holds it up longer than 5.
ARRIVALS_PER_CALL = 500
BEATS_PER_CALL = 1000
SWEPT_PER_CALL = 500

TRAIL_EVERY_MS = 5_000
TRAIL_POINTS = 180
ENDED_KEPT_S = 86_400
AUDITED_VIEWERS = 5_000
# What a server process said of itself, and of a stream, is forgotten so long after its last word.
PROCESS_KEPT_S = 600


def _keys(stream_id: int, day: str) -> list[str]:
    """The keys of one stream in the order that lua/presence.lua names them. `day` is YYYYMMDD in Asia/Seoul."""
    s = f"{{{stream_id}}}"
    return [
        f"hb:{s}",
        f"live:sessions:{s}",
        f"live:tabs:{s}",
        f"live:users:{s}",
        f"view:{s}:current",
        f"view:{s}:peak",
        f"view:{s}:total",
        f"view:{s}:recent_users",
        f"view:{s}:unique:{day}",
        f"view:{s}:state",
        f"live:servers:{s}",
    ]


def past_keys(stream_id: int) -> list[str]:
    """Where one stream's sessions wait when they are over; past_store.py says what they hold."""
    past = f"live:past:{{{stream_id}}}"
    return [past, f"{past}:about", f"{past}:ended"]


def _keys_leaving(stream_id: int, day: str) -> list[str]:
    """The keys of scripts in which sessions end, in the order of lua/leaving.lua."""
    return [*_keys(stream_id, day), *past_keys(stream_id)]


@dataclass(frozen=True, slots=True)
class Figures:
    """One stream as Redis has it: state ("live", "ended" or "" for unknown), viewers now, most at once, visits."""

    state: str
    current: int
    peak: int
    total: int


def figures_read(reply: Sequence[Any]) -> Figures:
    """The first four parts of what most scripts answer."""
    return Figures(reply[0].decode(), int(reply[1]), int(reply[2]), int(reply[3]))


# --- one stream: coming, staying, going ---------------------------------------------------------------------------


def announce(
    *,
    stream_id: int,
    day: str,
    now_ms: int,
    server: str,
    held: int,
    known: Figures,
    sessions: Sequence[Session],
    arrivals: bool,
    raises_peak: bool = True,
) -> Command:
    """These sessions are here: arrivals count a visit, heartbeats put back what Redis lost.

    Without `raises_peak` the peak waits for the leaves of the same moment: who takes turns is not counted twice.
    """
    args: list[str | int | bytes] = [now_ms, server, held, known.peak, known.total]
    args += ("1" if arrivals else "0", "1" if raises_peak else "0")
    for session in sessions:
        joined = "" if session.joined_ms is None else f"{session.joined_ms:013d}"
        args += (session.session_id, session.owner, session.viewer_id, joined)
    return _announce.call(_keys(stream_id, day), args)


def lost_read(reply: Sequence[Any]) -> list[str]:
    """Sessions in an announce reply that a newer connection holds elsewhere."""
    return [session.decode() for session in reply[4]]


def earlier_read(reply: Sequence[Any]) -> dict[str, int]:
    """Sessions in an announce reply that came before their server said, and when: epoch ms."""
    return {session.decode(): int(since) for session, since in zip(reply[5][::2], reply[5][1::2], strict=True)}


def depart(
    *,
    stream_id: int,
    day: str,
    now_ms: int,
    server: str,
    held: int,
    sessions: Iterable[Session],
    grace_ms: int = 0,
    raises_peak: bool = True,
) -> Command:
    """These sessions left; with a grace they count until it is over unless they come back."""
    args: list[str | int | bytes] = [now_ms, server, held, grace_ms, SILENCE_MS, "1" if raises_peak else "0"]
    for session in sessions:
        args += (session.session_id, session.owner)
    return _depart.call(_keys_leaving(stream_id, day), args)


def sweep(*, stream_id: int, day: str, now_ms: int, room: int) -> Command:
    """Take out silent sessions, add a point to the trail; answers figures, how many went, and what waits for the past.

    `room`: how many records of sessions that are over may wait from now on; who ends past that is dropped and counted.
    """
    keys = [*_keys_leaving(stream_id, day), f"view:{{{stream_id}}}:trail"]
    args: list[str | int | bytes] = [now_ms, now_ms - SILENCE_MS, SWEPT_PER_CALL, TRAIL_EVERY_MS, TRAIL_POINTS]
    return _sweep.call(keys, [*args, SILENCE_MS - DRAIN_GRACE_MS, room])


def end(*, stream_id: int, day: str, ended_ms: int) -> Command:
    """The stream is over; answers [peak, total] and what waits for the past."""
    return _end.call([*_keys_leaving(stream_id, day), _announced(stream_id)], [ENDED_KEPT_S, ended_ms])


def live_mark(stream_id: int) -> Command:
    """Say that the stream is live, unless it ended."""
    return ("SET", f"view:{{{stream_id}}}:state", "live", "NX")


# --- one stream: reading ------------------------------------------------------------------------------------------


def figures(stream_id: int) -> Command:
    """State, current, peak and total in one read that a replica can answer."""
    keys = _keys(stream_id, "")
    return ("MGET", keys[9], keys[4], keys[5], keys[6])


def figures_of(reply: Sequence[bytes | None]) -> Figures:
    """What `figures` answered."""
    state, current, peak, total = reply
    return Figures((state or b"").decode(), int(current or 0), int(peak or 0), int(total or 0))


def tabs(*, stream_id: int, viewer_id: str) -> Command:
    """How many tabs a viewer has open on a stream, or None."""
    return ("HGET", _keys(stream_id, "")[2], viewer_id)


def unique_today(*, stream_id: int, day: str) -> Command:
    """Viewers of that day, estimated by HyperLogLog (standard error 0.81%)."""
    return ("PFCOUNT", _keys(stream_id, day)[8])


def trail(stream_id: int) -> Command:
    """The last minutes' points."""
    return ("LRANGE", f"view:{{{stream_id}}}:trail", 0, -1)


def recall(stream_id: int, *, at_s: int, within_s: int) -> Command:
    """How many watched at a moment of the last minutes, as a sweep saw it at most so many seconds before."""
    return _recall.call([f"view:{{{stream_id}}}:trail"], [at_s, within_s])


def trail_read(reply: Sequence[bytes]) -> list[tuple[int, int]]:
    """(epoch second, viewers), oldest first."""
    points = (point.split(b":") for point in reversed(reply))
    return [(int(second), int(viewers)) for second, viewers in points]


# --- one stream: reconciliation -----------------------------------------------------------------------------------


def audit(stream_id: int) -> Command:
    """Everything of one stream that must agree."""
    return _audit.call([*_keys(stream_id, ""), _announced(stream_id)], [AUDITED_VIEWERS])


def _announced(stream_id: int) -> str:
    return f"live:announced:{{{stream_id}}}"


def announced(*, stream_id: int, server: str, at_ms: int) -> list[Command]:
    """A server process has told of every session of the stream that it holds, starting at that moment."""
    key = _announced(stream_id)
    return [("HSET", key, server, at_ms), ("EXPIRE", key, PROCESS_KEPT_S)]


def recount(*, stream_id: int, day: str, now_ms: int, announced_since_ms: int) -> Command:
    """Rebuild who is present from what was announced since then; answers figures and how many sessions were let go."""
    return _recount.call(_keys_leaving(stream_id, day), [now_ms, announced_since_ms])


def repair_ask(*, stream_id: int, now_ms: int) -> Command:
    """Note since when servers are asked to announce; answers None if somebody asked already."""
    return ("SET", f"view:{{{stream_id}}}:repair", now_ms, "NX", "EX", 300)


def repair_asked(stream_id: int) -> Command:
    """Since when (epoch ms), or None."""
    return ("GET", f"view:{{{stream_id}}}:repair")


def repair_done(stream_id: int) -> Command:
    """The repair is over."""
    return ("DEL", f"view:{{{stream_id}}}:repair")


def forget(*, stream_id: int, day: str) -> Command:
    """Delete every key of a stream that does not exist."""
    return (
        "DEL",
        *_keys_leaving(stream_id, day),
        f"view:{{{stream_id}}}:trail",
        f"view:{{{stream_id}}}:repair",
        _announced(stream_id),
    )


def forget_server(*, stream_id: int, server: str) -> Command:
    """Drop the report of a process that is no more."""
    return ("HDEL", _keys(stream_id, "")[10], server)
