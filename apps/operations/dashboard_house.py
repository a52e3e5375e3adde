"""Parts of the operators' first page: server processes, gates, drift and alerts."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import Case, IntegerField, Value, When
from redis.exceptions import RedisError

from apps.audience import house_store
from apps.audience.sessions import SERVER_SILENCE_MS
from apps.realtime import redis
from apps.waitingroom import board_store

from .alert_kinds import Severity
from .alert_texts import value_text
from .models import AlertChannel, AlertEvent

logger = logging.getLogger(__name__)

ALERTS_SHOWN = 10
SERVERS_SHOWN = 50

T = TypeVar("T")


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
class OpenAlerts:
    """How many alerts are open, and the worst of them."""

    total: int
    worst: list[OpenAlert]


def moment(epoch_ms: int) -> datetime:
    """Epoch ms as a datetime."""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def replies_or_errors(commands: list[redis.Command]) -> list[Any]:
    """What Redis answered to each of these commands, or why it did not."""
    try:
        return redis.run_now(commands)
    except (RedisError, OSError) as error:
        logger.warning("the dashboard cannot read Redis: %s", error)
        return [error] * len(commands)


def known(reply: Any, read: Callable[[Any], T]) -> T | None:
    """What a reply says; None if there is none."""
    return None if reply is None or isinstance(reply, Exception) else read(reply)


def servers(heard: dict[str, int], now_ms: int) -> list[Server] | None:
    """What these processes said of themselves, the silent ones first."""
    shown = sorted(heard, key=lambda process: -heard[process])[:SERVERS_SHOWN]
    replies = replies_or_errors([house_store.server_about(process) for process in shown])
    if redis.first_error(replies):
        return None
    found = []
    for process, reply in zip(shown, replies, strict=True):
        about = house_store.about_read(reply)
        found.append(
            Server(
                place=f"{about['host']}:{about['pid']}" if about else process,
                role=about.get("role", "?"),
                sockets=int(about.get("sockets", 0)),
                sessions=int(about.get("sessions", 0)),
                heard_at=moment(heard[process]),
                is_silent=now_ms - heard[process] > SERVER_SILENCE_MS,
            )
        )
    return sorted(found, key=lambda server: (not server.is_silent, server.place))


def gates(reply: Any) -> list[Gate] | None:
    """The gates on the board."""
    told_of = board_store.board_read(reply).gates or {}
    replies = replies_or_errors([board_store.gate_told(name) for name in told_of])
    if redis.first_error(replies):
        return None
    told = zip(told_of.items(), map(house_store.about_read, replies), strict=True)
    found = [
        Gate(
            place=f"{about['host']}:{about['pid']}" if about else name,
            zones=len(gate.sockets),
            sockets=sum(gate.sockets.values()),
            heard_at=moment(gate.at),
        )
        for (name, gate), about in told
    ]
    return sorted(found, key=lambda gate: gate.place)


def drift(reply: Any) -> Drift | None:
    """What the last reconciliation said."""
    told = house_store.about_read(reply)
    if not told:
        return None
    return Drift(int(told["drift"]), int(told["asked"]), int(told["repaired"]), moment(int(told["at_ms"])))


def alerts_open() -> OpenAlerts | None:
    """What fires now, the worst first."""
    try:
        is_open = AlertEvent.objects.filter(closed_at=None)
        badness = Case(
            *(When(severity=one, then=Value(rank)) for rank, one in enumerate(Severity.values)),
            default=Value(0),
            output_field=IntegerField(),
        )
        worst = list(is_open.alias(badness=badness).order_by("-badness", "-opened_at", "-pk")[:ALERTS_SHOWN])
        return OpenAlerts(is_open.count(), [_open_alert(event) for event in worst])
    except DatabaseError as error:
        logger.warning("the dashboard cannot read alerts: %s", error)
        return None


def channels_failing() -> list[AlertChannel] | None:
    """Channels in use that did not take the last notice."""
    try:
        return list(AlertChannel.objects.filter(enabled=True, failures__gt=0)[:ALERTS_SHOWN])
    except DatabaseError as error:
        logger.warning("the dashboard cannot read alert channels: %s", error)
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
