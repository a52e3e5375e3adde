"""What alert rules look at: every figure read once an evaluation, and from it one reading a subject of a rule.

A source that cannot be read gives None, which is not the same as a figure that is fine.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from django.db.models import Max, Min
from redis.exceptions import RedisError

from apps.audience import house_store as audience_store
from apps.audience import selectors as audience
from apps.audience.models import CurrentViewers
from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.streams.models import Stream, StreamStatus
from apps.waitingroom import board_store
from apps.waitingroom.models import Zone

from .alert_jobs import Jobs, job_readings, jobs_look
from .alert_kinds import AlertKind, facts_of
from .alert_lines import ZoneLine, lines_of, zone_reading
from .alert_memory import Memory, errors_a_minute
from .alert_readings import Reading
from .alert_sources import source_readings
from .metrics import UNREAD
from .models import AlertRule

logger = logging.getLogger(__name__)

# What reconciliation found longer ago than this says nothing of now: it passes every half minute.
DRIFT_GOOD_MS = 180_000
# Once an evaluation has waited for Redis in vain for so long, it asks it nothing more: one that accepts and is silent
# takes ten seconds a question, and every minute without an evaluation is one in which nobody is told.
PATIENCE_S = 2.0
# A server process that has been silent for longer is off the register.
SERVERS_KEPT_MS = 600_000
HOUSE = ""
SUBJECT_KEPT = 120
# What a rule of the kind UNREAD asks for all of.
SOURCES = {AlertKind.LINE, AlertKind.DRIFT, AlertKind.SILENT, AlertKind.JOB}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that is on the register."""

    name: str  # host:pid
    role: str
    heard_ms: int
    failures: int

    @property
    def host(self) -> str:
        """The machine."""
        return self.name.rpartition(":")[0] or self.name


@dataclass(frozen=True, slots=True)
class House:
    """All that the rules in use look at, as of one moment. None: could not be read, or nobody wants it."""

    now_ms: int
    zones: list[ZoneLine] | None = None
    drift: float | None = None
    snapshot_age_s: float | None = None
    servers: list[Server] | None = None
    jobs: Jobs | None = None
    is_redis_away: bool = False  # somebody was asked, and did not answer
    broken: tuple[str, ...] = ()  # kinds of which what was read could not be understood


@dataclass(slots=True)
class _Reader:
    """Reads figures, each by itself, and writes down which could not be read."""

    away: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    waited_s: float = 0.0  # for Redis, in vain

    def known(self, kind: str, read: Callable[[], T | None]) -> T | None:
        """What this reads in Redis; None if it cannot, or if Redis has kept us waiting for too long already."""
        if self.waited_s <= PATIENCE_S:
            return self.tried(kind, read)
        self.away.append(kind)
        UNREAD.labels(kind).inc()
        return None

    def tried(self, kind: str, read: Callable[[], T | None]) -> T | None:
        """What this reads, wherever it is; None if it cannot."""
        found = None
        begun = time.monotonic()
        try:
            found = read()
        except (RedisError, OSError, audience.CountsUnavailable) as error:
            logger.warning("Figures for alerts of kind %s cannot be read: %s", kind, error)
            self.away.append(kind)
            self.waited_s += time.monotonic() - begun
        except Exception:  # such as what another release wrote: other figures are looked at all the same
            logger.exception("Figures for alerts of kind %s cannot be understood", kind)
            self.broken.append(kind)
        if found is None:
            UNREAD.labels(kind).inc()
        return found


def house_read(*, kinds: Collection[str], now_ms: int | None = None) -> House:
    """Read what rules of these kinds look at: now, by the clock of Redis if it can be asked, or as of another moment.

    Clocks of workers do not matter so. Those of web servers do: their reports have moments of their own.
    """
    wanted = set(kinds) | (SOURCES if AlertKind.UNREAD in kinds else set())
    is_about_zones = any(facts_of(kind).is_of_zones for kind in wanted)
    reader = _Reader()
    board = reader.known("zone", lambda: _board(now_ms)) if is_about_zones or now_ms is None else None
    if now_ms is None:
        now_ms = epoch_ms() if board is None else board.now_ms
    at_ms = now_ms

    def known(kind: AlertKind, read: Callable[[], T | None], *others: AlertKind) -> T | None:
        named = next((each for each in (kind, *others) if each in wanted), None)
        return None if named is None else reader.known(named, read)

    is_late_wanted = AlertKind.LATE in wanted

    return House(
        at_ms,
        zones=_lines(board) if is_about_zones and board is not None else None,
        drift=known(AlertKind.DRIFT, lambda: _drift(at_ms)),
        snapshot_age_s=reader.tried(AlertKind.LATE, lambda: _snapshot_age_s(at_ms)) if is_late_wanted else None,
        servers=known(AlertKind.SILENT, lambda: _servers(at_ms), AlertKind.ERRORS),
        jobs=known(AlertKind.JOB, lambda: jobs_look(at_ms)),
        is_redis_away=bool(reader.away),
        broken=tuple(reader.broken),
    )


