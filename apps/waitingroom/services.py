"""Every write to zones, and how gates learn of it.

The row is the truth; Redis repeats it. A change is published once its transaction has committed. If Redis is away just
then, the save stands all the same, and zones_publish_all, which runs every half minute, brings it later.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.realtime import redis

from . import store
from .endings import endings_find
from .metrics import PUBLISH_FAILURES
from .models import FailMode, Zone, version_now
from .passes import PassClaims
from .rules import MAX_EXACT, RulesError, ZoneRules
from .selectors import slices

logger = logging.getLogger(__name__)

# What people may decide after a zone is made; its id stays, and the rest is counted here.
CHANGEABLE = (
    "name",
    "name_ko",
    "app",
    "screen",
    "per_minute",
    "mode",
    "message",
    "message_ko",
    "idle_s",
    "poll_ms",
    "fail_mode",
    "opens_at",
    "prequeue_from",
    "pass_s",
    "single_use",
    "origins",
)


class Conflict(Exception):
    """Somebody changed the zone since the caller looked; nothing was written. `zone` is how it is now."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(f"zone {zone.pk} has version {zone.version}")
        self.zone = zone


class ZoneInUse(Exception):
    """Something that is open now stands behind the zone, so it cannot go."""


class PassUnchecked(Exception):
    """Nobody can tell now whether the pass was used before."""


def zone_create(*, actor: User | None, zone_id: str, **fields: Any) -> Zone:
    """A new zone with an empty line. `fields` are some of CHANGEABLE, the rest keeps its default.

    ValidationError, and nothing written, when a limit is broken or the id is taken.
    """
    zone = Zone(zone_id=zone_id, updated_by=actor)
    _fill(zone, fields)
    zone.epoch = zone.version = version_now()
    zone.seed = _seed_for(zone)
    zone.full_clean()
    try:
        with transaction.atomic():
            zone.save(force_insert=True)
            publish_on_commit(zone_id, fresh=True)
    except IntegrityError as error:  # somebody took the id since full_clean looked
        raise ValidationError({"zone_id": _("There is a zone with this id.")}) from error
    return zone


