"""The page of one zone, as it stands or with a form on it that was refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import User

from .. import reports
from ..changes import change_of, changes_page, mode_change_of
from ..events import Closing
from ..managers import Action, Role, may, may_give_roles, undoable
from ..models import Zone, ZoneMode
from ..outcomes import WAITING
from ..outlook import FREE
from ..rules import MAX_PER_MINUTE, Mode
from ..services import Conflict
from ..templatetags.manage import figure, seconds, time_near
from . import selectors
from .closing import closing_words
from .display import (
    health_words,
    is_over,
    message_words,
    mode_since,
    mode_since_words,
    none,
    opened,
    opening_words,
    opens,
    percent_of,
    words_for_scripts,
)
from .forms import BlockForm, ClearForm, MessageForm, ModeForm, OneModeForm, RateForm, ScheduleForm, VersionedForm
from .report_chart import Charts, charts_of
from .selectors import Preview
from .wall import ChangeTold, ZoneDetail
from .zone_sight import HISTORY_MINUTES

CHANGES_SHOWN = 8

# The forms of a zone's page, and what somebody must be allowed to do for each.
FORMS: Mapping[str, tuple[type[VersionedForm], Action]] = {
    "rate": (RateForm, Action.RATE),
    "mode": (ModeForm, Action.MODE),
    "block": (BlockForm, Action.MODE),
    "bypass": (OneModeForm, Action.MODE),
    "observe": (OneModeForm, Action.MODE),
    "message": (MessageForm, Action.MESSAGE),
    "schedule": (ScheduleForm, Action.SCHEDULE),
    "clear": (ClearForm, Action.CLEAR),
}
# Modes that one click sets; the others ask first.
CALM_MODES = (ZoneMode.OPEN, ZoneMode.QUEUE_ALL, ZoneMode.PAUSED)


class Tried(NamedTuple):
    """What was pressed in a list and not done: which one, and the reason that was typed beside it."""

    number: int
    why: str


def zone_page(
    request: HttpRequest,
    found: Zone,
    role: Role,
    *,
    bound: VersionedForm | None = None,
    conflict: Conflict | None = None,
    closing: Closing | None = None,
    tried: Tried | None = None,
    asked: str = "",
    status: int = 200,
) -> HttpResponse:
    """The zone's page; `bound` is a form that was refused, `conflict` or `closing` why.

    `tried`: a change that was not undone. `asked`: an N to look ahead at.
    """
    try:
        detail = selectors.zone_now(found.pk)
        is_away = detail.row.waiting is None
        ahead = selectors.preview(found.pk, found.per_minute, is_away=is_away)
    except Zone.DoesNotExist as error:  # it went since it was found
        raise Http404("the zone is gone") from error
    forms: dict[str, VersionedForm] = {
        name: form.of(found, name) for name, (form, action) in FORMS.items() if may(role, action)
    }
    if bound is not None:
        forms[bound.part] = bound
    per_minute = found.per_minute
    if isinstance(bound, RateForm) and bound.is_valid():
        per_minute = bound.cleaned_data["per_minute"]
    elif "rate" in forms and asked:
        typed = RateForm({"per_minute": asked, "version": found.version}, part="rate")
        if typed.is_valid():
            per_minute = typed.cleaned_data["per_minute"]
            forms["rate"] = RateForm(part="rate", initial={"per_minute": per_minute, "version": found.version})
        else:
            forms["rate"] = typed
    looked = ahead if per_minute == found.per_minute else selectors.preview(found.pk, per_minute, is_away=is_away)
    latest, last_id = changes_page(found.pk, CHANGES_SHOWN)
    if tried is not None and all(change.pk != tried.number for change in latest):
        latest += [older for older in [change_of(found.pk, tried.number)] if older]
    mode_set = mode_change_of(found.pk)
    context = {
        "zone": found,
        "detail": detail,
        "row": detail.row,
        "health_words": health_words(detail.row),
        "mode_since": mode_since_words(found.mode, mode_set, time_near(mode_set.at if mode_set else None)),
        "percent": percent_of(detail.row),
        "is_over": is_over(detail.row),
        "role": role,
        "forms": forms,
        "opened": bound.part if bound is not None else "",
        "conflict": conflict,
        "calm_modes": CALM_MODES,
        "can_edit": may(role, Action.EDIT),
        "can_manage": may_give_roles(cast(User, request.user), found, role),
        "can_act": may(role, Action.MODE),
        "changes": latest,
        "undoable": undoable(cast(User, request.user), found, role, latest),
        "last_id": last_id,
        "closes": closing_words(closing.schedule) if closing and bound else "",
        "tried": tried,
        "preview": preview_words(looked),
        "clears_at": ahead.clears_at if ahead.waiting and ahead.mode not in FREE else None,
        "loses": clear_words(ahead.waiting),
        "message_now": message_words(found.message, found.message_ko),
        "opening_now": opening_words(found.opens_at),
        "would_wait": _would_wait(detail),
        "chart": _course(detail),
        "wait_address": request.build_absolute_uri(f"/wait/{found.pk}/?next=/"),
        "script_address": request.build_absolute_uri("/static/js/gate.js"),
        "site_zone": timezone.get_current_timezone_name(),
        "script": {**_script(found, detail), "role": role},
    }
    return render(request, "manage/zone.html", context, status=status)


def _script(found: Zone, detail: ZoneDetail) -> dict[str, Any]:
    """What the page's script starts from."""
    return {
        **words_for_scripts(),
        "zone": found.pk,
        "version": found.version,
        "at": detail.at_ms,
        "perMinute": found.per_minute,
        "mostPerMinute": MAX_PER_MINUTE,
        "newest": _newest(detail.past.changes),
        "newer": _("There are newer changes"),
        "sockets": _("{n} sockets"),
        "changed": _("The zone was changed at {time}. Figures and forms here follow."),
        "changedBy": _("{name} changed the zone at {time}. Figures and forms here follow."),
        "copied": _("Copied"),
        "modeSince": mode_since(),
        "system": _("the system"),
        "loses": clear_texts(),
        "none": none(),
        "opened": opened(),
        "opens": opens(),
        "historyMinutes": HISTORY_MINUTES,
        "history": [[one.minute, one.waiting, one.entries, one.peak] for one in detail.past.history],
        "rates": detail.past.rates,
        "previewUrl": reverse("manage:preview", args=[found.pk]),
        "changesUrl": reverse("manage:changes", args=[found.pk]),
    }


