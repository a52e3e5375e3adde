"""The past of zones for tests of reports: minutes after a certain noon, and zones that were there before."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.waitingroom.models import Zone
from apps.waitingroom.reports import Minute
from tests.waitingroom.zones import ask, zone_make

NOON = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def minute_of(number: int, **counted: Any) -> Minute:
    zero = dict.fromkeys(("joins", "entries", "left", "evicted", "refused", "would_wait", "waiting"), 0)
    return Minute(minute=at(number), **{**zero, **counted})


def happened(zone: Zone, number: int, **counted: int) -> None:
    """Put a minute's counts where the line's scripts put them."""
    flat = [part for name, value in counted.items() for part in (name.replace("wait_", "wait:"), value)]
    ask(("HSET", f"line:{{{zone.pk}}}:stats:{int(NOON.timestamp()) // 60 + number}", *flat))


def zone_of_old(zone_id: str = "concert") -> Zone:
    """A zone from the day before: what was before a zone was made is not its own."""
    zone = zone_make(zone_id)
    Zone.objects.filter(pk=zone.pk).update(created_at=NOON - timedelta(days=1))
    return zone
