"""The report page and its file: what happened at a zone in a span of time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts import throttle

from .. import reports
from ..managers import zone_for
from .forms import MOMENT
from .report_chart import charts_of
from .settings_forms import SpanForm
from .views import person


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked about."""

    start: datetime
    end: datetime
    event: reports.Event | None = None


def _asked(
    request: HttpRequest, zone_id: str, openings: list[reports.Opening], now: datetime
) -> tuple[Asked, SpanForm]:
    """The span that is asked for: typed, of a chosen event, of the last one, or the hour until now."""
    if "start" in request.GET or "end" in request.GET:
        form = SpanForm(request.GET)
        if form.is_valid():
            start, end = (
                moment.replace(second=0, microsecond=0)
                for moment in (form.cleaned_data[name] for name in ("start", "end"))
            )
            return Asked(start, end), form
        return _of_event(zone_id, openings, now), form
    chosen = [one for one in openings if str(int(one.opens_at.timestamp())) == request.GET.get("event", "")]
    asked = _of_event(zone_id, chosen or openings, now)
    return asked, SpanForm(initial={"start": asked.start, "end": asked.end})


def _of_event(zone_id: str, openings: list[reports.Opening], now: datetime) -> Asked:
    if openings:
        event = reports.event_of(zone_id=zone_id, opening=openings[0], now=now)
        return Asked(event.start, event.end, event)
    end = timezone.localtime(now).replace(second=0, microsecond=0) + reports.MINUTE
    return Asked(end - timedelta(hours=1), end)


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
    openings = reports.openings_of(zone_id=found.pk, now=now)
    asked, form = _asked(request, found.pk, openings, now)
    start, end = timezone.localtime(asked.start), timezone.localtime(asked.end)
    made = reports.report(zone_id=found.pk, start=start, end=end, now=now)
    span = urlencode({"start": start.strftime(MOMENT), "end": end.strftime(MOMENT)})
    context = {
        "zone": found,
        "form": form,
        "openings": openings,
        "event": asked.event,
        "report": made,
        "chart": charts_of(made, opens_at=timezone.localtime(asked.event.opens_at) if asked.event else None, until=now),
        "is_running": end > now,
        "made_at": now,
        "site_zone": timezone.get_current_timezone_name(),
        "file_address": f"{reverse('manage:report-file', args=[found.pk])}?{span}",
    }
    return render(request, "manage/report.html", context, status=400 if form.is_bound and form.errors else 200)


@never_cache
@login_required
@require_safe
@_seldom
def report_file(request: HttpRequest, zone_id: str) -> HttpResponse:
    """The minutes of a report as CSV, for ?start and ?end or an event as the page takes them."""
    found, _role = zone_for(person(request), zone_id)
    now = timezone.now()
    asked, form = _asked(request, found.pk, reports.openings_of(zone_id=found.pk, now=now), now)
    if form.is_bound and form.errors:
        text = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return HttpResponse(text, content_type="text/plain; charset=utf-8", status=400)
    made = reports.report(zone_id=found.pk, start=asked.start, end=asked.end, now=now)
    name = f"{found.pk}-{asked.start.astimezone(UTC):%Y%m%dT%H%MZ}.csv"
    response = HttpResponse(reports.report_csv(made), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
