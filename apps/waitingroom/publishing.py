"""How gates learn of zones: the row is the truth, Redis repeats it.

A change is published once its transaction has committed. If Redis is away just then, the save stands all the same, and
zones_publish_all, which runs every half minute, brings it later.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial

from django.db import transaction
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.slicing import slices

from . import store
from .board_store import lines_tell
from .endings import endings_find
from .metrics import PUBLISH_FAILURES
from .models import Zone
from .rules import RulesError, ZoneRules
from .selectors import PIPELINE

logger = logging.getLogger(__name__)

_untold: ContextVar[list[str] | None] = ContextVar("untold", default=None)


def zone_publish(*, zone_id: str, fresh: bool = False) -> None:
    """Tell gates what the database now says of the zone; RedisError if that fails. Repeating changes nothing.

    `fresh` opens the line of a zone that was just made or cleared. Without it a line that Redis lacks is a lost one,
    which gates put back from what they and their visitors know.
    """
    zone = Zone.objects.filter(pk=zone_id).first()
    if zone is None:
        # A gate that has not heard yet may put the line back. Nobody reads it then: a zone that is made again under
        # this id has a higher epoch.
        redis.ask_now([*store.catalog_drop(zone_id), *lines_tell({}, asleep=[zone_id])])
        redis.ask_now([store.drop(zone_id)])
        return
    rules = replace(zone.rules(), over=endings_find([zone_id]).get(zone_id, ()))
    redis.ask_now([store.publish(rules, fresh=fresh)])
    # Only after the line is there: gates come when the catalogue says so.
    redis.ask_now(store.catalog_put(rules))


def zones_publish_all() -> tuple[int, int]:
    """Bring Redis in line with the database: (zones that gates are told of, zones that they are told are gone).

    This is how a change that Redis was not there to hear of gets through, and how a wiped Redis gets its rules back.
    Never opens a line: one that is missing now was lost. Repeating changes nothing, and tells gates nothing.
    """
    listed = store.catalog_read(redis.ask_now([store.catalog()])[0])
    rules = _rules_all()
    told = 0
    for part in slices(list(rules.values()), PIPELINE):
        changed = [one for one in part if _is_news(one, listed.get(one.zone_id))]
        replies = redis.run_now([store.publish(one) for one in part])
        for one, reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("zone %s could not be published", one.zone_id, exc_info=reply)
                changed = [other for other in changed if other is not one]
        redis.ask_now([command for one in changed for command in store.catalog_put(one)])
        told += len(changed)
    strays = [zone_id for zone_id in listed if zone_id not in rules]
    gone = 0
    for zone_id in strays:
        # Read again: a zone that was made after the first read is in the catalogue by right.
        if not Zone.objects.filter(pk=zone_id).exists():
            zone_publish(zone_id=zone_id)
            gone += 1
    return told, gone


def _rules_all() -> dict[str, ZoneRules]:
    """The rules of all zones; those of a row that breaks a limit, which no service wrote, are left out."""
    found = {}
    zones = list(Zone.objects.all())
    over = endings_find([zone.pk for zone in zones])
    for zone in zones:
        try:
            found[zone.pk] = replace(zone.rules(), over=over.get(zone.pk, ()))
        except ValueError:
            logger.exception("zone %s breaks its limits and is not published", zone.pk)
    return found


def _is_news(rules: ZoneRules, listed: bytes | None) -> bool:
    """Whether gates must be told. They have heard of a newer version when somebody saved it since we looked."""
    if listed is None:
        return True
    try:
        known = ZoneRules.from_json(listed)
    except RulesError:
        return True
    return known != rules and known.version <= rules.version


def publish_on_commit(zone_id: str, *, fresh: bool = False) -> None:
    """Tell gates of the zone, or of what ended behind it, once the transaction has committed."""
    transaction.on_commit(partial(_publish_soon, zone_id, fresh=fresh))


@contextmanager
def untold_zones() -> Iterator[list[str]]:
    """The zones that were saved within this block, and that gates could not be told of when that was committed.

    Whoever answers a person looks here: to them a change that no gate knows of is none. Once there is one, Redis is not
    asked again within this block: zones_publish_all brings them all.
    """
    untold: list[str] = []
    token = _untold.set(untold)
    try:
        yield untold
    finally:
        _untold.reset(token)


def untold_now() -> list[str]:
    """Those of the block that this is called in, until now."""
    return _untold.get() or []


def _publish_soon(zone_id: str, *, fresh: bool) -> None:
    untold = _untold.get()
    if untold:
        # A Redis that hangs takes seconds a try, and whoever waits for the answer would wait for all of them.
        PUBLISH_FAILURES.inc()
        untold.append(zone_id)
        return
    try:
        zone_publish(zone_id=zone_id, fresh=fresh)
    except (RedisError, OSError):
        PUBLISH_FAILURES.inc()
        if untold is not None:
            untold.append(zone_id)
        logger.warning("zone %s is published later: Redis is away", zone_id, exc_info=True)