def readings(rule: AlertRule, house: House, memories: Mapping[str, Memory | None]) -> dict[str, Reading] | None:
    """Subject -> reading; None if nothing is known. What is not in it any more is not trouble any more."""
    if rule.facts.is_of_zones:
        if house.zones is None:
            return None
        return {
            each.zone.pk: zone_reading(rule.kind, each, memories.get(each.zone.pk), house.now_ms)
            for each in house.zones
            if (not rule.zone_id or each.zone.pk == rule.zone_id) and (not rule.app or each.zone.app == rule.app)
        }
    match rule.kind:
        case AlertKind.DRIFT:
            return None if house.drift is None else {HOUSE: Reading(house.drift)}
        case AlertKind.LATE:
            return None if house.snapshot_age_s is None else {HOUSE: Reading(house.snapshot_age_s)}
        case AlertKind.JOB:
            return None if house.jobs is None else job_readings(house.jobs, memories, house.now_ms)
        case AlertKind.UNREAD:
            are_adrift = None if house.zones is None else any(each.is_adrift for each in house.zones)
            is_measured = None if house.is_redis_away else house.drift is not None
            return source_readings(
                is_redis_away=house.is_redis_away,
                are_lines_adrift=are_adrift,
                is_drift_measured=is_measured,
                memories=memories,
                now_ms=house.now_ms,
            )
        case AlertKind.ERRORS | AlertKind.SILENT:
            return None if house.servers is None else _of_servers(rule.kind, house.servers, memories, house.now_ms)
    logger.warning("Rule %s is of the kind %r, which this release does not know", rule.pk, rule.kind)
    return None


def _of_servers(
    kind: str, servers: list[Server], memories: Mapping[str, Memory | None], now_ms: int
) -> dict[str, Reading]:
    if kind == AlertKind.ERRORS:
        totals = {server.name: server.failures for server in servers}
        memory, rate = errors_a_minute(memories.get(HOUSE), totals=totals, now_ms=now_ms)
        return {HOUSE: Reading(rate, memory=memory)}
    return _silences(servers, now_ms)


def _silences(servers: list[Server], now_ms: int) -> dict[str, Reading]:
    """The longest silence of each host and role: processes that die and are started again and again are one trouble.

    The words name who has been silent for longest.
    """
    found: dict[str, list[Server]] = {}
    for server in sorted(servers, key=lambda server: server.heard_ms):
        found.setdefault(f"{server.host} ({server.role})"[:SUBJECT_KEPT], []).append(server)
    readings = {}
    for subject, (longest, *_others) in found.items():
        place = f"{longest.name} ({longest.role})"
        readings[subject] = Reading(max(0.0, (now_ms - longest.heard_ms) / 1000), place, place)
    return readings


def _board(now_ms: int | None) -> board_store.Board:
    return board_store.board_read(redis.ask_now([board_store.board_look(gates=True, now_ms=now_ms)])[0])


def _lines(board: board_store.Board) -> list[ZoneLine]:
    lines = lines_of(Zone.objects.all(), board)
    UNREAD.labels("zone").inc(sum(each.is_adrift for each in lines))
    return lines


# --- the house --------------------------------------------------------------------------------------------------------


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
        server = _server(process, heard_ms, about)
        other = found.get(server.name)
        if other is not None:
            heard_ms, count = min(other.heard_ms, heard_ms), other.failures + server.failures
            server = replace(server, heard_ms=heard_ms, failures=count)
        found[server.name] = server
    return list(found.values())


def _server(process: str, heard_ms: int, about: Mapping[str, str]) -> Server:
    """One that says of itself what another release says is one that is there, and no more."""
    name = f"{about['host']}:{about['pid']}" if "host" in about and "pid" in about else process
    failures = about.get("failures", "")
    return Server(name, about.get("role", "?"), heard_ms, int(failures) if failures.isdecimal() else 0)
