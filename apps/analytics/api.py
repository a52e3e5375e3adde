"""/api/broadcasters/{slug}/..., /api/streams/{id}/... and /api/rankings/...: the past as JSON.

What is about one broadcaster is for its owner and staff, by the cookie of their sign-in; others are answered 404.
"""

import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from apps.accounts.rates import CallerRate
from apps.audience.selectors import CountsUnavailable
from apps.audience.sessions import SEOUL
from apps.streams.api import ErrorOut, StreamId
from apps.streams.selectors import category_find

from . import ranking_selectors, selectors, stream_selectors
from .access import broadcaster_open, stream_open
from .api_schemas import (
    ComparisonOut,
    CourseOut,
    DaysOut,
    GrowthOut,
    HeatMapOut,
    PastRankingOut,
    RankedBroadcasterOut,
    SeriesOut,
    StreamFiguresOut,
    StreamsOut,
)
from .daily import ONE_DAY, midnight
from .ranges import DEFAULT_DAYS, MOST_DAYS, DayRange, RangeRefused, day_read, range_make
from .ranking import MOST_RANKED
from .stream_selectors import stream_range

router = Router(tags=["statistics"])

MOST_WEEKS = 10
REFUSED = {
    "unreadable": "a day is written YYYY-MM-DD",
    "backwards": "the range ends before it begins",
    "too_long": f"a range has {MOST_DAYS} days at most",
    "out_of_reach": "days lie between 2000-01-01 and 2200-01-01",
}
ERRORS = {(404, 422, 429): ErrorOut}


class StatisticsThrottle(CallerRate):
    """One user's, or one address's, questions about the past, all together."""

    scope = "statistics"


THROTTLE = StatisticsThrottle("20/s")


def _day(text: object) -> datetime.date:
    try:
        return day_read(text if isinstance(text, str) else "")
    except RangeRefused as error:
        # Not a ValueError, before whose words pydantic writes that it is one.
        raise PydanticCustomError("day", REFUSED[error.problem]) from None


Day = Annotated[datetime.date, BeforeValidator(_day)]
Slug = Annotated[str, Field(max_length=60, pattern=r"^[^\x00/]+$")]


def today() -> datetime.date:
    """The day that it is in Seoul."""
    return timezone.now().astimezone(SEOUL).date()


def _invalid(name: str, problem: str) -> ValidationError:
    return ValidationError([{"type": "value_error", "loc": ("query", name), "msg": problem}])


class RangeFilter(Schema):
    """Days of Seoul, from `since` up to, but not including, `until`; without them the last 28."""

    since: Day | None = Field(None, description="First day; 28 days before `until` if left out")
    until: Day | None = Field(None, description="The day after the last; tomorrow if left out")

    def days(self) -> DayRange:
        """The range; ValidationError."""
        until = self.until or today() + ONE_DAY
        try:
            return range_make(self.since or max(until - DEFAULT_DAYS * ONE_DAY, datetime.date.min), until)
        except RangeRefused as error:
            raise _invalid("until" if error.problem == "backwards" else "since", REFUSED[error.problem]) from None
        except OverflowError:
            raise _invalid("until", REFUSED["out_of_reach"]) from None


class PastRankingFilter(Schema):
    """Which part of the ranking."""

    category: str = Field("", max_length=60, pattern=r"^[^\x00]*$", description="Slug of a category; all without it")
    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=MOST_RANKED)


# --- a broadcaster ------------------------------------------------------------------------------------------------


@router.get("/broadcasters/{slug}/series", response={200: SeriesOut, **ERRORS}, throttle=[THROTTLE])
def broadcaster_series(request: HttpRequest, slug: Slug, chosen: Query[RangeFilter]) -> SeriesOut:
    """Viewers of all of a broadcaster's streams over time; fewer than 2,000 points. More than 70 days: one a day."""
    broadcaster, days = broadcaster_open(user=request.user, slug=slug), chosen.days()
    since, until = midnight(days.since), midnight(days.until)
    return SeriesOut.of(selectors.broadcaster_series(broadcaster_id=broadcaster.pk, since=since, until=until))


@router.get("/broadcasters/{slug}/days", response={200: DaysOut, **ERRORS}, throttle=[THROTTLE])
def broadcaster_days(request: HttpRequest, slug: Slug, chosen: Query[RangeFilter]) -> dict[str, Any]:
    """A broadcaster's days on which it was live. Today is made anew at 12 and 42 minutes past every hour."""
    broadcaster, days = broadcaster_open(user=request.user, slug=slug), chosen.days()
    return {"items": selectors.broadcaster_days(broadcaster_id=broadcaster.pk, since=days.since, until=days.until)}


@router.get("/broadcasters/{slug}/streams", response={200: StreamsOut, **ERRORS}, throttle=[THROTTLE])
def broadcaster_streams(request: HttpRequest, slug: Slug, chosen: Query[RangeFilter]) -> dict[str, Any]:
    """A broadcaster's streams that were live in the range."""
    broadcaster, days = broadcaster_open(user=request.user, slug=slug), chosen.days()
    since, until = midnight(days.since), midnight(days.until)
    return {"items": selectors.broadcaster_streams(broadcaster_id=broadcaster.pk, since=since, until=until)}


