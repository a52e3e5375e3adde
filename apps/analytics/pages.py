"""What the pages of statistics show, gathered from selectors. Writes no markup; texts are translated here."""

import datetime
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.audience.sessions import SEOUL
from apps.streams.models import Broadcaster, Stream
from apps.streams.selectors import broadcaster_has_streams, broadcaster_live_stream, stream_counts

from . import selectors, stream_selectors
from .daily import ONE_DAY, days_between, midnight
from .growth import DayFigures, Growth
from .heat import HeatCell, HeatMap
from .ranges import PRESETS, DayRange, Picked, Problem
from .running import RunningDay, minutes_left
from .running_selectors import running_of, running_of_broadcaster

# Weeks of a heat map: enough that one evening does not decide, as few as make a season out.
LEAST_WEEKS, MOST_WEEKS = 4, 10
STREAMS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure on top of the page, with what it was in as many days before."""

    name: str
    label: str
    value: float | None
    before: float | None
    change: float | None
    help: str = ""


def problem_text(problem: Problem | None) -> str:
    """Why the asked days cannot be shown; empty if they can."""
    texts = {
        "unreadable": _("A day is written as 2026-01-31. These are the last 28 days."),
        "backwards": _("The last day lies before the first. These are the last 28 days."),
        "too_long": _("At most 400 days can be shown at once. These are the last 28 days."),
        "out_of_reach": _("There is no record of those days. These are the last 28 days."),
    }
    return texts[problem] if problem else ""


def headlines(growth: Growth) -> list[Headline]:
    """The figures on top."""

    def one(name: str, label: str, help_text: str = "") -> Headline:
        return Headline(
            name, label, getattr(growth.last, name), getattr(growth.before, name), growth.change[name], help_text
        )

    return [
        one("watch_minutes", _("Watched"), _("Time of all viewers together")),
        one("average", _("Average viewers"), _("Over the time live")),
        one("peak", _("Peak"), _("Most at once in one stream")),
        one("unique", _("Viewers"), _("Who watched two streams, or on two days, counts twice")),
        one("new", _("New viewers"), _("Here for the first time")),
        one("live_minutes", _("On air"), _("Time live")),
    ]


def broadcaster_page(
    broadcaster: Broadcaster, picked: Picked, *, page: str = "", now: datetime.datetime
) -> dict[str, Any]:
    """All of a broadcaster's page but its charts, which ask the API. `page` is that of its list of streams."""
    days = picked.days
    since, until = midnight(days.since), midnight(days.until)
    has_streams = broadcaster_has_streams(broadcaster=broadcaster)
    context = {
        "broadcaster": broadcaster,
        "has_streams": has_streams,
        "picked": picked,
        "days": days,
        "presets": PRESETS,
        "problem": problem_text(picked.problem),
    }
    if not has_streams:
        return context
    found = selectors.broadcaster_days(broadcaster_id=broadcaster.pk, since=days.since, until=days.until)
    running = running_of_broadcaster(broadcaster_id=broadcaster.pk, now=now)
    shown = [one for one in running if days.since <= one.day < days.until]
    today = today_page(shown, broadcaster_live_stream(broadcaster=broadcaster) if shown else None, now=now)
    weeks = max(LEAST_WEEKS, min(MOST_WEEKS, days.days // 7))
    streams = Paginator(
        selectors.broadcaster_streams(broadcaster_id=broadcaster.pk, since=since, until=until), STREAMS_PER_PAGE
    ).get_page(page)
    return context | {
        "headlines": headlines(selectors.growth(broadcaster_id=broadcaster.pk, until=days.until, days=days.days)),
        "day_rows": found[::-1],
        "day_chart": day_chart(days, found),
        "streams": streams,
        "reach_beyond": any(one.started_at < since or (one.ended_at or now) > until for one in streams),
        "heat": heat_page(selectors.heat_map(broadcaster_id=broadcaster.pk, until=days.until, weeks=weeks), weeks),
        "today": today,
        "counts_today": days.since <= now.astimezone(SEOUL).date() < days.until,
        "nothing_read": reading_text(found),
        "series_url": f"/api/broadcasters/{broadcaster.slug}/series?{_query(days)}",
        "export_url": f"/api/broadcasters/{broadcaster.slug}/export?{_query(days)}",
    }


def _query(days: DayRange) -> str:
    return urlencode({"since": days.since.isoformat(), "until": days.until.isoformat()})


@dataclass(frozen=True, slots=True)
class Today:
    """How far figures of sessions have come, of streams whose days are not settled; the others are known to the end.

    `as_of`: up to when they are in (None: none of them is). `is_behind`: of some stream nothing has been counted yet.
    `minutes`: within how many they are counted anew.
    """

    is_live: bool
    as_of: datetime.datetime | None
    is_behind: bool
    minutes: int


def today_page(running: list[RunningDay], live: Stream | None, *, now: datetime.datetime) -> Today | None:
    """None if all is settled."""
    if not running:
        return None
    return Today(
        is_live=live is not None and any(one.stream_id == live.pk for one in running),
        as_of=min((one.as_of for one in running if one.as_of is not None), default=None),
        is_behind=any(one.as_of is None for one in running),
        minutes=minutes_left(now),
    )


def reading_text(days: list[DayFigures]) -> str:
    """Why there is no reading of a broadcaster's streams, if there is none; `days` are those that it was live on."""
    if not days:
        return _("Nothing was live in this time.")
    return _("Viewers are read every five minutes. Nothing was read in this time.")


def stream_reading_text(stream: Stream) -> str:
    """The same of one stream."""
    if stream.is_live:
        return _("Viewers are read every five minutes. The first reading is still to come.")
    return _("Viewers are read every five minutes, and there is no reading of this stream: it may have been too short.")


def day_chart(days: DayRange, found: list[DayFigures]) -> dict[str, list[Any]]:
    """What the charts of days are drawn from, in columns: every day of the range, also those without a stream."""
    known = {figures.day: figures for figures in found}
    every = list(days_between(days.since, days.last))
    # Noon, so that a day's bar stands in the middle of it.
    columns: dict[str, list[Any]] = {"at": [int(midnight(day).timestamp()) + 43_200 for day in every]}
    for name in ("peak", "average", "unique", "new", "watch_minutes"):
        columns[name] = [getattr(known[day], name) if day in known else None for day in every]
    return columns


@dataclass(frozen=True, slots=True)
class HeatPage:
    """A heat map in words: a row a weekday, the warmest hour, and how many hours of the week are live at all."""

    rows: list[tuple[str, str, list[HeatCell]]]
    most: float
    warmest: str
    weekday: str
    hours: int
    weeks: int


def heat_page(found: HeatMap, weeks: int) -> HeatPage | None:
    """None if nothing was live in those weeks."""
    names = [_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")]
    # Names of their own: what a language cuts off differs.
    brief = [_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")]
    live = [
        (cell.average, day, hour)
        for day, row in enumerate(found.cells)
        for hour, cell in enumerate(row)
        if cell.average is not None
    ]
    if not live:
        return None
    most, day, hour = max(live, key=lambda one: (one[0], -one[1], -one[2]))
    return HeatPage(
        rows=list(zip(names, brief, found.cells, strict=True)),
        most=most,
        warmest=f"{hour:02}:00",
        weekday=names[day],
        hours=len(live),
        weeks=weeks,
    )


def stream_page(stream: Stream, day: str, *, now: datetime.datetime) -> dict[str, Any]:
    """All of a stream's page but its charts. `day` is one of its days, anything else means all of it."""
    figures = stream_selectors.stream_figures(stream=stream)
    days = stream_selectors.stream_days(stream=stream)
    whole = stream_selectors.stream_range(stream, now=now)
    chosen = next((one.day for one in days if one.day.isoformat() == day), None)
    shown = DayRange(chosen, chosen + ONE_DAY) if chosen else whole
    comparison = selectors.stream_comparison(stream=stream)
    running = running_of(broadcaster_id=stream.broadcaster_id, streams=[stream], now=now)
    today = today_page(running, stream if stream.is_live else None, now=now)
    return {
        "stream": stream,
        "broadcaster": stream.broadcaster,
        "figures": figures,
        "day_rows": days[::-1],
        "chosen_day": chosen,
        "today": today,
        "counts": stream_counts(stream=stream) if stream.is_live else None,
        "nothing_read": stream_reading_text(stream),
        "comparison": comparison,
        # A part beside a whole would be a comparison of nothing.
        "compared": compared(comparison) if comparison and comparison.stream.is_settled else [],
        "series_url": f"/api/streams/{stream.pk}/series?{_query(shown)}",
        "comparison_url": f"/api/streams/{stream.pk}/comparison",
        "export_url": f"/api/streams/{stream.pk}/export?{_query(whole)}",
    }


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of a stream and of the one before it."""

    name: str
    label: str
    value: float | None
    before: float | None
    change: float | None


def compared(comparison: selectors.Comparison) -> list[Compared]:
    """The figures of both, side by side."""
    labels = {
        "watch_minutes": _("Watched"),
        "average": _("Average viewers"),
        "peak": _("Peak"),
        "unique": _("Viewers"),
        "live_minutes": _("On air"),
    }
    rows = []
    for name, label in labels.items():
        value, before = getattr(comparison.stream, name), getattr(comparison.before, name)
        change = value / before - 1 if before and value is not None else None
        rows.append(Compared(name, label, value, before, change))
    return rows
