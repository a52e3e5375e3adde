"""Every write to the roles of zone managers. Who loses one is seen out of open pages within a second."""

import logging
from typing import Any

from django.db import transaction
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.realtime import redis

from . import board_store
from .audit import change_write
from .models import ChangeAction, Role, Zone, ZoneManager

logger = logging.getLogger(__name__)


def manager_set(
    *,
    actor: User | None,
    user: User,
    role: Role | int,
    zone_id: str | None = None,
    app: str | None = None,
    why: str = "",
) -> ZoneManager:
    """Give somebody this role, instead of the one they have, for a zone or for all zones of an app.

    ValidationError unless exactly one of both is named, the zone is there and the role is one.
    """
    row = ZoneManager(user=user, zone_id=zone_id or None, app=app or None, role=role, created_by=actor)
    row.full_clean(validate_unique=False, validate_constraints=False)
    with transaction.atomic():
        known = ZoneManager.objects.select_for_update().filter(user=user, zone_id=row.zone_id, app=row.app).first()
        if known is not None:
            if known.role == row.role:
                return known
            before, known.role, known.created_by = Role(known.role), row.role, actor
            known.save(update_fields=["role", "created_by"])
            row = known
        else:
            before = None
            row.save(force_insert=True)
        _note(actor, row, before, Role(row.role), why)
        transaction.on_commit(_tell)
    return row


def manager_remove(*, actor: User | None, manager_id: int, why: str = "") -> bool:
    """Take a role away; True if it was there."""
    with transaction.atomic():
        row = ZoneManager.objects.select_for_update().filter(pk=manager_id).first()
        if row is None:
            return False
        before = Role(row.role)
        row.delete()
        _note(actor, row, before, None, why)
        transaction.on_commit(_tell)
    return True


def roles_changed() -> None:
    """Tell open pages that roles have changed in a way that these services did not hear of, such as a deleted account.

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
