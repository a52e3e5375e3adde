"""What operators see first: how the house is now, from a handful of reads however large it is.

Each part is read by itself, and is None while it cannot be read: a dash is true where a zero would be a lie. Nobody is
shown a part that they could not look at elsewhere in the admin.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.audience import house_store
from apps.audience import store as audience_store
from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.waitingroom import board_store
from apps.waitingroom.manage.display import health_words, mode_name
from apps.waitingroom.manage.selectors import wall_rows
from apps.waitingroom.manage.wall import waiting_in

from . import job_store
from .dashboard_house import (
    Drift,
    Gate,
    OpenAlerts,
    Server,
    Unshown,
    alerts_open,
    channels_failing,
    drift,
    gates,
    known,
    moment,
    replies_or_errors,
    servers,
    silent_servers,
    unshown,
)
from .jobs import Job, jobs_health
from .models import AlertChannel

logger = logging.getLogger(__name__)

TOP = 10
# Processes that fell silent are shown for as long as they are on the register, ten minutes: somebody wants to know.
SERVERS_KEPT_MS = audience_store.PROCESS_KEPT_S * 1000


class Part(StrEnum):
    """What somebody may look at. STREAMS is the house as well: servers, jobs, drift."""

    STREAMS = "streams"
    ZONES = "zones"
    ALERTS = "alerts"
    CHANNELS = "channels"


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
class Dashboard:
    """The house at one moment; None: cannot be read now, or is not among the parts."""

    parts: frozenset[Part]
    at: datetime
    is_reachable: bool  # whether Redis answered at all
    viewers: int | None = None
    streams: int | None = None
    top: list[TopStream] | None = None
    servers: list[Server] | None = None
    gates: list[Gate] | None = None
    unshown: Unshown | None = None  # of both
    jobs: list[Job] | None = None
    drift: Drift | None = None
    zones: Zones | None = None
    alerts: OpenAlerts | None = None
    failing: list[AlertChannel] | None = None

    @property
    def processes(self) -> list[Server | Gate]:
        """Servers and gates, the silent ones of both first."""
        return sorted([*(self.servers or []), *(self.gates or [])], key=lambda one: not one.is_silent)


def dashboard_read(parts: Collection[Part] = frozenset(Part)) -> Dashboard:
    """Read these parts. All of them: four queries, four round trips to Redis for the house and one for the zones."""
    now_ms = epoch_ms()
    first = replies_or_errors(
        [
            house_store.house(),
            house_store.live_count(),
            house_store.ranked(None, offset=0, limit=TOP),
            house_store.servers_heard(now_ms - SERVERS_KEPT_MS),
            house_store.reconciled(),
            job_store.jobs(),
            board_store.board_look(gates=True),
            board_store.gates_heard(now_ms - SERVERS_KEPT_MS),
        ]
        if Part.STREAMS in parts
        else [house_store.house()]
    )
    house = _house(first, now_ms) if Part.STREAMS in parts else {}
    return Dashboard(
        parts=frozenset(parts),
        at=moment(now_ms),
        is_reachable=not all(isinstance(reply, Exception) for reply in first),
        zones=_zones() if Part.ZONES in parts else None,
        alerts=alerts_open() if Part.ALERTS in parts else None,
        failing=channels_failing() if Part.CHANNELS in parts else None,
        **house,
    )


def _top(ids: list[int]) -> list[TopStream] | None:
    if not ids:
        return []
    words, *figures = replies_or_errors([house_store.listings(ids), *map(audience_store.figures, ids)])
    if isinstance(words, Exception) or redis.first_error(figures):
        return None
    found = []
    for stream_id, word, reply in zip(ids, words, figures, strict=True):
        if word is not None:
            listing = house_store.listing_read(stream_id, word)
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


def _house(replies: list[Any], now_ms: int) -> dict[str, Any]:
    house, live, ranked, heard, reconciled, jobs, board, gates_heard = replies
    ids = known(ranked, lambda reply: [int(member) for member in reply])
    processes = known(heard, house_store.servers_heard_read)
    telling = known(board, lambda reply: board_store.board_read(reply).gates or {})
    reported = known(gates_heard, house_store.servers_heard_read) if telling is not None else None
    left = [
        *([] if processes is None else [unshown(processes, silent_servers(processes, now_ms))]),
        *([] if reported is None or telling is None else [unshown(reported, reported.keys() - telling.keys())]),
    ]
    return {
        "viewers": known(house, lambda reply: int(reply)),
        "streams": known(live, lambda reply: int(reply)),
        "top": known(ids, _top),
        "servers": known(processes, lambda heard: servers(heard, now_ms)),
        "gates": known(reported, lambda heard: gates(heard, telling or {})),
        "unshown": Unshown(sum(one.total for one in left), sum(one.silent for one in left)),
        "jobs": known(jobs, lambda reply: jobs_health(job_store.jobs_read(reply), now=moment(now_ms))),
        "drift": known(reconciled, drift),
    }
