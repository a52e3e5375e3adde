"""Zones for tests of the people's side: made as people make them, and what Redis was told of them."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import REGISTRY

from apps.realtime import redis
from apps.waitingroom import store
from apps.waitingroom.models import Zone
from apps.waitingroom.rules import ZoneRules
from apps.waitingroom.services import zone_create


def zone_make(zone_id: str = "concert", **fields: Any) -> Zone:
    """A zone as a service makes it; published when its transaction commits."""
    return zone_create(actor=None, zone_id=zone_id, **{"name": zone_id.title(), "per_minute": 60, **fields})


def ask(command: redis.Command) -> Any:
    """Redis's answer to one command."""
    replies = redis.run_now([command])
    error = redis.first_error(replies)
    assert error is None, error
    return replies[0]


def told() -> dict[str, ZoneRules]:
    """What gates would read of zones."""
    return {zone_id: ZoneRules.from_json(text) for zone_id, text in store.catalog_read(ask(store.catalog())).items()}


def tidings() -> int:
    """How often gates were told that something changed."""
    return int(ask(("GET", store.VERSION)) or 0)


def line_of(zone_id: str) -> store.LineStatus | None:
    """The zone's line; None if Redis knows none."""
    return store.status_read(ask(store.status(zone_id)))


def known_version(zone_id: str) -> int:
    """The version of the rules by which the line goes; 0 if it has none."""
    return int(ask(("HGET", f"line:{{{zone_id}}}:rules", "version")) or 0)


def crowd_join(zone: Zone, count: int, *, batch: int = 1, now_ms: int | None = None) -> store.Joined:
    """So many people come to the zone through one gate."""
    command = store.join(zone_id=zone.pk, epoch=zone.epoch, server="test", batch=batch, count=count, now_ms=now_ms)
    return store.join_read(ask(command))


def crowd_seen(zone: Zone, places: Sequence[int], *, now_ms: int | None = None) -> store.Pulse:
    """A gate's heartbeat, which has heard of these places."""
    bits = bytearray(max(places, default=-1) // 8 + 1)
    for place in places:
        bits[place // 8] |= 0x80 >> place % 8
    seen = (0, bytes(bits)) if places else None
    return store.pulse_read(ask(store.pulse(zone_id=zone.pk, epoch=zone.epoch, now_ms=now_ms, seen=seen)))


def row(zone_id: str = "concert") -> Zone:
    """The zone as the database has it now."""
    return Zone.objects.get(pk=zone_id)


def publish_failures() -> float:
    """How many zones' gates could not be told of, as this process counts them."""
    return REGISTRY.get_sample_value("fullhouse_zone_publish_failures_total") or 0.0
