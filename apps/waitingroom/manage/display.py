"""What the managers' pages say in words: modes, health, and what a change changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from apps.accounts.models import User

from ..audit import TOLD_OF_A_CONFLICT
from ..manager_models import ChangeAction, Role, ZoneChange
from ..models import FailMode, Zone, ZoneMode
from .wall import WallRow

UNKNOWN = "—"
# Less than a day: no time of day comes twice.
NEAR = timedelta(hours=20)

HEALTH: Mapping[str, Any] = {
    "lost": gettext_lazy("Redis lost the line; gates are putting it back"),
    "unread": gettext_lazy("The line cannot be read now"),
    "stale": gettext_lazy("No gate keeps up with the line"),
    "behind": gettext_lazy("Gates still go by older settings"),
    "still": gettext_lazy("The front stands still while the line grows"),
    "zero": gettext_lazy("Stands still: N is 0"),
    "underused": gettext_lazy("Few of those called come in"),
}
# A zone that is well, by what those who come are told.
STATES: Mapping[str, Any] = {
    "paused": gettext_lazy("Stands still: paused"),
    "blocked": gettext_lazy("Closed: nobody gets in line"),
    "before": gettext_lazy("Not open yet: opens {time}"),
    "prequeue": gettext_lazy("Gathering for the draw: opens {time}"),
}
MOVES = gettext_lazy("The line moves")
EMPTY = gettext_lazy("Nobody waits")
FREE = gettext_lazy("Everybody enters at once")

# Modes that the page asks about before it sets them.
DANGEROUS_MODES = frozenset({ZoneMode.BLOCKED, ZoneMode.BYPASS, ZoneMode.OBSERVE})


def mode_name(mode: str) -> str:
    """The name of a mode without its explanation; one that only a newer release knows is called what it is."""
    if mode not in ZoneMode.values:
        return mode
    return str(ZoneMode(mode).label).partition(":")[0]


def mode_names() -> dict[str, str]:
    """The names of all modes."""
    return {mode: mode_name(mode) for mode in ZoneMode.values}


def mode_words(mode: str) -> str:
    """What a mode does; of one that only a newer release knows, its name."""
    if mode not in ZoneMode.values:
        return mode
    return capfirst(str(ZoneMode(mode).label).partition(": ")[2])


def name_words(user: User) -> str:
    """Somebody's name as pages show it; behind it the one to sign in with, which nobody else can take."""
    shown, own = user.shown_name, user.get_username()
    return shown if shown == own else f"{shown} ({own})"


def who_named(change: ZoneChange) -> str:
    """Who did it; empty for the system. Whose account is gone is called what they were then."""
    return name_words(change.who) if change.who else change.who_name


def who_words(change: ZoneChange) -> str:
    """Who did it, in a word."""
    return who_named(change) or _("the system")


def mode_since() -> str:
    """A text about {mode}, {time} and {who}; scripts fill it in, too."""
    return _("{mode} since {time}, set by {who}")


def mode_since_words(mode: str, change: ZoneChange | None, time: str) -> str:
    """Since when a zone has its mode, who set it and why; empty if nobody noted it."""
    if change is None:
        return ""
    told = mode_since().format(mode=mode_name(mode), time=time, who=who_words(change))
    return f"{told}: “{change.why}”" if change.why else told


def none() -> str:
    """That there is no message, or no opening."""
    return _("none")


def message_words(message: str, message_ko: str) -> str:
    """What those who wait are told, in the language of who reads it here if there is one in it."""
    is_korean = (get_language() or "").startswith("ko")
    return (message_ko or message if is_korean else message or message_ko) or none()


def opens() -> str:
    """A text about {time}; scripts fill it in, too."""
    return _("opens {time}")


def opened() -> str:
    """The same about an opening that was."""
    return _("opened {time}")


def opening_words(opens_at: datetime | None) -> str:
    """When doors open, or opened."""
    if opens_at is None:
        return none()
    return (opens() if opens_at > timezone.now() else opened()).format(time=value_words("opens_at", opens_at))


def time_words(value: datetime) -> str:
    """A moment: the time of day, with the day if it is not near."""
    is_near = abs(value - timezone.now()) < NEAR
    return date_format(timezone.localtime(value), "H:i" if is_near else "Y-m-d H:i")


