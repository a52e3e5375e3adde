"""What alert rules look at: every figure read once an evaluation, and from it one reading a subject of a rule.

A source that cannot be read gives None, which is not the same as a figure that is fine.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Max, Min
from redis.exceptions import RedisError

from apps.audience import house_store as audience_store
from apps.audience import selectors as audience
from apps.audience.models import CurrentViewers
from apps.realtime import redis
from apps.streams.models import Stream, StreamStatus
from apps.waitingroom import board_store
from apps.waitingroom import store as line_store
from apps.waitingroom.models import Zone, ZoneMode
from apps.waitingroom.selectors import slices

from .alert_kinds import KINDS, AlertKind
from .alert_memory import Memory, errors_a_minute, stillness
from .metrics import UNREAD
from .models import AlertRule

logger = logging.getLogger(__name__)

# A wait without end, such as that of a paused zone, is told as a day.
ENDLESS_S = 86_400.0
# What reconciliation found longer ago than this says nothing of now: it passes every half minute.
DRIFT_GOOD_MS = 180_000
# A server process that has been silent for longer is off the register.
SERVERS_KEPT_MS = 600_000
HOUSE = ""
CALLING = (ZoneMode.OPEN, ZoneMode.QUEUE_ALL)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """A zone and how its line stands; `line` is None if that could not be read."""

    zone: Zone
    line: line_store.LineStatus | None
    entered: int  # in the last whole minute of the clock


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that is on the register."""

    name: str  # host:pid
    role: str
    heard_ms: int
    failures: int

    @property
    def place(self) -> str:
        """Where that is, in words."""
        return f"{self.name} ({self.role})"


@dataclass(frozen=True, slots=True)
class House:
    """All that the rules in use look at, as of one moment. None: could not be read, or nobody wants it."""

    now_ms: int
    zones: list[ZoneLine] | None = None
    drift: float | None = None
    snapshot_age_s: float | None = None
    servers: list[Server] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One subject's figure now, None if unknown; where that is, in words; and what to remember of it."""

    value: float | None
    place: str = ""
    place_ko: str = ""
    memory: Memory | None = field(default=None)


def house_read(*, kinds: Collection[str], now_ms: int) -> House:
    """Read what rules of these kinds look at."""
    return House(
        now_ms,
        zones=_zones(now_ms) if any(KINDS[kind].is_of_zones for kind in kinds) else None,
        drift=_known(AlertKind.DRIFT, kinds, lambda: _drift(now_ms)),
        snapshot_age_s=_known(AlertKind.LATE, kinds, lambda: _snapshot_age_s(now_ms)),
        servers=(
            _known(AlertKind.SILENT, kinds, lambda: _servers(now_ms))
            if AlertKind.SILENT in kinds
            else _known(AlertKind.ERRORS, kinds, lambda: _servers(now_ms))
        ),
    )


def readings(rule: AlertRule, house: House, memories: Mapping[str, Memory | None]) -> dict[str, Reading] | None:
    """Subject -> reading; None if nothing is known. What is not in it any more is not trouble any more."""
    if rule.facts.is_of_zones:
        if house.zones is None:
            return None
        return {
            each.zone.pk: _zone_reading(rule.kind, each, memories.get(each.zone.pk), house.now_ms)
            for each in house.zones
            if (not rule.zone_id or each.zone.pk == rule.zone_id) and (not rule.app or each.zone.app == rule.app)
        }
    if rule.kind == AlertKind.DRIFT:
        return None if house.drift is None else {HOUSE: Reading(house.drift)}
    if rule.kind == AlertKind.LATE:
        return None if house.snapshot_age_s is None else {HOUSE: Reading(house.snapshot_age_s)}
    if house.servers is None:
        return None
    if rule.kind == AlertKind.ERRORS:
        totals = {server.name: server.failures for server in house.servers}
        memory, rate = errors_a_minute(memories.get(HOUSE), totals=totals, now_ms=house.now_ms)
        return {HOUSE: Reading(rate, memory=memory)}
    return {
        server.name: Reading(max(0.0, (house.now_ms - server.heard_ms) / 1000), server.place, server.place)
        for server in house.servers
    }


# --- zones ------------------------------------------------------------------------------------------------------------


