"""/api/broadcasters/{slug}/export and /api/streams/{id}/export: the past as a file."""

from typing import Literal, cast

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from ninja import Field, Query, Router
from ninja.errors import HttpError, Throttled

from apps.accounts.models import User
from apps.streams.api import ErrorOut, StreamId
from apps.streams.models import Broadcaster, Stream

from .access import broadcaster_open, stream_open
from .api import THROTTLE, RangeFilter, Slug
from .export_formats import CONTENT_TYPES, CsvFormat, Format, JsonFormat
from .export_selectors import Plan, export_plan
from .exports import Export, ExportsBusy, Place
from .ranges import DayRange
from .stream_selectors import stream_range

router = Router(tags=["statistics"])

TOTAL_HEADER = "X-Total-Rows"
FILES = {
    "responses": {
        200: {
            "description": "The file, in parts as it is read",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object", "required": ["rows"]}},
            },
            "headers": {TOTAL_HEADER: {"description": "Rows in the file", "schema": {"type": "integer"}}},
        },
    }
}
ERRORS = {(404, 422, 429): ErrorOut}


class ExportRefused(Throttled):
    """429 that says why."""

    def __init__(self, busy: ExportsBusy) -> None:
        HttpError.__init__(self, 429, str(busy))
        self.wait = busy.wait_s


class ExportFilter(RangeFilter):
    """Which rows, and in which form."""

    kind: Literal["history", "days"] = Field("history", description="5-minute snapshots, or a row a day and stream")
    format: Literal["csv", "json"] = "csv"
    mark: bool = Field(False, description="Begin CSV with a byte order mark, by which Excel knows UTF-8")


@router.get("/broadcasters/{slug}/export", response=ERRORS, openapi_extra=FILES, throttle=[THROTTLE])
def broadcaster_export(request: HttpRequest, slug: Slug, chosen: Query[ExportFilter]) -> HttpResponse:
    """All of a broadcaster's streams as a file. One at a time for each user."""
    broadcaster = broadcaster_open(user=request.user, slug=slug)
    return _export(request, chosen, broadcaster, None, chosen.days())


@router.get("/streams/{stream_id}/export", response=ERRORS, openapi_extra=FILES, throttle=[THROTTLE])
def stream_export(request: HttpRequest, stream_id: StreamId, chosen: Query[ExportFilter]) -> HttpResponse:
    """One stream as a file; all of it if no days are asked for. One at a time for each user."""
    stream = stream_open(user=request.user, stream_id=stream_id)
    days = stream_range(stream, now=timezone.now()) if chosen.since is None and chosen.until is None else chosen.days()
    return _export(request, chosen, stream.broadcaster, stream, days)


def _export(
    request: HttpRequest, chosen: ExportFilter, broadcaster: Broadcaster, stream: Stream | None, days: DayRange
) -> HttpResponse:
    try:
        place = Place(cast(User, request.user).pk)
    except ExportsBusy as busy:
        raise ExportRefused(busy) from busy
    try:
        plan = export_plan(
            kind=chosen.kind, broadcaster_id=broadcaster.pk, stream_id=stream.pk if stream else None, days=days
        )
        response = _response(request, chosen, broadcaster, plan, place)
    except BaseException:
        place.release()
        raise
    return response


def _response(
    request: HttpRequest, chosen: ExportFilter, broadcaster: Broadcaster, plan: Plan, place: Place
) -> HttpResponse:
    days = plan.days
    headers = {
        "Content-Type": CONTENT_TYPES[chosen.format],
        "Content-Disposition": content_disposition_header(True, _filename(chosen, broadcaster, plan)) or "",
        TOTAL_HEADER: str(plan.total),
        "Cache-Control": "no-store",
    }
    if request.META["REQUEST_METHOD"] == "HEAD":
        place.release()
        return HttpResponse(headers=headers)
    form: Format = CsvFormat(chosen.kind, marked=chosen.mark)
    if chosen.format == "json":
        about = {
            "kind": chosen.kind,
            "broadcaster": broadcaster.slug,
            "stream": plan.stream_id,
            "since": days.since.isoformat(),
            "until": days.until.isoformat(),
            "total": plan.total,
        }
        form = JsonFormat(chosen.kind, about)
    export = Export(plan=plan, form=form, place=place)
    # Closed with the answer: when all of it is sent, and when the client has left.
    return cast(HttpResponse, StreamingHttpResponse(export, headers=headers))


def _filename(chosen: ExportFilter, broadcaster: Broadcaster, plan: Plan) -> str:
    about = f"{broadcaster.slug}-{plan.stream_id}" if plan.stream_id else broadcaster.slug
    return f"{about}-{chosen.kind}-{plan.days.since}-{plan.days.last}.{chosen.format}"
