"""Every write to the roles of zone managers. Who loses one is seen out of open pages within a second."""

import logging
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.realtime import redis

from . import board_store
from .audit import change_write
from .models import ChangeAction, Role, Zone, ZoneManager

logger = logging.getLogger(__name__)
_TAKEN = gettext_lazy("This person has a role for an app whose name differs only in upper and lower case.")


class LastOwner(Exception):
    """Nobody would own the zone any more, neither by a role for it nor by one for its app."""


class Seen(NamedTuple):
    """What somebody's role there was when a page showed it; None: they had none."""

    role: Role | int | None


class RoleChanged(Exception):
    """Somebody's role there is another than the caller saw; nothing was written."""


def manager_set(
    *,
    actor: User | None,
    user: User,
    role: Role | int,
    zone_id: str | None = None,
    app: str | None = None,
    why: str = "",
    leaves_an_owner: bool = False,
    seen: Seen | None = None,
) -> ZoneManager:
    """Give somebody this role, instead of the one they have, for a zone or for all zones of an app.

    ValidationError unless exactly one of both is named, the zone is there, the role is one, and the person has none for
    an app whose name differs from this one's in upper and lower case alone. LastOwner, if `leaves_an_owner`, when they
    are the zone's last and would be no more. RoleChanged, if it is said what was `seen` and something else is so now,
    unless that is what is asked for.
    """
    row = ZoneManager(user=user, zone_id=zone_id or None, app=(app or "").strip() or None, role=role, created_by=actor)
    try:
        return _set(actor, row, why, leaves_an_owner, seen)
    except IntegrityError:
        pass
    try:  # somebody was faster: what they gave is there now, and is changed; or the zone has gone
        return _set(actor, row, why, leaves_an_owner, seen)
    except IntegrityError as error:
        raise ValidationError(_TAKEN) from error


def _set(actor: User | None, row: ZoneManager, why: str, leaves_an_owner: bool, seen: Seen | None) -> ZoneManager:
    row.full_clean(validate_unique=False, validate_constraints=False)
    with transaction.atomic():
        owners = _owners_of(row.zone_id) if leaves_an_owner and row.role != Role.OWNER else []
        known = _standing(row)
        if known is not None and known.role == row.role:
            return known
        if seen is not None and seen.role != (known and known.role):
            raise RoleChanged
        if known is None:
            row.save(force_insert=True)
            _note(actor, row, None, Role(row.role), why)
        else:
            _leave_one(owners, known)
            before, known.role, known.created_by = Role(known.role), row.role, actor
            known.save(update_fields=["role", "created_by"])
            _note(actor, known, before, Role(row.role), why)
        transaction.on_commit(_tell)
    return known or row


def _standing(row: ZoneManager) -> ZoneManager | None:
    """The role that this person has there already, held for this transaction."""
    of_them = ZoneManager.objects.select_for_update().filter(user=row.user)
    if row.app is None:
        return of_them.filter(zone_id=row.zone_id).first()
    # Some databases take Shop for shop, and then neither is found for the other, nor are both given on any of them.
    known = of_them.filter(app__iexact=row.app).first()
    if known is not None and known.app != row.app:
        raise ValidationError({"app": _TAKEN})
    return known


def manager_remove(
    *,
    actor: User | None,
    manager_id: int,
    why: str = "",
    leaves_an_owner: bool = False,
    seen: Seen | None = None,
) -> bool:
    """Take a role away; True if it was there. LastOwner as `manager_set`, RoleChanged if another was `seen`."""
    with transaction.atomic():
        zone_id = ZoneManager.objects.filter(pk=manager_id).values_list("zone_id", flat=True).first()
        owners = _owners_of(zone_id) if leaves_an_owner else []
        row = ZoneManager.objects.select_for_update().filter(pk=manager_id).first()
        if row is None:
            return False
        if seen is not None and seen.role != row.role:
            raise RoleChanged
        _leave_one(owners, row)
        before = Role(row.role)
        row.delete()
        _note(actor, row, before, None, why)
        transaction.on_commit(_tell)
    return True


def _owners_of(zone_id: str | None) -> list[ZoneManager]:
    """Whose zone it is by a role, of those who can sign in; held for this transaction: of two who leave, one stays.

    Asked for before any single role is held: then nobody waits for each other.
    """
    zone = Zone.objects.filter(pk=zone_id).only("app").first() if zone_id else None
    if zone is None:
        return []
    found = ZoneManager.objects.select_for_update().filter(Q(zone=zone) | Q(app=zone.app, app__gt=""), role=Role.OWNER)
    owners = [one for one in found.order_by("pk") if one.app in (None, zone.app)]
    people = [one.user_id for one in owners]
    active = set(User.objects.filter(pk__in=people, is_active=True).values_list("pk", flat=True))
    return [one for one in owners if one.user_id in active]


def _leave_one(owners: list[ZoneManager], row: ZoneManager) -> None:
    if [one.pk for one in owners] == [row.pk]:
        raise LastOwner


def roles_end(*, user: User) -> None:
    """Note that somebody's roles go with their account; call it in the transaction that deletes it."""
    rows = ZoneManager.objects.filter(user=user).order_by("pk")
    for row in rows:
        _note(None, row, Role(row.role), None, _("The account was deleted."))
    if rows:
        roles_changed()


def roles_changed() -> None:
    """Tell open pages that roles have changed in a way that these services did not do, such as with an account.

    Without it they find out within seconds by themselves.
    """
    transaction.on_commit(_tell)


def _note(actor: User | None, row: ZoneManager, before: Role | None, after: Role | None, why: str) -> None:
    version = Zone.objects.filter(pk=row.zone_id).values_list("version", flat=True).first() if row.zone_id else 0
    about: dict[str, Any] = {"user": row.user.get_username(), **({"app": row.app} if row.app else {})}
    change_write(
        actor=actor,
        zone_id=row.zone_id or "",
        version=version or 0,
        action=ChangeAction.ROLE,
        before={**about, "role": before and before.name.lower()},
        after={**about, "role": after and after.name.lower()},
        why=why,
    )


def _tell() -> None:
    try:
        redis.ask_now([board_store.roles_changed()])
    except (RedisError, OSError):
        logger.warning("open pages notice changed roles a few seconds late: Redis is away", exc_info=True)
