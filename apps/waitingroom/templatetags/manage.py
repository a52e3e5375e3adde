"""How the managers' pages show figures and changes."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format

from apps.accounts.models import User
from apps.waitingroom.changes import undo_closing, undone_of
from apps.waitingroom.manage import display
from apps.waitingroom.manage.closing import closing_words
from apps.waitingroom.manager_models import Role, ZoneChange
from apps.waitingroom.models import Zone

register = template.Library()


@register.filter
def figure(value: int | None) -> str:
    """12345 -> "12,345"; what is not known shows as a dash."""
    return f"{value:,}" if isinstance(value, int) else display.UNKNOWN


@register.filter
def seconds(value: int | None) -> str:
    """Seconds as h:mm:ss, or m:ss under an hour; what is not known shows as a dash."""
    if not isinstance(value, int):
        return display.UNKNOWN
    minutes, rest = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def moment(value: datetime | int | None, form: str = "Y-m-d H:i") -> str:
    """A moment, or epoch ms, in the time zone of this site."""
    if value is None:
        return display.UNKNOWN
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, tz=timezone.get_current_timezone())
    return date_format(timezone.localtime(value), form)


@register.filter
def time_near(value: datetime | None) -> str:
    """A moment: the time of day, with the day if it is not near."""
    return display.UNKNOWN if value is None else display.time_words(value)


@register.filter
def asks_first(change: ZoneChange) -> bool:
    """Whether undoing it would set a mode again that no single click sets."""
    return change.before.get("mode") in display.DANGEROUS_MODES


@register.filter
def closes(change: ZoneChange, zone: Zone) -> str:
    """What undoing it would close, in words; empty if nothing."""
    schedule = undo_closing(change, zone, timezone.now())
    return closing_words(schedule) if schedule else ""


@register.filter
def mode_name(value: str) -> str:
    """The name of a mode."""
    return display.mode_name(value)


@register.filter
def mode_words(value: str) -> str:
    """What a mode does."""
    return display.mode_words(value)


@register.filter
def role_name(value: int) -> str:
    """The name of a role."""
    return display.role_name(Role(value))


@register.filter
def who_words(value: ZoneChange) -> str:
    """Who did it."""
    return display.who_words(value)


@register.filter
def conflict_words(value: Sequence[ZoneChange], user: User) -> str:
    """Why something was not saved."""
    return display.conflict_words(value, user)


@register.filter
def differences(value: ZoneChange) -> Iterator[display.Difference]:
    """What a change changed."""
    return display.differences(value)


@register.filter
def change_title(value: ZoneChange) -> str:
    """What was done."""
    return display.change_title(value)


@register.filter
def not_in_force(changes: list[ZoneChange]) -> set[int]:
    """Those of these changes that are undone, and were not redone."""
    return undone_of(changes)
