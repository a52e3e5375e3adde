"""What of zones changes slowly, as the wall and a zone's page show it: read from the database, a few queries each."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from ..audit import notes_of
from ..board_store import Gate
from ..changes import changes_of
from ..manager_models import UNDOABLE
from ..models import Zone, ZoneChange, ZoneMode, ZoneStatistic
from ..replies import ZoneMinute
from ..rules import Mode
from ..statistics import QUANTILES, SETTLED_AFTER_S, wait_quantile
from .display import who_named
from .wall import ChangeTold, Funnel, GateSeen, Minute, Waits, ZoneFacts, ZonePast, moment_ms

logger = logging.getLogger(__name__)

HISTORY_MINUTES = 30
CHANGES_SHOWN = 10
# How long people wait is told of those who entered in the running minute and so many before.
WAITS_MINUTES = 2
# Changes of what people may undo that are looked through for those of N.
RATES_AMONG = 200
_COUNTS = ("joins", "entries", "left", "evicted", "refused", "would_wait", "waiting", "peak")
_FACTS = (
    *("pk", "name", "name_ko", "app", "screen", "mode", "per_minute", "version", "message", "message_ko"),
    *("updated_at", "opens_at", "prequeue_from"),
)


def facts_read(zone_ids: Sequence[str] | None = None) -> dict[str, ZoneFacts]:
    """What people decided about these zones, or about all. One query.

    Without those in a mode that this release does not know: a newer one set it, while both run.
    """
    found = Zone.objects.order_by() if zone_ids is None else Zone.objects.order_by().filter(pk__in=zone_ids)
    facts = {}
    for (
        pk,
        name,
        name_ko,
        app,
        screen,
        mode,
        per_minute,
        version,
        message,
        message_ko,
        updated_at,
        opens_at,
        prequeue_from,
    ) in found.values_list(*_FACTS):
        if mode not in ZoneMode.values:
            logger.warning("zone %s is in mode %s, which only a newer release knows: not shown", pk, mode)
            continue
        facts[pk] = ZoneFacts(
            zone_id=pk,
            name=name,
            name_ko=name_ko,
            app=app,
            screen=screen,
            mode=Mode(mode),
            per_minute=per_minute,
            version=version,
            changed_ms=moment_ms(updated_at) or 0,
            message=message,
            message_ko=message_ko,
            opens_at_ms=moment_ms(opens_at),
            prequeue_from_ms=moment_ms(prequeue_from),
        )
    return facts


@dataclass(slots=True)
class Written:
    """What the database holds of one zone's past: minutes by their number since 1970, sums of the day until then."""

    midnight: int = 0  # number of the day's first minute, in the site's time zone
    made: int = 0  # in which the zone was made; what was before was another's, under the same id
    counted_to: int = -1  # the last minute whose figures are there, at least the one before `made`
    minutes: dict[int, Minute] = field(default_factory=dict)
    day: dict[str, int] = field(default_factory=dict)


def written_read(zone_id: str, now: datetime) -> Written:
    """The past of one zone, in three queries."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    made, counted_to = Zone.objects.filter(pk=zone_id).values_list("created_at", "counted_to").first() or (now, None)
    rows = ZoneStatistic.objects.filter(zone_id=zone_id, minute__gte=made.replace(second=0, microsecond=0))
    sums = rows.filter(minute__gte=midnight).aggregate(
        **{f"sum_{name}": Sum(name) for name in ("joins", "entries", "left", "evicted")}
    )
    return Written(
        midnight=number_of(midnight),
        made=number_of(made),
        counted_to=max(number_of(made) - 1, -1 if counted_to is None else number_of(counted_to)),
        minutes={
            number_of(row.minute): Minute(
                minute=int(row.minute.timestamp()), **{name: getattr(row, name) for name in (*_COUNTS, *QUANTILES)}
            )
            for row in rows.filter(minute__gt=now - timedelta(minutes=HISTORY_MINUTES))
        },
        day={name.removeprefix("sum_"): total or 0 for name, total in sums.items()},
    )


def number_of(moment: datetime) -> int:
    """The number of this moment's minute since 1970."""
    return int(moment.timestamp()) // 60


def is_settled(minute: int, now_s: float) -> bool:
    """Whether a minute is over on everybody's clock, so that its figures are final."""
    return now_s >= (minute + 1) * 60 + SETTLED_AFTER_S


