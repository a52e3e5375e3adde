"""What can be alerted of: the kinds of rules, what each measures, and what is usual for it."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class AlertKind(models.TextChoices):
    """What a rule watches. The first four watch zones, the others the whole house."""

    LINE = "line", _("A line forms")
    STILL = "still", _("The front stands still while the line grows")
    WAIT = "wait", _("The wait is long")
    UNDERUSED = "underused", _("Entries stay unused while a line stands")
    ERRORS = "errors", _("Errors")
    DRIFT = "drift", _("Viewer counts drift from what servers hold")
    LATE = "late", _("The five-minute snapshot is late")
    SILENT = "silent", _("A server has stopped reporting")
    JOB = "job", _("A periodic job is late or fails")
    UNREAD = "unread", _("What alerts look at cannot be read")


class Severity(models.TextChoices):
    """How bad it is; it is told, and chooses the colour where a channel has colours."""

    INFO = "info", _("information")
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")


class NoticeKind(models.TextChoices):
    """What a notice tells; the values are those of `alerts.Notice`."""

    TROUBLE = "trouble", _("trouble")
    REMINDER = "reminder", _("still so")
    RECOVERY = "recovery", _("over")


class NoticeState(models.TextChoices):
    """What became of a notice."""

    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    GIVEN_UP = "given-up", _("given up")


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What a kind measures. `recovery` is the share of the limit at which trouble is over."""

    figure: Any  # what the number is, for people
    unit: str  # people | seconds | percent | errors | sessions; "" for a plain number
    limit: float  # when the rule says none
    hold_s: int  # the same
    recovery: float = 0.8
    is_of_zones: bool = False


KINDS: dict[str, KindFacts] = {
    AlertKind.LINE: KindFacts(_("people in line"), "people", 0, 30, is_of_zones=True),
    AlertKind.STILL: KindFacts(_("the front has stood still for"), "seconds", 120, 0, is_of_zones=True),
    AlertKind.WAIT: KindFacts(_("who joins now waits"), "seconds", 600, 60, is_of_zones=True),
    AlertKind.UNDERUSED: KindFacts(_("unused of the entries a minute"), "percent", 50, 120, is_of_zones=True),
    AlertKind.ERRORS: KindFacts(_("errors in the last minute"), "errors", 10, 60),
    AlertKind.DRIFT: KindFacts(_("sessions counted too many or too few"), "sessions", 50, 120),
    AlertKind.LATE: KindFacts(_("age of the last snapshot"), "seconds", 420, 0),
    # After Redis was away all are, until they have reported again, which takes three seconds.
    AlertKind.SILENT: KindFacts(_("last heard of before"), "seconds", 30, 15),
    AlertKind.JOB: KindFacts(_("late or failing for"), "seconds", 60, 0),
    AlertKind.UNREAD: KindFacts(_("could not be read for"), "seconds", 60, 0),
}


def facts_of(kind: str) -> KindFacts:
    """What a kind measures; of one that another release knows, a plain number."""
    return KINDS.get(kind) or KindFacts(kind, "", 0, 0)


def kind_words(kind: str) -> str:
    """The kind, for people; as it is written if another release knows it."""
    return str(AlertKind(kind).label) if kind in KINDS else kind
