"""Redis of what gates tell those who run zones: which gates there are, and how the lines stand that they keep up with.

Every gate writes once a second for all its lines at once, and whoever shows them reads all at once; so neither costs
more with more zones or more people who look. Like store.py it builds commands and reads replies, and does no I/O.

Keys, in the slot of the catalogue (store.py):
    gate:{zones}:servers      sorted set  gate process -> epoch ms of its last report
    gate:{zones}:servers:<gate>  hash     what it says of itself: host, pid, role, failures since it began; kept a while
    gate:{zones}:gates        hash        gate process -> JSON: {zone that it keeps up with: sockets that wait there}
    gate:{zones}:lines        hash        zone -> JSON: how its line stands, see bearing.py
    gate:{zones}:roles        number      raised whenever somebody's role changes
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from apps.realtime.lua import load_script
from apps.realtime.redis import Command

from .bearing import Bearing
from .store import VERSION

_gate_report = load_script(__package__, "gate_report")
_board_look = load_script(__package__, "board_look")

SERVERS = "gate:{zones}:servers"
GATES = "gate:{zones}:gates"
LINES = "gate:{zones}:lines"
ROLES = "gate:{zones}:roles"

# A gate reports every five seconds; silent for longer than this it is not shown, then what it told is forgotten, and at
# last that there was one: alerts tell of its silence meanwhile.
GATE_SILENT_MS = 15_000
TOLD_KEPT_MS = 60_000
GATE_KEPT_MS = 600_000
LINES_PER_CALL = 1_000
ABOUT_KEPT_S = 600


# --- what gates tell --------------------------------------------------------------------------------------------------


def gate_report(*, gate: str, sockets: Mapping[str, int], now_ms: int | None = None) -> Command:
    """A gate process is alive and keeps up with these zones; forgets those that have been silent for long."""
    now = "" if now_ms is None else now_ms
    told = json.dumps(sockets, separators=(",", ":"))
    return _gate_report.call([SERVERS, GATES], [now, gate, told, TOLD_KEPT_MS, GATE_KEPT_MS])


def gate_gone(gate: str) -> list[Command]:
    """A gate process said goodbye."""
    return [("ZREM", SERVERS, gate), ("HDEL", GATES, gate)]


def gate_about(*, gate: str, about: Mapping[str, str | int]) -> list[Command]:
    """What a gate process is."""
    key = f"{SERVERS}:{gate}"
    return [("HSET", key, *chain.from_iterable(about.items())), ("EXPIRE", key, ABOUT_KEPT_S)]


def gate_told(gate: str) -> Command:
    """What `gate_about` said: a hash."""
    return ("HGETALL", f"{SERVERS}:{gate}")


def gates_heard(epoch_ms: int) -> Command:
    """Gates that reported since then, each with the epoch ms of its last report."""
    return ("ZRANGE", SERVERS, epoch_ms, "+inf", "BYSCORE", "WITHSCORES")


def lines_tell(told: Mapping[str, str], asleep: Sequence[str] = ()) -> list[Command]:
    """How these lines stand (zone -> Bearing as JSON); those `asleep` are empty, and nobody keeps up with them."""
    pairs = list(told.items())
    commands: list[Command] = [
        ("HSET", LINES, *chain.from_iterable(pairs[start : start + LINES_PER_CALL]))
        for start in range(0, len(pairs), LINES_PER_CALL)
    ]
    return [*commands, ("HDEL", LINES, *asleep)] if asleep else commands


# --- what people are shown --------------------------------------------------------------------------------------------


def roles_changed() -> Command:
    """Have whoever shows zones to people look again who they are."""
    return ("INCR", ROLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate process: when it last reported (epoch ms), and how many sockets wait there, by zone."""

    at: int
    sockets: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What gates told. `gates` is None where it was not asked for."""

    now_ms: int  # Redis's clock
    zones_version: int  # of the catalogue: zones were changed if it is another one
    roles_version: int
    lines: dict[str, Bearing] = field(default_factory=dict)
    gates: dict[str, Gate] | None = None

    def silent_since(self, ms: int) -> set[str]:
        """The zones of which nothing was told for so long."""
        return {zone_id for zone_id, bearing in self.lines.items() if self.now_ms - bearing.at > ms}

    def with_gates(self, gates: dict[str, Gate] | None) -> "Board":
        """The same, with the gates as they were read before."""
        return replace(self, gates=gates)


def board_look(*, zone_id: str = "", gates: bool = False, now_ms: int | None = None) -> Command:
    """How all lines stand, or that of one zone, and the gates if they are asked for; see `board_read`."""
    now = "" if now_ms is None else now_ms
    return _board_look.call([VERSION, ROLES, LINES, SERVERS, GATES], [now, zone_id, int(gates), GATE_SILENT_MS])


def board_read(reply: Sequence[Any]) -> Board:
    """What `board_look` answered; a line that cannot be understood is left out, and of a gate its sockets."""
    now_ms, zones_version, roles_version, flat, servers, told = reply
    lines = {}
    for zone_id, text in zip(flat[::2], flat[1::2], strict=True):
        if (bearing := Bearing.from_json(text)) is not None:
            lines[zone_id.decode()] = bearing
    gates = None
    if servers is not None:
        sockets = dict(zip(told[::2], told[1::2], strict=True))
        gates = {
            gate.decode(): Gate(at=int(float(at)), sockets=_sockets_read(sockets.get(gate, b"{}")))
            for gate, at in zip(servers[::2], servers[1::2], strict=True)
        }
    return Board(
        now_ms=now_ms, zones_version=int(zones_version), roles_version=int(roles_version), lines=lines, gates=gates
    )


def _sockets_read(text: bytes) -> dict[str, int]:
    try:
        return {zone_id: int(count) for zone_id, count in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):  # another release's; the gate is there all the same
        return {}