def unwritten(written: Written, minute: int) -> range:
    """The minutes that only Redis holds, up to this one: at most HISTORY_MINUTES."""
    return range(max(written.counted_to + 1, minute - HISTORY_MINUTES + 1), minute + 1)


def waits_of(minute: int) -> range:
    """The minutes before this one that tell how long people wait: early in a minute it and the last are not two yet."""
    return range(minute - WAITS_MINUTES, minute)


def changes_told(changes: Sequence[ZoneChange]) -> list[ChangeTold]:
    """Changes as people are told of them."""
    return [
        ChangeTold(
            id=change.pk,
            version=change.version,
            who=who_named(change),
            at_ms=moment_ms(change.at) or 0,
            action=change.action,
            before=change.before,
            after=change.after,
            why=change.why,
            can_be_undone=change.can_be_undone,
            undone_by=change.undone_by_id,
        )
        for change in changes
    ]


def changes_read(zone_id: str) -> list[ChangeTold]:
    """The last changes of a zone. One query."""
    return changes_told(changes_of(zone_id, CHANGES_SHOWN))


def rates_read(zone_id: str, now: datetime) -> list[list[int]]:
    """When N was changed in the minutes of the history, epoch ms, and what it was before: newest first. One query.

    However many other changes there were since.
    """
    since = now - timedelta(minutes=HISTORY_MINUTES + 1)
    notes = notes_of(zone_id).filter(action__in=UNDOABLE).values_list("at", "before")[:RATES_AMONG]
    return [[moment_ms(at) or 0, was["per_minute"]] for at, was in notes if at >= since and "per_minute" in was]


def gates_seen(zone_id: str, gates: Mapping[str, Gate]) -> list[GateSeen]:
    """The gates that keep up with this zone, by name."""
    return [
        GateSeen(gate=name, seen_ms=gate.at, sockets=gate.sockets[zone_id])
        for name, gate in sorted(gates.items())
        if zone_id in gate.sockets
    ]


def past_of(
    written: Written,
    fresh: Mapping[int, ZoneMinute],
    *,
    minute: int,
    gates: Sequence[GateSeen],
    changes: Sequence[ChangeTold],
    rates: Sequence[list[int]],
) -> ZonePast:
    """The past of a zone: what the database holds, and of the minutes behind that what Redis said (`fresh`).

    A minute of which neither tells is not in the history.
    """
    minutes = dict(written.minutes)
    minutes.update(
        (number, _minute(number, counted)) for number, counted in fresh.items() if number > written.counted_to
    )
    shown = [
        number
        for number in range(minute - HISTORY_MINUTES + 1, minute + 1)
        if number <= written.counted_to or number in fresh
    ]
    since = max(written.midnight, written.counted_to + 1)
    today = [counted for number, counted in fresh.items() if number >= since]
    is_whole = all(number in fresh for number in unwritten(written, minute))

    def of_today(name: str) -> int | None:
        return written.day.get(name, 0) + sum(getattr(one, name) for one in today) if is_whole else None

    waits: dict[int, int] = {}
    for number in (*waits_of(minute), minute):
        is_its = number in fresh and number >= written.made
        for bucket, entries in (fresh[number].waits if is_its else {}).items():
            waits[bucket] = waits.get(bucket, 0) + entries
    return ZonePast(
        history=[minutes.get(number) or _minute(number, _NOTHING) for number in shown],
        funnel=Funnel(
            since_ms=written.midnight * 60_000,
            joined=of_today("joins"),
            entered=of_today("entries"),
            left=of_today("left"),
            evicted=of_today("evicted"),
        ),
        waits=Waits(p50=wait_quantile(waits, 0.5), p90=wait_quantile(waits, 0.9), p99=wait_quantile(waits, 0.99)),
        gates=gates,
        changes=changes,
        rates=rates,
    )


_NOTHING = ZoneMinute(waits={})


def _minute(number: int, counted: ZoneMinute) -> Minute:
    counts: dict[str, Any] = {name: getattr(counted, name) for name in _COUNTS}
    waits: dict[str, Any] = {name: wait_quantile(counted.waits, share) for name, share in QUANTILES.items()}
    return Minute(minute=number * 60, **counts, **waits)
