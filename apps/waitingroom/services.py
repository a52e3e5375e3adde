"""Every write to zones. Each is noted in zone_changes, in the same transaction, and published when it is committed."""

import logging
import secrets
from collections.abc import Mapping, Sequence
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
from apps.realtime.slicing import slices

from . import board_store, store
from .audit import change_write, changes_since
from .events import Closing, Schedule, closing_of, schedule_check
from .models import ChangeAction, FailMode, Zone, ZoneChange, version_now
from .passes import PassClaims
from .publishing import publish_on_commit
from .publishing import zone_publish as zone_publish
from .publishing import zones_publish_all as zones_publish_all
from .rules import MAX_EXACT
from .selectors import PIPELINE, lines_now
from .single_use import Use, use_command, use_read

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


# What gates told of a line holds for so long after the last of them fell silent, if the line is empty.
TOLD_FOR_MS = 60_000


class Conflict(Exception):
    """Somebody changed the zone since the caller looked; nothing was written.

    `zone` is how it is now, `changes` what happened in between, newest first.
    """

    def __init__(self, zone: Zone, changes: Sequence[ZoneChange] = ()) -> None:
        super().__init__(f"zone {zone.pk} has version {zone.version}")
        self.zone = zone
        self.changes = list(changes)


class ZoneInUse(Exception):
    """Something that is open now stands behind the zone, so it cannot go."""


class PassUnchecked(Exception):
    """Nobody can tell now whether the pass was used before."""


def zone_create(*, actor: User | None, zone_id: str, why: str = "", **fields: Any) -> Zone:
    """A new zone with an empty line. `fields` are some of CHANGEABLE, the rest keeps its default.

    ValidationError, and nothing written, when a limit is broken, the id is taken, or the opening has passed.
    """
    zone = Zone(zone_id=zone_id, updated_by=actor)
    _fill(zone, fields)
    zone.epoch = zone.version = version_now()
    zone.seed = _seed_for(zone)
    zone.full_clean()
    schedule_check(zone, None, now=timezone.now())
    try:
        with transaction.atomic():
            zone.save(force_insert=True)
            change_write(
                actor=actor,
                zone_id=zone_id,
                version=zone.version,
                action=ChangeAction.CREATED,
                before={},
                after={name: getattr(zone, name) for name in CHANGEABLE},
                why=why,
            )
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


def zone_update(*, actor: User | None, zone_id: str, expected_version: int, why: str = "", **changes: Any) -> Zone:
    """The zone with these fields (of CHANGEABLE) changed; what is so already is no change and makes no new version.

    Conflict, and nothing written, when the zone no longer has the version that the caller saw. Zone.DoesNotExist when
    it is gone, ValidationError when a limit would be broken, or by a schedule that cannot be (events.py).
    """
    return zone_change(actor=actor, zone_id=zone_id, expected_version=expected_version, why=why, changes=changes)[0]


def zone_change(
    *,
    actor: User | None,
    zone_id: str,
    expected_version: int,
    changes: Mapping[str, Any],
    why: str = "",
    action: ChangeAction = ChangeAction.CHANGED,
    may_close: bool = True,
) -> tuple[Zone, ZoneChange | None]:
    """`zone_update`, and the note of it: None if nothing was to be changed.

    Closing, and nothing written, unless it `may_close` a zone that is open until an opening that lies ahead.
    """
    zone = Zone.objects.get(pk=zone_id)
    if zone.version != expected_version:
        raise Conflict(zone, changes_since(zone.pk, expected_version))
    before = {name: getattr(zone, name) for name in CHANGEABLE}
    _fill(zone, changes)
    zone.seed = _seed_for(zone)
    zone.full_clean(validate_unique=False)
    changed = {name: getattr(zone, name) for name in CHANGEABLE if getattr(zone, name) != before[name]}
    if not changed:
        return zone, None
    now = timezone.now()
    was = Schedule(before["opens_at"], before["prequeue_from"])
    schedule_check(zone, was, now=now, is_undo=action == ChangeAction.UNDONE)
    if not may_close and (closing := closing_of(before, {**before, **changed}, now)):
        raise Closing(closing)
    if zone.per_minute < before["per_minute"]:
        zone.slowed_at = now
    zone.version, zone.updated_at, zone.updated_by = max(expected_version + 1, version_now()), now, actor
    counted = {name: getattr(zone, name) for name in ("seed", "slowed_at", "version", "updated_at", "updated_by")}
    with transaction.atomic():
        # The version is in the UPDATE, so that of two changes at the same moment one is refused.
        if not Zone.objects.filter(pk=zone.pk, version=expected_version).update(**changed, **counted):
            raise Conflict(Zone.objects.get(pk=zone.pk), changes_since(zone.pk, expected_version))
        note = change_write(
            actor=actor,
            zone_id=zone.pk,
            version=zone.version,
            action=action,
            before={name: before[name] for name in changed},
            after=changed,
            why=why,
        )
        publish_on_commit(zone.pk)
    return zone, note