def _fill(zone: Zone, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if name not in CHANGEABLE:
            raise ValueError(f"{name} of a zone is not for anybody to change")
        setattr(zone, name, value)


def _seed_for(zone: Zone) -> int:
    """The zone's seed, or a new one for a zone that gets its first schedule."""
    needs_one = zone.opens_at is not None and not zone.seed
    return 1 + secrets.randbelow(MAX_EXACT - 1) if needs_one else zone.seed


def zone_update(*, actor: User | None, zone_id: str, expected_version: int, **changes: Any) -> Zone:
    """The zone with these fields (of CHANGEABLE) changed; what is so already is no change and makes no new version.

    Conflict, and nothing written, when the zone no longer has the version that the caller saw. Zone.DoesNotExist when
    it is gone, ValidationError when a limit would be broken.
    """
    zone = Zone.objects.get(pk=zone_id)
    if zone.version != expected_version:
        raise Conflict(zone)
    before = {name: getattr(zone, name) for name in CHANGEABLE}
    _fill(zone, changes)
    zone.seed = _seed_for(zone)
    zone.full_clean(validate_unique=False)
    changed = {name: getattr(zone, name) for name in CHANGEABLE if getattr(zone, name) != before[name]}
    if not changed:
        return zone
    now = timezone.now()
    if zone.per_minute < before["per_minute"]:
        zone.slowed_at = now
    zone.version, zone.updated_at, zone.updated_by = max(expected_version + 1, version_now()), now, actor
    counted = {name: getattr(zone, name) for name in ("seed", "slowed_at", "version", "updated_at", "updated_by")}
    with transaction.atomic():
        # The version is in the UPDATE, so that of two changes at the same moment one is refused.
        if not Zone.objects.filter(pk=zone.pk, version=expected_version).update(**changed, **counted):
            raise Conflict(Zone.objects.get(pk=zone.pk))
        publish_on_commit(zone.pk)
    return zone


def zone_clear(*, actor: User | None, zone_id: str) -> Zone:
    """Empty the line: all tickets are void, whoever waits begins anew. What was entered counts on within the minute."""
    zone = Zone.objects.get(pk=zone_id)
    zone.seed = 0
    with transaction.atomic():
        Zone.objects.filter(pk=zone.pk).update(
            epoch=Greatest(F("epoch") + 1, version_now()),
            version=Greatest(F("version") + 1, version_now()),
            seed=_seed_for(zone),  # a new draw, now that no place of the old one is left
            updated_at=timezone.now(),
            updated_by=actor,
        )
        publish_on_commit(zone.pk, fresh=True)
    zone.refresh_from_db()
    return zone


def zone_delete(*, zone_id: str) -> bool:
    """Take the zone away, from Redis as well; True if it was there. Its statistics stay.

    ZoneInUse, and nothing changed, while something that is open now stands behind it.
    """
    try:
        with transaction.atomic():
            deleted, _by_model = Zone.objects.filter(pk=zone_id).delete()
            publish_on_commit(zone_id)
    except (ProtectedError, IntegrityError) as error:
        raise ZoneInUse(f"zone {zone_id} is in use") from error
    return bool(deleted)


# --- publishing ---------------------------------------------------------------------------------------------------


def zone_publish(*, zone_id: str, fresh: bool = False) -> None:
    """Tell gates what the database now says of the zone; RedisError if that fails. Repeating changes nothing.

    `fresh` opens the line of a zone that was just made or cleared. Without it a line that Redis lacks is a lost one,
    which gates put back from what they and their visitors know.
    """
    zone = Zone.objects.filter(pk=zone_id).first()
    if zone is None:
        # A gate that has not heard yet may put the line back. Nobody reads it then: a zone that is made again under
        # this id has a higher epoch.
        _do(store.catalog_drop(zone_id))
        _do([store.drop(zone_id)])
        return
    rules = replace(zone.rules(), over=endings_find([zone_id]).get(zone_id, ()))
    _do([store.publish(rules, fresh=fresh)])
    # Only after the line is there: gates come when the catalogue says so.
    _do(store.catalog_put(rules))


def zones_publish_all() -> tuple[int, int]:
    """Bring Redis in line with the database: (zones that gates are told of, zones that they are told are gone).

    This is how a change that Redis was not there to hear of gets through, and how a wiped Redis gets its rules back.
    Never opens a line: one that is missing now was lost. Repeating changes nothing, and tells gates nothing.
    """
    listed = store.catalog_read(_do([store.catalog()])[0])
    rules = _rules_all()
    told = 0
    for part in slices(list(rules.values())):
        changed = [one for one in part if _is_news(one, listed.get(one.zone_id))]
        replies = redis.run_now([store.publish(one) for one in part])
        for one, reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("zone %s could not be published", one.zone_id, exc_info=reply)
                changed = [other for other in changed if other is not one]
        _do([command for one in changed for command in store.catalog_put(one)])
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


def _publish_soon(zone_id: str, *, fresh: bool) -> None:
    try:
        zone_publish(zone_id=zone_id, fresh=fresh)
    except (RedisError, OSError):
        PUBLISH_FAILURES.inc()
        logger.warning("zone %s is published later: Redis is away", zone_id, exc_info=True)


def _do(commands: Sequence[redis.Command]) -> list[Any]:
    """Send write commands; RedisError if any failed."""
    replies = redis.run_now(commands)
    if error := redis.first_error(replies):
        raise error
    return replies


# --- upkeep and passes --------------------------------------------------------------------------------------------


def zones_evict(*, now_ms: int | None = None) -> int:
    """Take the silent out of every line; how many went. Safe to run twice or late: silence is a time.

    Asks Redis alone which zones there are, so lines move while the database is away.
    """
    went = 0
    for part in slices(list(store.catalog_read(_do([store.catalog()])[0]))):
        replies = redis.run_now([store.evict(zone_id=zone_id, now_ms=now_ms) for zone_id in part])
        for zone_id, reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("the line of zone %s could not be looked through", zone_id, exc_info=reply)
                continue
            went += store.evict_read(reply).evicted
    return went


def pass_redeem(*, zone: Zone, claims: PassClaims) -> bool:
    """Whether this pass may be used now; in a zone of single-use passes this uses it up, so the next answer is False.

    PassUnchecked when Redis is away, unless the zone fails open.
    """
    if not zone.single_use:
        return True
    command = store.redeem(
        zone_id=zone.pk,
        place=claims.place,
        issued_ms=claims.issued * 1000,
        pass_s=claims.expires - claims.issued,
        client=claims.client,
    )
    try:
        return _do([command])[0] == 1
    except (RedisError, OSError) as error:
        if zone.fail_mode == FailMode.OPEN:
            return True
        raise PassUnchecked(f"a pass of zone {zone.pk} could not be used up") from error