class HeatMapFilter(Schema):
    """So many weeks before `until`."""

    until: Day | None = Field(None, description="The day after the last; tomorrow if left out")
    weeks: int = Field(4, ge=1, le=MOST_WEEKS)


@router.get("/broadcasters/{slug}/heat-map", response={200: HeatMapOut, **ERRORS}, throttle=[THROTTLE])
def broadcaster_heat_map(request: HttpRequest, slug: Slug, chosen: Query[HeatMapFilter]) -> Any:
    """When in the week a broadcaster is watched."""
    broadcaster = broadcaster_open(user=request.user, slug=slug)
    until = chosen.until or today() + ONE_DAY
    _reach(until, chosen.weeks * 7)
    return selectors.heat_map(broadcaster_id=broadcaster.pk, until=until, weeks=chosen.weeks)


class GrowthFilter(Schema):
    """So many days before `until`, and as many before those."""

    until: Day | None = Field(None, description="The day after the last; tomorrow if left out")
    days: int = Field(DEFAULT_DAYS, ge=1, le=MOST_DAYS)


@router.get("/broadcasters/{slug}/growth", response={200: GrowthOut, **ERRORS}, throttle=[THROTTLE])
def broadcaster_growth(request: HttpRequest, slug: Slug, chosen: Query[GrowthFilter]) -> Any:
    """What the last days come to, beside as many before."""
    broadcaster = broadcaster_open(user=request.user, slug=slug)
    until = chosen.until or today() + ONE_DAY
    _reach(until, 2 * chosen.days)
    return selectors.growth(broadcaster_id=broadcaster.pk, until=until, days=chosen.days)


def _reach(until: datetime.date, days: int) -> None:
    try:
        range_make(until - ONE_DAY, until)
        range_make(until - days * ONE_DAY, until - (days - 1) * ONE_DAY)
    except (RangeRefused, OverflowError):
        raise _invalid("until", REFUSED["out_of_reach"]) from None


# --- a stream -----------------------------------------------------------------------------------------------------


@router.get("/streams/{stream_id}/series", response={200: SeriesOut, **ERRORS}, throttle=[THROTTLE])
def stream_series(request: HttpRequest, stream_id: StreamId, chosen: Query[RangeFilter]) -> SeriesOut:
    """One stream's viewers over time; all of it if no days are asked for."""
    stream = stream_open(user=request.user, stream_id=stream_id)
    days = stream_range(stream, now=timezone.now()) if chosen.since is None and chosen.until is None else chosen.days()
    since, until = midnight(days.since), midnight(days.until)
    return SeriesOut.of(selectors.stream_series(stream_id=stream.pk, since=since, until=until))


@router.get("/streams/{stream_id}/days", response={200: DaysOut, **ERRORS}, throttle=[THROTTLE])
def stream_days(request: HttpRequest, stream_id: StreamId) -> dict[str, Any]:
    """One stream's days."""
    return {"items": stream_selectors.stream_days(stream=stream_open(user=request.user, stream_id=stream_id))}


@router.get("/streams/{stream_id}/comparison", response={200: ComparisonOut, **ERRORS}, throttle=[THROTTLE])
def stream_comparison(request: HttpRequest, stream_id: StreamId) -> ComparisonOut:
    """A stream beside the broadcaster's stream before it. 404 if it was the first."""
    stream = stream_open(user=request.user, stream_id=stream_id)
    found = selectors.stream_comparison(stream=stream)
    if found is None:
        raise Http404("There is no stream before this one.")
    return ComparisonOut(
        unit_s=found.unit_s,
        stream=StreamFiguresOut.from_orm(found.stream),
        before=StreamFiguresOut.from_orm(found.before),
        course=CourseOut.of(found.course),
        course_before=CourseOut.of(found.course_before),
    )


# --- rankings -----------------------------------------------------------------------------------------------------


@router.get("/rankings/{period}", response={200: PastRankingOut, (404, 422, 503): ErrorOut})
def rankings_past(
    request: HttpRequest, period: Literal["today", "week"], chosen: Query[PastRankingFilter]
) -> PastRankingOut:
    """Broadcasters by minutes watched: of the running day in Seoul, or of the seven days up to it."""
    category = category_find(slug=chosen.category) if chosen.category else None
    if chosen.category and category is None:
        raise Http404("There is no such category.")
    try:
        found = ranking_selectors.ranking_past(
            period=period, category_id=category.pk if category else None, offset=chosen.offset, limit=chosen.limit
        )
    except CountsUnavailable as error:
        raise HttpError(503, "The ranking cannot be read now. Try again in a moment.") from error
    return PastRankingOut(
        as_of=found.as_of, total=found.total, items=[RankedBroadcasterOut.from_orm(row) for row in found.rows]
    )
