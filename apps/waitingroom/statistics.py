"""What lines did, minute by minute: from Redis, which forgets after two hours, into the table zone_statistics.

A zone's row says up to which minute this is done. It is written in one transaction with the minutes themselves, so a
run that dies or is repeated neither skips nor doubles any.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from apps.realtime import redis
from apps.realtime.bulk import Row, bulk_upsert
from apps.realtime.slicing import slices

from . import store
from .models import Zone, ZoneGap, ZoneStatistic
from .selectors import PIPELINE

logger = logging.getLogger(__name__)

# How far back a run looks: as long as Redis keeps a minute.
KEPT_MINUTES = 120
# A minute is over when it is over on Redis's clock, which may be a little behind this one.
SETTLED_AFTER_S = 5
# Zones at a time: after two hours without workers there are 120 minutes to read of each.
ZONES_AT_ONCE = 20
# Rows deleted in one statement, and a minute's more: no lock lasts long, and a replica keeps up.
FORGOTTEN_AT_ONCE = 5_000
COUNTS = ("joins", "entries", "evicted", "left", "refused", "would_wait")
QUANTILES = {"wait_p50": 0.5, "wait_p90": 0.9, "wait_p99": 0.99}


def wait_quantile(waits: Mapping[int, int], share: float) -> int | None:
    """The seconds within which this share of those who entered had entered; None if nobody did.

    `waits` counts by bucket floor(8 * log2(1 + seconds)), each 9% wider than the last; the answer is the
    end of the bucket in which the person at that share is found.
    """
    total = sum(waits.values())
    if not total:
        return None
    place = math.ceil(share * total)
    for bucket in sorted(waits):
        place -= waits[bucket]
        if place <= 0:
            break
    return round(2 ** ((bucket + 1) / 8) - 1)


def statistics_write(*, now: datetime) -> int:
    """Write every closed minute since the last that was written; how many rows. A repeat changes nothing.

    The last one written is read once more: it may have been read a moment too early. Counts only grow, so what Redis
    lost meanwhile is not lost here. A minute in which nothing happened has no row. What Redis forgot before any run
    came to it is noted as a gap.
    """
    last_closed = (int(now.timestamp()) - SETTLED_AFTER_S) // 60 - 1
    first_kept = last_closed - KEPT_MINUTES + 1
    due: dict[str, range] = {}
    gaps: dict[str, range] = {}
    for zone_id, counted_to, made in Zone.objects.values_list("pk", "counted_to", "created_at"):
        last = None if counted_to is None else int(counted_to.timestamp()) // 60
        first = first_kept if last is None else max(first_kept, last)
        if first <= last_closed:
            due[zone_id] = range(first, last_closed + 1)
        gaps[zone_id] = range(int(made.timestamp()) // 60 if last is None else last + 1, first_kept)
    written = 0
    for part in slices(list(due), ZONES_AT_ONCE):
        rows, complete = _read([(zone_id, minute) for zone_id in part for minute in due[zone_id]])
        with transaction.atomic():
            bulk_upsert(ZoneStatistic, rows, update=["waiting", "peak", *QUANTILES, "waits"], greatest=COUNTS)
            lost = [_gap(zone_id, gaps[zone_id]) for zone_id in part if zone_id in complete and gaps[zone_id]]
            if lost:
                logger.error("minutes of %d zones are lost: no run came to them in time", len(lost))
            bulk_upsert(ZoneGap, lost, update=["lost_to"])
            Zone.objects.filter(pk__in=[zone_id for zone_id in part if zone_id in complete]).update(
                counted_to=_moment(last_closed)
            )
        written += len(rows)
    return written


def _read(wanted: Sequence[tuple[str, int]]) -> tuple[list[Row], set[str]]:
    """The rows of these zones and minutes, and the zones of which every minute could be read."""
    rows, complete = [], {zone_id for zone_id, _minute in wanted}
    for part in slices(wanted, PIPELINE):
        replies = redis.run_now([store.stats(zone_id, minute) for zone_id, minute in part])
        for (zone_id, minute), reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("minutes of zone %s could not be read", zone_id, exc_info=reply)
                complete.discard(zone_id)
            elif reply:
                rows.append(_row(zone_id, minute, store.stats_read(reply)))
    return rows, complete


def _row(zone_id: str, minute: int, counted: store.ZoneMinute) -> Row:
    return {
        "zone_id": zone_id,
        "minute": _moment(minute),
        "waiting": counted.waiting,
        "peak": counted.peak,
        **{name: getattr(counted, name) for name in COUNTS},
        **{name: wait_quantile(counted.waits, share) for name, share in QUANTILES.items()},
        "waits": {str(bucket): counted.waits[bucket] for bucket in sorted(counted.waits)},
    }


def _gap(zone_id: str, minutes: range) -> Row:
    return {"zone_id": zone_id, "lost_from": _moment(minutes.start), "lost_to": _moment(minutes.stop)}


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(0, tz=UTC) + timedelta(minutes=minute)


def kept_from(now: datetime) -> datetime | None:
    """The moment before which minutes are forgotten; None if all are kept."""
    days = settings.ZONE_STATISTICS_KEPT_DAYS
    return now - timedelta(days=days) if days else None


def statistics_forget(*, now: datetime) -> int:
    """Delete minutes older than ZONE_STATISTICS_KEPT_DAYS, oldest first; how many rows. 0 days: none.

    Gaps among them are forgotten with them.
    """
    if (first := kept_from(now)) is None:
        return 0
    ZoneGap.objects.filter(lost_to__lt=first).delete()
    old = ZoneStatistic.objects.filter(minute__lt=first)
    gone = 0
    while True:
        moments = old.order_by("minute").values_list("minute", flat=True)
        last = moments[FORGOTTEN_AT_ONCE - 1 : FORGOTTEN_AT_ONCE].first()
        part = old if last is None else old.filter(minute__lte=last)
        gone += part.delete()[0]
        if last is None:
            return gone
