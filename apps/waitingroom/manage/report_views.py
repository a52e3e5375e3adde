"""The report page and its file: what happened at a zone in a span of time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts import throttle

from .. import report_events, reports
from ..managers import zone_for
from .forms import MOMENT
from .report_chart import charts_of
from .settings_forms import SpanForm
from .views import person

OPENINGS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked about: an opening's event, or else a span."""

    start: datetime
    end: datetime
    opening: report_events.Opening | None = None
    form: SpanForm | None = None  # what was typed

    @property
    def problems(self) -> str:
        """What is wrong with what was typed."""
        errors = self.form.errors if self.form else {}
        return " ".join(str(error) for found in errors.values() for error in found)


def _asked(request: HttpRequest, openings: list[report_events.Opening], now: datetime) -> Asked | None:
    """What is asked about: a span that was typed, a chosen event, the last one, or the hour until now.

    None if there is no such event. Of a span that cannot be the last event is told.
    """
    form = None
    if "start" in request.GET or "end" in request.GET:
        form = SpanForm(request.GET)
        if form.is_valid():
            start, end = (reports.whole(form.cleaned_data[name]) for name in ("start", "end"))
            return Asked(start, end, form=form)
    elif chosen := request.GET.get("event"):
        openings = [one for one in openings if _name_of(one) == chosen]
        if not openings:
            return None
    if openings:
        opening = openings[0]
        return Asked(opening.start, opening.opens_at, opening, form)
    end = timezone.localtime(reports.whole(now)) + reports.MINUTE
    return Asked(end - timedelta(hours=1), end, form=form)


def _name_of(opening: report_events.Opening) -> str:
    """The event as addresses have it."""
    return str(int(opening.opens_at.timestamp()))


def _made(zone_id: str, asked: Asked, now: datetime) -> tuple[reports.Report, report_events.Event | None]:
    """The report, its times in the time zone of this site."""
    if asked.opening is not None:
        opening = replace(asked.opening, start=timezone.localtime(asked.opening.start))
        event, made = report_events.event_report(zone_id=zone_id, opening=opening, now=now)
        return replace(made, end=timezone.localtime(made.end)), event
    start, end = timezone.localtime(asked.start), timezone.localtime(asked.end)
    return reports.report(zone_id=zone_id, start=start, end=end, now=now), None


def _seldom(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[[HttpRequest, str], HttpResponse]:
    """A view that one person may ask for so many times in some minutes; 429 beyond. See throttle.LIMITS."""

    @wraps(view)
    def answering(request: HttpRequest, zone_id: str) -> HttpResponse:
        wait = throttle.attempt_record(action="report", address=f"user {person(request).pk}", name="")
        if not wait:
            return view(request, zone_id)
        response = render(request, "429.html", {"retry_after": wait}, status=429)
        response["Retry-After"] = str(wait)
        return response

    return answering


@never_cache
@login_required
@require_safe
@_seldom
def report(request: HttpRequest, zone_id: str) -> HttpResponse:
    """What happened in a span of time, on a page that prints well."""
    found, _role = zone_for(person(request), zone_id)
    now = timezone.now()
    openings = report_events.openings_of(zone_id=found.pk, now=now)
    asked = _asked(request, openings, now)
    context = {
        "zone": found,
        "openings": openings[:OPENINGS_SHOWN],
        "made_at": now,
        "site_zone": timezone.get_current_timezone_name(),
        "no_event": no_event(),
    }
    if asked is None:
        return render(request, "manage/report.html", {**context, "form": SpanForm()}, status=404)
    made, event = _made(found.pk, asked, now)
    address = reverse("manage:report-file", args=[found.pk])
    span = {"start": made.start.strftime(MOMENT), "end": made.end.strftime(MOMENT)}
    context |= {
        "form": asked.form or SpanForm(initial={"start": made.start, "end": made.end}),
        "event": event,
        "opening": asked.opening,
        "report": made,
        "clears": reports.clears_of(zone_id=found.pk, start=made.start, end=made.end),
        "chart": charts_of(made, opens_at=timezone.localtime(event.opens_at) if event else None, until=now),
        "is_running": made.end > now,
        "is_unread": any(one.why == "unread" for one in made.unknown),
        "file_address": f"{address}?{urlencode({'event': _name_of(asked.opening)} if asked.opening else span)}",
    }
    return render(request, "manage/report.html", context, status=400 if asked.problems else 200)


@never_cache
@login_required
@require_safe
@_seldom
def report_file(request: HttpRequest, zone_id: str) -> HttpResponse:
    """The minutes of a report as CSV, for ?start and ?end or an event as the page takes them.

    If some of them cannot be told the name of the file says so; see `reports.report_csv` for what stands there.
    """
    found, _role = zone_for(person(request), zone_id)
    now = timezone.now()
    asked = _asked(request, report_events.openings_of(zone_id=found.pk, now=now), now)
    if asked is None or asked.problems:
        text = no_event() if asked is None else asked.problems
        return HttpResponse(text, content_type="text/plain; charset=utf-8", status=404 if asked is None else 400)
    made, _event = _made(found.pk, asked, now)
    name = f"{found.pk}-{made.start.astimezone(UTC):%Y%m%dT%H%MZ}{'-incomplete' if made.unknown else ''}.csv"
    response = HttpResponse(reports.report_csv(made), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def no_event() -> str:
    """That an address names an event that is none, or none any more."""
    return _("There is no such event here: its minutes are no longer kept, or none opened then.")
