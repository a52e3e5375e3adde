"""Events: an opening, and before it perhaps a pre-queue in which places are drawn; which ones a zone may be given.

An opening that lies ahead holds from the moment it is saved: until then nobody enters.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from .models import Zone, ZoneMode

# Nobody enters, or everybody does, whatever the schedule says.
_UNSCHEDULED = frozenset({ZoneMode.BLOCKED, ZoneMode.BYPASS, ZoneMode.OBSERVE})
# Who means now types the minute, and answers a question before it is sent.
NOW_FOR = timedelta(minutes=1)


class Schedule(NamedTuple):
    """When a zone opens, and from when on places are drawn; None: it has no such moment."""

    opens_at: datetime | None
    prequeue_from: datetime | None

    def is_drawing(self, now: datetime) -> bool:
        """Whether the pre-queue runs at this moment."""
        if self.opens_at is None or self.prequeue_from is None:
            return False
        return self.prequeue_from <= now < self.opens_at

    def is_ahead(self, now: datetime) -> bool:
        """Whether there is an opening, and it is yet to come."""
        return self.opens_at is not None and self.opens_at > now


class Closing(Exception):
    """A change would close a zone until its opening, and nobody has said that it may; nothing was written."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(f"closed until {schedule.opens_at}")
        self.schedule = schedule


def closing_of(before: Mapping[str, Any], after: Mapping[str, Any], now: datetime) -> Schedule | None:
    """The new schedule, if it closes a zone that people get into, or in line for; both are fields of the zone."""
    was, new = (Schedule(told["opens_at"], told["prequeue_from"]) for told in (before, after))
    if new.opens_at == was.opens_at or {before["mode"], after["mode"]} & _UNSCHEDULED:
        return None
    return new if new.is_ahead(now) and not was.is_ahead(now) else None


def schedule_check(zone: Zone, before: Schedule | None, *, now: datetime, is_undo: bool = False) -> None:
    """ValidationError, by field, if the zone may not be given its new schedule now.

    An event that lies in the past is refused, wholly or with its pre-queue: nobody was told to come then. A pre-queue
    may begin now. So is one that overlaps a pre-queue that runs: its people have been dealt
    places, so it may open at another time or be called off, but not begin at another time. A schedule that stays as it
    was, or is taken away, is always right; one that an undo brings back may have begun meanwhile.
    """
    passed = _("This moment has passed: choose one that is yet to come.")
    new = Schedule(zone.opens_at, zone.prequeue_from)
    if new == before or new.opens_at is None:
        return
    if new.opens_at <= now:
        if before is None or new.opens_at != before.opens_at:
            raise ValidationError({"opens_at": passed})
        if new.prequeue_from is not None:
            raise ValidationError({"prequeue_from": _("The zone has opened: a pre-queue needs a new opening.")})
    is_drawing = before is not None and before.is_drawing(now)
    if before is not None and is_drawing and new.prequeue_from != before.prequeue_from:
        since = date_format(timezone.localtime(before.prequeue_from), "DATETIME_FORMAT")
        text = _("A pre-queue has been running here since %(since)s. Move its opening, or take the event away first.")
        raise ValidationError({"prequeue_from": text % {"since": since}})
    first = now.replace(second=0, microsecond=0) - NOW_FOR
    if new.prequeue_from is not None and new.prequeue_from < first and not is_drawing and not is_undo:
        raise ValidationError({"prequeue_from": passed})
