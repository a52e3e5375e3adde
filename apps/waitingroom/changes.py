"""What was done to zones, for people to read, and to undo where that makes sense."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from apps.accounts.models import User

from . import services
from .audit import as_json, changes_since, latest_notes_of, notes_of
from .events import Schedule, closing_of
from .manager_models import UNDOABLE
from .models import ChangeAction, Zone, ZoneChange


class NotUndoable(Exception):
    """A line that was cleared, a zone that was made or deleted: nothing brings back what was before."""


class Undone(NamedTuple):
    """The zone after a change was taken back, and the fields that stayed, as somebody had changed them again."""

    zone: Zone
    stayed: list[str]


def changes_of(zone_id: str, limit: int = 20, before_id: int | None = None) -> list[ZoneChange]:
    """The newest changes of a zone, newest first; `before_id` goes on behind that one. One query."""
    found = notes_of(zone_id).select_related("who", "undone_by")
    if before_id is not None:
        found = found.filter(pk__lt=before_id)
    return list(found[:limit])


def changes_page(zone_id: str, limit: int, before_id: int | None = None) -> tuple[list[ZoneChange], int | None]:
    """As `changes_of`, and the id of the last of them if there are older ones. One query."""
    found = changes_of(zone_id, limit + 1, before_id)
    listed = found[:limit]
    return listed, listed[-1].pk if len(found) > limit else None


def change_of(zone_id: str, change_id: int) -> ZoneChange | None:
    """This change of this zone, or of one that had its id before; None if there is none."""
    return ZoneChange.objects.filter(pk=change_id, zone_id=zone_id).first()


def mode_change_of(zone_id: str) -> ZoneChange | None:
    """The change that set the mode which the zone has; None if none of the latest notes tells of it. Two queries."""
    return latest_notes_of(zone_id).filter(after__has_key="mode").select_related("who").first()


def role_change_of(zone_id: str, username: str) -> list[ZoneChange]:
    """The newest change of the role that whoever is called so has for this zone, if there is one."""
    return list(notes_of(zone_id).filter(action=ChangeAction.ROLE, after__user=username).select_related("who")[:1])


def change_undo(
    *, actor: User | None, change_id: int, expected_version: int, why: str = "", may_close: bool = True
) -> Undone:
    """Set those fields back to what they were before this change that are still as it left them.

    What somebody has set since stays, if only to the same value: it is theirs. Conflict, and nothing written, when the
    zone has another version than the caller saw, or none of these fields is left, or it was undone already.
    NotUndoable, ZoneChange.DoesNotExist, Zone.DoesNotExist, and ValidationError when what was before may not be any
    more, such as an opening that has passed. Closing as `zone_change`.
    """
    change = ZoneChange.objects.get(pk=change_id)
    if change.action not in UNDOABLE:
        raise NotUndoable(f"{change.action} cannot be undone")
    if not notes_of(change.zone_id).filter(pk=change.pk).exists():
        raise NotUndoable("it was done to another zone, which had this id before")
    zone = Zone.objects.get(pk=change.zone_id)
    back = _left_of(change, zone)
    if not back or change.undone_by_id is not None:
        raise services.Conflict(zone, changes_since(zone.pk, change.version))
    with transaction.atomic():
        zone, note = services.zone_change(
            actor=actor,
            zone_id=zone.pk,
            expected_version=expected_version,
            changes=back,
            why=why,
            action=ChangeAction.UNDONE,
            may_close=may_close,
        )
        ZoneChange.objects.filter(pk=change.pk).update(undone_by=note)
    return Undone(zone, [name for name in change.before if name not in back])


def undo_closing(change: ZoneChange, zone: Zone, now: datetime) -> Schedule | None:
    """The schedule that undoing this change would bring back, if that closes a zone which is open now."""
    if not change.before.get("opens_at"):
        return None
    before = {name: getattr(zone, name) for name in services.CHANGEABLE}
    return closing_of(before, {**before, **_left_of(change, zone)}, now)


def _left_of(change: ZoneChange, zone: Zone) -> dict[str, Any]:
    """What the fields were before this change that are as it left them."""
    left = {name: was for name, was in change.before.items() if as_json(getattr(zone, name)) == change.after[name]}
    set_since = _set_since(change, left) if left else set()
    return {name: _python(name, was) for name, was in left.items() if name not in set_since}


def _set_since(change: ZoneChange, names: Collection[str]) -> set[str]:
    """Those of these fields that later changes have set; what was taken back again is as if it had not been."""
    later = notes_of(change.zone_id).filter(pk__gt=change.pk, action__in=UNDOABLE).order_by("pk")
    standing: dict[int, set[str]] = {}  # a later change -> what it set that none since took back
    for pk, after, undoes in later.values_list("pk", "after", "undoes").iterator():
        own = set(names).intersection(after)
        taken_back = own & standing.get(undoes, set())
        if taken_back:
            standing[undoes] -= taken_back
        standing[pk] = own - taken_back
    return set().union(*standing.values())


def _python(name: str, value: Any) -> Any:
    """The value of this field that the notes hold as JSON."""
    field: Any = Zone._meta.get_field(name)
    return field.to_python(value)


def undone_of(changes: list[ZoneChange]) -> set[int]:
    """Those of these changes, of one zone, that are undone and were not redone: what undid them was not undone itself.

    One query, if what undid them is not among them.
    """
    listed = {change.pk: change for change in changes}
    undone_by = {pk: change.undone_by_id for pk, change in listed.items() if change.undone_by_id is not None}
    if not listed.keys() >= set(undone_by.values()):
        first = listed[min(undone_by)]
        later = ZoneChange.objects.filter(zone_id=first.zone_id, pk__gt=first.pk, undone_by__isnull=False)
        undone_by |= dict(later.values_list("pk", "undone_by_id"))
    undone: set[int] = set()
    for pk in sorted(undone_by, reverse=True):  # what undoes is younger than what it undoes
        if undone_by[pk] not in undone:
            undone.add(pk)
    return undone & listed.keys()