def zone_clear(
    *,
    actor: User | None,
    zone_id: str,
    expected_version: int | None = None,
    typed: str | None = None,
    why: str = "",
) -> Zone:
    """Empty the line: all tickets are void, whoever waits begins anew. What was entered counts on within the minute.

    `typed` is what a person typed to confirm it: ValidationError unless it is the zone's id. Conflict when the zone has
    another version than the caller saw, if that is said. Nothing is changed then.
    """
    zone = Zone.objects.get(pk=zone_id)
    if typed is not None and typed.strip() != zone.pk:
        raise ValidationError({"typed": _("Type the id of the zone, %(zone)s, to clear its line.") % {"zone": zone.pk}})
    line = lines_now([zone.pk]).get(zone.pk)
    before = {"epoch": zone.epoch, "waiting": None if line is None else line.waiting}
    zone.seed = 0
    found = Zone.objects.filter(pk=zone.pk)
    if expected_version is not None:
        found = found.filter(version=expected_version)
    with transaction.atomic():
        if not found.update(
            epoch=Greatest(F("epoch") + 1, version_now()),
            version=Greatest(F("version") + 1, version_now()),
            seed=_seed_for(zone),  # a new draw, now that no place of the old one is left
            updated_at=timezone.now(),
            updated_by=actor,
        ):
            now = Zone.objects.get(pk=zone.pk)
            raise Conflict(now, changes_since(zone.pk, expected_version or 0))
        zone.refresh_from_db()
        change_write(
            actor=actor,
            zone_id=zone.pk,
            version=zone.version,
            action=ChangeAction.CLEARED,
            before=before,
            after={"epoch": zone.epoch},
            why=why,
        )
        publish_on_commit(zone.pk, fresh=True)
    return zone


def zone_delete(*, zone_id: str, actor: User | None = None, expected_version: int | None = None, why: str = "") -> bool:
    """Take the zone away, from Redis as well; True if it was there. Its statistics and the notes of its changes stay.

    ZoneInUse, and nothing changed, while something that is open now stands behind it. Conflict when the zone has
    another version than the caller saw, if that is said.
    """
    try:
        with transaction.atomic():
            zone = Zone.objects.select_for_update().filter(pk=zone_id).first()
            if zone is not None and expected_version not in (None, zone.version):
                raise Conflict(zone, changes_since(zone.pk, expected_version or 0))
            _all, by_model = Zone.objects.filter(pk=zone_id).delete()
            was_there = bool(by_model.get(Zone._meta.label))
            if zone is not None and was_there:
                change_write(
                    actor=actor,
                    zone_id=zone.pk,
                    version=max(zone.version + 1, version_now()),
                    action=ChangeAction.DELETED,
                    before={name: getattr(zone, name) for name in CHANGEABLE},
                    after={},
                    why=why,
                )
            publish_on_commit(zone_id)
    except (ProtectedError, IntegrityError) as error:
        raise ZoneInUse(f"zone {zone_id} is in use") from error
    return was_there


# --- upkeep and passes --------------------------------------------------------------------------------------------


def zones_evict(*, now_ms: int | None = None) -> int:
    """Take the silent out of every line; how many went. Safe to run twice or late: silence is a time.

    Asks Redis alone which zones there are, so lines move while the database is away. What gates last told of lines that
    are empty now, and that no gate keeps up with, is forgotten.
    """
    went = 0
    standing = set()
    for part in slices(list(store.catalog_read(redis.ask_now([store.catalog()])[0])), PIPELINE):
        replies = redis.run_now([store.evict(zone_id=zone_id, now_ms=now_ms) for zone_id in part])
        for zone_id, reply in zip(part, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("the line of zone %s could not be looked through", zone_id, exc_info=reply)
                continue
            evicted = store.evict_read(reply)
            went += evicted.evicted
            if evicted.waiting:
                standing.add(zone_id)
    board = board_store.board_read(redis.ask_now([board_store.board_look(now_ms=now_ms)])[0])
    redis.ask_now(board_store.lines_tell({}, asleep=sorted(board.silent_since(TOLD_FOR_MS) - standing)))
    return went


def pass_redeem(*, zone: Zone, claims: PassClaims) -> bool:
    """Whether this pass may be used now; in a zone of single-use passes this uses it up, so the next answer is False.

    PassUnchecked when Redis is away, unless the zone fails open.
    """
    if not zone.single_use:
        return True
    try:
        reply = redis.run_now([use_command(zone.pk, claims)])[0]
    except (RedisError, OSError) as error:
        reply = error
    use = use_read(reply, fail_open=zone.fail_mode == FailMode.OPEN)
    if use is Use.UNKNOWN:
        raise PassUnchecked(f"a pass of zone {zone.pk} could not be used up")
    return use is not Use.AGAIN
