"""Parts of the operators' first page: server processes, gates, drift and alerts."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import Case, IntegerField, Value, When
from django.utils.translation import gettext_lazy
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
# Of those that fell silent as many at least, however many processes there are: they are what somebody looks for.
SILENT_SHOWN = 25
# Tiers of `serve --role`.
ROLES = {
    "all": gettext_lazy("everything"),
    "core": gettext_lazy("streams and pages"),
    "gate": gettext_lazy("gate"),
    "admin": gettext_lazy("admin"),
}

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

    @property
    def role_words(self) -> str:
        """What it does; a role that only another release knows is called what it is."""
        return str(ROLES.get(self.role, self.role))


@dataclass(frozen=True, slots=True)
class Gate:
    """A process that keeps up with lines, and the sockets that wait there; None of one that fell silent."""

    place: str
    zones: int | None
    sockets: int | None
    heard_at: datetime
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Unshown:
    """Processes that are on the register, and for which there is no room."""

    total: int
    silent: int


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
    """What a reply says; None if there is none, or it cannot be understood."""
    if reply is None or isinstance(reply, Exception):
        return None
    try:
        return read(reply)
    except Exception:  # such as what another release wrote: other parts are shown all the same
        logger.exception("the dashboard cannot understand what Redis holds")
        return None


def silent_servers(heard: Mapping[str, int], now_ms: int) -> set[str]:
    """Those of these processes that have not reported for long."""
    return {process for process, heard_ms in heard.items() if now_ms - heard_ms > SERVER_SILENCE_MS}


def chosen(heard: Mapping[str, int], silent: Collection[str]) -> list[str]:
    """The processes for which there is room: of the silent ones the last that fell so, then of the others."""
    latest = sorted(heard, key=lambda process: -heard[process])
    others = [process for process in latest if process not in silent]
    room = max(SILENT_SHOWN, SERVERS_SHOWN - len(others))
    shown = [process for process in latest if process in silent][:room]
    return [*shown, *others[: SERVERS_SHOWN - len(shown)]]


def unshown(heard: Mapping[str, int], silent: Collection[str]) -> Unshown:
    """How many are left out."""
    left = heard.keys() - set(chosen(heard, silent))
    return Unshown(len(left), len(left & set(silent)))


def servers(heard: dict[str, int], now_ms: int) -> list[Server] | None:
    """What these processes said of themselves, the silent ones first."""
    silent = silent_servers(heard, now_ms)
    shown = chosen(heard, silent)
    replies = replies_or_errors([house_store.server_about(process) for process in shown])
    if redis.first_error(replies):
        return None
    found = []
    for process, reply in zip(shown, replies, strict=True):
        about = house_store.about_read(reply)
        found.append(
            Server(
                place=_place(about, process),
                role=about.get("role", "?"),
                sockets=int(about.get("sockets", 0)),
                sessions=int(about.get("sessions", 0)),
                heard_at=moment(heard[process]),
                is_silent=process in silent,
            )
        )
    return sorted(found, key=lambda server: (not server.is_silent, server.place))


def _place(about: Mapping[str, str], process: str) -> str:
    """Where a process is, if it said so: what it says of itself is kept apart from the register, and not as long."""
    return f"{about['host']}:{about['pid']}" if {"host", "pid"} <= about.keys() else process


def gates(heard: dict[str, int], telling: Mapping[str, board_store.Gate]) -> list[Gate] | None:
    """These gates, the silent ones first: those that are not `telling` how their lines stand."""
    shown = chosen(heard, heard.keys() - telling.keys())
    replies = replies_or_errors([board_store.gate_told(name) for name in shown])
    if redis.first_error(replies):
        return None
    found = []
    for name, about in zip(shown, map(house_store.about_read, replies), strict=True):
        gate = telling.get(name)
        found.append(
            Gate(
                place=_place(about, name),
                zones=None if gate is None else len(gate.sockets),
                sockets=None if gate is None else sum(gate.sockets.values()),
                heard_at=moment(heard[name]),
                is_silent=gate is None,
            )
        )
    return sorted(found, key=lambda gate: (not gate.is_silent, gate.place))


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
