"""The notes of what was done to zones: written in the transaction of each change, and never changed again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.accounts.models import User

from .manager_models import MAX_WHY, ChangeAction, ZoneChange

# As many of a zone's notes as are looked through for some that are rare: pages do not wait for all that ever was.
LOOKED_THROUGH = 2_000
# As many as somebody who saw an older version is told of.
TOLD_OF_A_CONFLICT = 10


def change_write(
    *,
    actor: User | None,
    zone_id: str,
    version: int,
    action: ChangeAction,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    why: str = "",
) -> ZoneChange:
    """Note a change; call it inside the transaction that makes it. Values become JSON: moments in ISO 8601, UTC."""
    return ZoneChange.objects.create(
        zone_id=zone_id,
        version=version,
        who=actor,
        who_name="" if actor is None else actor.get_username(),
        action=action,
        before={name: as_json(value) for name, value in before.items()},
        after={name: as_json(value) for name, value in after.items()},
        why=why.strip()[:MAX_WHY],
    )


def as_json(value: Any) -> Any:
    """A field's value as `before` and `after` hold it."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def notes_of(zone_id: str) -> QuerySet[ZoneChange]:
    """What was done to the zone that has this id, newest first; nothing of one that had it before and was deleted.

    Notes outlive their zone, and whoever makes another under its id need not be who ran the first.
    """
    made = ZoneChange.objects.filter(zone_id=zone_id, action=ChangeAction.CREATED).order_by("-pk").values("pk")[:1]
    return ZoneChange.objects.filter(zone_id=zone_id, pk__gte=Coalesce(Subquery(made), 0))


def latest_notes_of(zone_id: str) -> QuerySet[ZoneChange]:
    """The latest LOOKED_THROUGH of `notes_of`, to look for some among them. One query, and that which follows."""
    notes = notes_of(zone_id)
    beyond = list(notes.values_list("pk", flat=True)[LOOKED_THROUGH : LOOKED_THROUGH + 1])
    return notes.filter(pk__gt=beyond[0]) if beyond else notes


def changes_since(zone_id: str, version: int) -> list[ZoneChange]:
    """What happened to a zone after it had this version, newest first, at most TOLD_OF_A_CONFLICT."""
    found = notes_of(zone_id).filter(version__gt=version).select_related("who")
    return list(found[:TOLD_OF_A_CONFLICT])