def _zone_reading(kind: str, each: ZoneLine, memory: Memory | None, now_ms: int) -> Reading:
    zone, line = each.zone, each.line
    place = f"{zone.name} ({zone.pk})"
    place_ko = f"{zone.name_ko or zone.name} ({zone.pk})"
    if line is None:
        return Reading(None, place, place_ko, memory)
    if kind == AlertKind.LINE:
        return Reading(line.waiting, place, place_ko)
    is_yet_to_open = zone.opens_at is not None and zone.opens_at.timestamp() * 1000 > now_ms
    if is_yet_to_open:  # everybody waits for that, and knows it
        return Reading(0.0, place, place_ko)
    if kind == AlertKind.STILL:
        memory, still_s = stillness(memory, epoch=line.epoch, front=line.front, waiting=line.waiting, now_ms=now_ms)
        return Reading(still_s, place, place_ko, memory)
    value = _wait_s(zone, line) if kind == AlertKind.WAIT else _unused_percent(zone, line, each.entered)
    return Reading(value, place, place_ko)


def _wait_s(zone: Zone, line: line_store.LineStatus) -> float:
    """For how long who joins the end now waits, at N a minute."""
    if not line.waiting:
        return 0.0
    if zone.mode not in CALLING or not zone.per_minute:
        return ENDLESS_S
    return min(ENDLESS_S, line.waiting * 60 / zone.per_minute)


def _unused_percent(zone: Zone, line: line_store.LineStatus, entered: int) -> float:
    """How much of N nobody used in the last whole minute, though enough people waited to use all of it."""
    unused = zone.per_minute - entered
    if zone.mode not in CALLING or unused <= 0 or line.waiting < unused:
        return 0.0
    return 100 * unused / zone.per_minute


def _zones(now_ms: int) -> list[ZoneLine]:
    minute = now_ms // 60_000 - 1
    found = []
    for part in slices(list(Zone.objects.all())):
        commands = [c for zone in part for c in (line_store.status(zone.pk), line_store.stats(zone.pk, minute))]
        replies = _run(commands)
        for zone, status, stats in zip(part, replies[::2], replies[1::2], strict=True):
            if isinstance(status, Exception) or isinstance(stats, Exception):
                UNREAD.labels("zone").inc()
                found.append(ZoneLine(zone, None, 0))
            else:
                entered = line_store.stats_read(stats).entries
                found.append(ZoneLine(zone, line_store.status_read(status), entered))
    return found


def _run(commands: list[redis.Command]) -> list[Any]:
    try:
        return redis.run_now(commands)
    except (RedisError, OSError) as error:
        return [error] * len(commands)


# --- the house --------------------------------------------------------------------------------------------------------


def _known(kind: str, kinds: Collection[str], read: Callable[[], T | None]) -> T | None:
    if kind not in kinds:
        return None
    try:
        found = read()
    except (RedisError, OSError, audience.CountsUnavailable) as error:
        logger.warning("Figures for alerts of kind %s cannot be read: %s", kind, error)
        found = None
    if found is None:
        UNREAD.labels(kind).inc()
    return found


def _drift(now_ms: int) -> float | None:
    told = audience_store.about_read(audience.read([audience_store.reconciled()])[0])
    if not told or abs(now_ms - int(told["at_ms"])) > DRIFT_GOOD_MS:
        return None
    return float(told["drift"])


def _snapshot_age_s(now_ms: int) -> float:
    """Seconds since the last five-minute snapshot, or since there was something live to take one of."""
    first = Stream.objects.filter(status=StreamStatus.LIVE).aggregate(at=Min("started_at"))["at"]
    if first is None:
        return 0.0
    last = CurrentViewers.objects.aggregate(at=Max("captured_at"))["at"]
    due = first if last is None else max(first, last)
    return max(0.0, (datetime.fromtimestamp(now_ms / 1000, tz=UTC) - due).total_seconds())


def _servers(now_ms: int) -> list[Server]:
    """Processes that reported in the last ten minutes; one that serves pages and is a gate, too, is one.

    Of such a one the register that it has been silent on for longer counts: half of it may have stopped.
    """
    since_ms = now_ms - SERVERS_KEPT_MS
    registers = audience.read([audience_store.servers_heard(since_ms), board_store.gates_heard(since_ms)])
    edges, gates = (audience_store.servers_heard_read(reply) for reply in registers)
    asked = [*map(audience_store.server_about, edges), *map(board_store.gate_told, gates)]
    told = map(audience_store.about_read, audience.read(asked))
    found: dict[str, Server] = {}
    for (process, heard_ms), about in zip([*edges.items(), *gates.items()], told, strict=True):
        server = Server(
            f"{about['host']}:{about['pid']}" if about else process,
            about.get("role", "?"),
            heard_ms,
            int(about.get("failures", 0)),
        )
        other = found.get(server.name)
        if other is not None:
            heard_ms, count = min(other.heard_ms, heard_ms), other.failures + server.failures
            server = replace(server, heard_ms=heard_ms, failures=count)
        found[server.name] = server
    return list(found.values())