def _newest(changes: Sequence[ChangeTold]) -> str:
    """What tells the script that the list of changes is another one; it makes the same text of what the socket says."""
    undone = ",".join("" if one.undone_by is None else str(one.undone_by) for one in changes)
    return f"{changes[0].id}:{undone}" if changes else ""


def _would_wait(detail: ZoneDetail) -> int | None:
    """How many would have waited in the last half hour but for mode observe; None if some of it cannot be read now."""
    history = detail.past.history
    return sum(one.would_wait for one in history) if len(history) == HISTORY_MINUTES else None


def _course(detail: ZoneDetail) -> Charts | None:
    """What the page shows of the last half hour without a script; as far as it is known, None if not at all."""
    history, here = detail.past.history, timezone.get_current_timezone()
    if not history:
        return None
    minutes = [
        reports.Minute(
            minute=datetime.fromtimestamp(one.minute, tz=here),
            **{name: getattr(one, name) for name in (*reports.COLUMNS, "peak")},
        )
        for one in history
    ]
    end = datetime.fromtimestamp(detail.at_ms // 60_000 * 60, tz=here) + reports.MINUTE
    found = reports.report_make(start=end - HISTORY_MINUTES * reports.MINUTE, end=end, told=reports.Told(minutes))
    return charts_of(found, until=min(timezone.now(), minutes[-1].minute + reports.MINUTE))


def clear_texts() -> dict[str, str]:
    """What becomes of those who wait if their line is cleared, by how many {n} they are; scripts fill it in, too."""

    def of(count: int) -> str:
        return ngettext(
            "{n} person loses their place. This cannot be undone.",
            "{n} people lose their places. This cannot be undone.",
            count,
        )

    return {
        "one": of(1),
        "many": of(2),
        "unknown": _("Whoever waits loses their place; how many they are cannot be read now. This cannot be undone."),
    }


def clear_words(waiting: int | None) -> str:
    """What becomes of so many who wait if their line is cleared."""
    kind = "unknown" if waiting is None else "one" if waiting == 1 else "many"
    return clear_texts()[kind].format(n=figure(waiting))


def preview_words(found: Preview) -> str:
    """What would become of the line at another N, in a sentence."""
    told = {"n": figure(found.per_minute), "line": figure(found.waiting)}
    if found.mode in FREE:
        return _("Everybody enters at once, whatever N is.")
    if found.waiting is None:
        return _("The line cannot be read now.")
    if not found.waiting and found.state != WAITING:
        return _("Nobody waits, and nobody enters for now. Later %(n)s a minute do.") % told
    if not found.waiting and found.mode is Mode.QUEUE_ALL:
        return _("Nobody waits: who comes gets in line, and %(n)s a minute enter.") % told
    if not found.waiting:
        return _("Nobody waits: at %(n)s a minute, people enter at once until the minute is full.") % told
    if found.clears_at is None or found.seconds is None:
        return _("At %(n)s a minute the line of %(line)s does not move.") % told
    told |= {"time": time_near(found.clears_at), "wait": seconds(found.seconds)}
    return _("At %(n)s a minute the line of %(line)s clears at %(time)s, in %(wait)s.") % told
