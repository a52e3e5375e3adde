"""The words of notices, in the language of the channel that they go to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from .alert_kinds import AlertKind, NoticeKind, Severity, facts_of, kind_words
from .models import AlertEvent, AlertNotice

# In one message; the rest are counted. Services cut long messages.
NOTICES_TOLD = 20
# What chat services take for markup: `<!channel>` in a zone's name would wake everybody.
PLAIN = str.maketrans({"<": "(", ">": ")", "\n": " ", "\r": " "})


@dataclass(frozen=True, slots=True)
class Message:
    """What is handed to a service."""

    title: str
    body: str
    severity: str  # the worst of what it tells; "" when it tells that something is over


def message_of(notices: Sequence[AlertNotice], *, language: str) -> Message:
    """One message that tells all of these (at least one)."""
    with override(language):
        told = [_paragraph(notice) for notice in notices[:NOTICES_TOLD]]
        if (left := len(notices) - len(told)) > 0:
            told.append(ngettext("and %(count)d more", "and %(count)d more", left) % {"count": left})
        severities = [notice.event.severity for notice in notices if notice.kind != NoticeKind.RECOVERY]
        worst = max(severities, key=Severity.values.index, default="")
        if len(notices) == 1:
            title = _headline(notices[0])
        else:
            title = ngettext("%(count)d alert", "%(count)d alerts", len(notices)) % {"count": len(notices)}
        return Message(f"Fullhouse: {title}", "\n\n".join(told), worst)


def test_message(*, language: str) -> Message:
    """What a test sends."""
    with override(language):
        return Message(
            f"Fullhouse: {_('Test notice')}",
            _("This channel works. Alerts will arrive like this."),
            "",
        )


def value_text(kind: str, value: float) -> str:
    """A figure with its unit, in the active language."""
    unit = facts_of(kind).unit
    if unit == "seconds":
        return _duration(round(value))
    if unit == "percent":
        return f"{value:.0f}%"
    if unit == "errors":
        return number_format(value, decimal_pos=0 if value == int(value) else 1, force_grouping=True)
    return number_format(round(value), force_grouping=True)


def _duration(seconds: int) -> str:
    if seconds >= 86_400:
        return _("a day or more")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}
    return _("%(seconds)d s") % {"seconds": seconds}


def _moment(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def _place(event: AlertEvent) -> str:
    return event.shown_place.translate(PLAIN)


def _page(event: AlertEvent) -> str:
    """Where something can be done about it: the zone's own page, else the alert's."""
    if facts_of(event.kind).is_of_zones:
        return reverse("manage:zone", args=[event.subject])
    return reverse("admin:operations_alertevent_change", args=[event.pk])


def _headline(notice: AlertNotice) -> str:
    event = notice.event
    what = kind_words(event.kind)
    place = _place(event)
    about = f"{what}: {place}" if place else what
    if notice.kind == NoticeKind.RECOVERY:
        return _("over: %(about)s") % {"about": about}
    if notice.kind == NoticeKind.REMINDER:
        return _("still: %(about)s") % {"about": about}
    return f"[{Severity(event.severity).label}] {about}"


def _gone(event: AlertEvent) -> str:
    if event.kind == AlertKind.SILENT:
        return _("It is off the register, so nobody waits to hear of it any more (%(figure)s: %(worst)s at worst)")
    return _("It is not there any more (%(figure)s: %(worst)s at worst)")


def _paragraph(notice: AlertNotice) -> str:
    event, facts = notice.event, facts_of(notice.event.kind)
    figures = {
        "figure": facts.figure,
        "value": value_text(event.kind, notice.value),
        "limit": value_text(event.kind, event.limit),
        "worst": value_text(event.kind, event.worst_value),
    }
    lines = [_headline(notice), _("Since %(moment)s") % {"moment": _moment(event.opened_at)}]
    if notice.kind == NoticeKind.RECOVERY and event.closed_at is not None:
        until = {"since": _moment(event.opened_at), "until": _moment(event.closed_at)}
        lines[1] = _("From %(since)s to %(until)s") % until
    if notice.kind == NoticeKind.RECOVERY and event.is_gone:
        lines.append(_gone(event) % figures)
    else:
        lines.append(_("%(figure)s: %(value)s (limit %(limit)s, worst %(worst)s)") % figures)
    lines.append(_("Rule: %(rule)s") % {"rule": event.rule_name.translate(PLAIN)})
    if settings.SITE_ADDRESS:
        lines.append(settings.SITE_ADDRESS + _page(event))
    return "\n".join(lines)
