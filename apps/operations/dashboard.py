"""What operators see first: how the house is now, from a handful of reads however large it is.

Each part is read by itself, and is None while it cannot be read: a dash is true where a zero would be a lie.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import Case, IntegerField, Value, When
from redis.exceptions import RedisError

from apps.audience import store as audience_store
from apps.audience.sessions import SERVER_SILENCE_MS
from apps.realtime import redis
from apps.waitingroom import board_store
from apps.waitingroom.manage.display import health_words, mode_name
from apps.waitingroom.manage.selectors import wall_rows
from apps.waitingroom.manage.wall import waiting_in

from . import job_store
from .alert_kinds import Severity
from .alert_texts import value_text
from .jobs import Job, jobs_health
from .models import AlertChannel, AlertEvent

logger = logging.getLogger(__name__)

TOP = 10
# Servers that fell silent are shown for as long as they are on the register: somebody wants to know.
SERVERS_KEPT_MS = audience_store.PROCESS_KEPT_S * 1000
SERVERS_SHOWN = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopStream:
    """One of the streams with the most viewers."""

    stream_id: int
    title: str
    broadcaster: str
    viewers: int


@dataclass(frozen=True, slots=True)
class TroubledZone:
    """A zone that somebody should look at, or that has a line."""

    zone_id: str
    name: str
    name_ko: str
    health: str
    words: str
    mode: str
    waiting: int | None
    entering: int | None
    per_minute: int
    wait_s: int | None


@dataclass(frozen=True, slots=True)
class Zones:
    """All zones: how many there are, how many wait in them, how many are in trouble; the worst of them."""

    total: int
    waiting: int | None
    troubled: int
    worst: list[TroubledZone]


@dataclass(frozen=True, slots=True)
class Server:
    """A web process. `sockets` are of every kind, `sessions` those of viewers."""

    place: str
    role: str
    sockets: int
    sessions: int
    heard_at: datetime
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """A process that keeps up with lines, and the sockets that wait there."""

    place: str
    zones: int
    sockets: int
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Drift:
    """What the last reconciliation found."""

    drift: int
    asked: int
    repaired: int
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """Trouble that an alert rule has found, and that is not over."""

    event_id: int
    rule: str
    place: str
    severity: str
    severity_words: str
    value: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Alerts:
    """How many alerts are open, the worst of them, and the channels that did not take the last notice."""

    total: int
    worst: list[OpenAlert]
    failing: list[AlertChannel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The house at one moment; None: cannot be read now."""

    at: datetime
    viewers: int | None
    streams: int | None
    top: list[TopStream] | None
    zones: Zones | None
    servers: list[Server] | None
    gates: list[Gate] | None
    jobs: list[Job] | None
    drift: Drift | None
    alerts: Alerts | None
    is_reachable: bool  # whether Redis answered at all


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def dashboard_read() -> Dashboard:
    """Read it all: two round trips to Redis for the house, one for the zones, and four queries."""
    now_ms = int(time.time() * 1000)
    first = _replies(
        [
            audience_store.house(),
            audience_store.live_count(),
            audience_store.ranked(None, offset=0, limit=TOP),
            audience_store.servers_heard(now_ms - SERVERS_KEPT_MS),
            audience_store.reconciled(),
            job_store.jobs(),
            board_store.board_look(gates=True),
        ]
    )
    house, live, ranked, heard, reconciled, jobs, board = first
    ids = _known(ranked, lambda reply: [int(member) for member in reply])
    processes = _known(heard, audience_store.servers_heard_read)
    return Dashboard(
        at=_moment(now_ms),
        viewers=_known(house, lambda reply: int(reply)),
        streams=_known(live, lambda reply: int(reply)),
        top=None if ids is None else _top(ids),
        zones=_zones(),
        servers=None if processes is None else _servers(processes, now_ms),
        gates=_known(board, _gates),
        jobs=_known(jobs, lambda reply: jobs_health(job_store.jobs_read(reply), now=_moment(now_ms))),
        drift=_known(reconciled, _drift),
        alerts=_alerts(),
        is_reachable=not all(isinstance(reply, Exception) for reply in first),
    )


def _replies(commands: list[redis.Command]) -> list[Any]:
    try:
        return redis.run_now(commands)
    except (RedisError, OSError) as error:
        logger.warning("the dashboard cannot read Redis: %s", error)
        return [error] * len(commands)