def health_words(row: WallRow) -> str:
    """How a zone is, in a few words. static/js/manage-words.js says the same of what comes later."""
    if row.health != "ok":
        return str(HEALTH[row.health])
    if row.mode in (ZoneMode.BYPASS, ZoneMode.OBSERVE):
        return str(FREE)
    words = str(STATES.get(row.state) or (MOVES if row.waiting else EMPTY))
    if row.opens_at_ms is None:
        return words
    return words.format(time=time_words(datetime.fromtimestamp(row.opens_at_ms / 1000, tz=UTC)))


def words_for_scripts() -> dict[str, Any]:
    """The same words for scripts."""
    return {
        "modes": mode_names(),
        "health": {name: str(text) for name, text in HEALTH.items()},
        "states": {name: str(text) for name, text in STATES.items()},
        "moves": str(MOVES),
        "empty": str(EMPTY),
        "free": str(FREE),
        "timeZone": timezone.get_current_timezone_name(),
    }


def role_name(role: Role) -> str:
    """The name of a role without its explanation."""
    return str(role.label).partition(":")[0]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a change changed, in words."""

    label: str
    before: str
    after: str


def change_title(change: ZoneChange) -> str:
    """What was done, in a word or two."""
    return str(ChangeAction(change.action).label)


def differences(change: ZoneChange) -> Iterator[Difference]:
    """What a change changed, field by field; nothing for a zone that was made or deleted."""
    if change.action in (ChangeAction.CREATED, ChangeAction.DELETED):
        return
    if change.action == ChangeAction.CLEARED:
        yield Difference(_("waiting"), value_words("waiting", change.before.get("waiting")), "0")
        return
    if change.action == ChangeAction.ROLE:
        was, now = (value_words("role", told.get("role")) for told in (change.before, change.after))
        yield Difference(str(change.before.get("user", "")), was, now)
        return
    for name in dict.fromkeys([*change.before, *change.after]):
        was, now = (value_words(name, told.get(name)) for told in (change.before, change.after))
        yield Difference(field_label(name), was, now)


def change_line(change: ZoneChange) -> str:
    """A change in one line, where no list of it can be drawn."""
    what = "; ".join(f"{one.label} {one.before} → {one.after}" for one in differences(change))
    time = date_format(timezone.localtime(change.at), "Y-m-d H:i:s")
    told = f"{time}, {who_words(change)}: {what or change_title(change)}"
    return f"{told}. “{change.why}”." if change.why else f"{told}."


def conflict_words(changes: Sequence[ZoneChange], user: User) -> str:
    """Why something was not saved: somebody, or oneself in another window, changed the zone before."""
    is_own = 0 < len(changes) < TOLD_OF_A_CONFLICT and all(change.who_id == user.pk for change in changes)
    if is_own:
        return _("You changed this zone yourself meanwhile. What you sent now was not saved.")
    return _("Somebody else changed this zone first. Nothing of yours was saved.")


def field_label(name: str) -> str:
    """A zone's field as people call it; what is none any more keeps its name."""
    return str(_FIELDS.get(name, name))


_FIELDS = {field.name: field.verbose_name for field in Zone._meta.fields}


def value_words(name: str, value: Any) -> str:
    """A field's value, as `ZoneChange.before` holds it or as the field itself does, for people."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name == "mode" and value in ZoneMode.values:
        return mode_name(value)
    if name == "fail_mode" and value in FailMode.values:
        return str(FailMode(value).label).partition(":")[0]
    if name == "role":
        return role_name(Role[value.upper()])
    if name in ("opens_at", "prequeue_from"):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return date_format(timezone.localtime(moment), "Y-m-d H:i")
    return f"{value:,}" if isinstance(value, int) else str(value)


def is_over(row: WallRow) -> bool:
    """Whether more than N entered in the last minute."""
    return row.entering_per_minute is not None and row.entering_per_minute > row.per_minute


def percent_of(row: WallRow) -> int:
    """How much of N entered in the last minute, 0 to 100."""
    if row.entering_per_minute is None:
        return 0
    if not row.per_minute:
        return 100 if row.entering_per_minute else 0
    return min(100, round(100 * row.entering_per_minute / row.per_minute))