def _known(reply: Any, read: Callable[[Any], T]) -> T | None:
    return None if reply is None or isinstance(reply, Exception) else read(reply)


def _top(ids: list[int]) -> list[TopStream] | None:
    if not ids:
        return []
    words, *figures = _replies([audience_store.listings(ids), *map(audience_store.figures, ids)])
    if isinstance(words, Exception) or redis.first_error(figures):
        return None
    found = []
    for stream_id, word, reply in zip(ids, words, figures, strict=True):
        if word is not None:
            listing = audience_store.listing_read(stream_id, word)
            viewers = audience_store.figures_of(reply).current
            found.append(TopStream(stream_id, listing.title, listing.broadcaster, viewers))
    return sorted(found, key=lambda one: -one.viewers)


def _zones() -> Zones | None:
    try:
        rows = wall_rows()
    except (DatabaseError, RedisError, OSError) as error:
        logger.warning("the dashboard cannot read the zones: %s", error)
        return None
    worst = [
        TroubledZone(
            zone_id=row.zone_id,
            name=row.name,
            name_ko=row.name_ko,
            health=row.health,
            words=health_words(row),
            mode=mode_name(row.mode),
            waiting=row.waiting,
            entering=row.entering_per_minute,
            per_minute=row.per_minute,
            wait_s=row.longest_wait_s,
        )
        for row in rows[:TOP]
        if row.trouble
    ]
    troubled = sum(row.health != "ok" for row in rows)
    return Zones(total=len(rows), waiting=waiting_in(rows), troubled=troubled, worst=worst)


def _servers(heard: dict[str, int], now_ms: int) -> list[Server] | None:
    shown = sorted(heard, key=lambda process: -heard[process])[:SERVERS_SHOWN]
    replies = _replies([audience_store.server_about(process) for process in shown])
    if redis.first_error(replies):
        return None
    found = []
    for process, reply in zip(shown, replies, strict=True):
        about = audience_store.about_read(reply)
        found.append(
            Server(
                place=f"{about['host']}:{about['pid']}" if about else process,
                role=about.get("role", "?"),
                sockets=int(about.get("sockets", 0)),
                sessions=int(about.get("sessions", 0)),
                heard_at=_moment(heard[process]),
                is_silent=now_ms - heard[process] > SERVER_SILENCE_MS,
            )
        )
    return sorted(found, key=lambda server: (not server.is_silent, server.place))


def _gates(reply: Any) -> list[Gate] | None:
    gates = board_store.board_read(reply).gates or {}
    replies = _replies([board_store.gate_told(name) for name in gates])
    if redis.first_error(replies):
        return None
    told = zip(gates.items(), map(audience_store.about_read, replies), strict=True)
    found = [
        Gate(
            place=f"{about['host']}:{about['pid']}" if about else name,
            zones=len(gate.sockets),
            sockets=sum(gate.sockets.values()),
            heard_at=_moment(gate.at),
        )
        for (name, gate), about in told
    ]
    return sorted(found, key=lambda gate: gate.place)


def _drift(reply: Any) -> Drift | None:
    told = audience_store.about_read(reply)
    if not told:
        return None
    return Drift(int(told["drift"]), int(told["asked"]), int(told["repaired"]), _moment(int(told["at_ms"])))


def _alerts() -> Alerts | None:
    try:
        is_open = AlertEvent.objects.filter(closed_at=None)
        badness = Case(
            *(When(severity=one, then=Value(rank)) for rank, one in enumerate(Severity.values)),
            default=Value(0),
            output_field=IntegerField(),
        )
        worst = list(is_open.alias(badness=badness).order_by("-badness", "-opened_at", "-pk")[:TOP])
        failing = list(AlertChannel.objects.filter(enabled=True, failures__gt=0)[:TOP])
        return Alerts(is_open.count(), [_open_alert(event) for event in worst], failing)
    except DatabaseError as error:
        logger.warning("the dashboard cannot read alerts: %s", error)
        return None


def _open_alert(event: AlertEvent) -> OpenAlert:
    return OpenAlert(
        event_id=event.pk,
        rule=event.rule_name,
        place=event.shown_place,
        severity=event.severity,
        severity_words=event.get_severity_display(),
        value=value_text(event.kind, event.last_value),
        since=event.opened_at,
    )
