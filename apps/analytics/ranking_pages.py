"""What the page of rankings shows: live streams by viewers, broadcasters by what was watched of them."""

from dataclasses import dataclass
from typing import Any, Literal

from django.core.paginator import Paginator
from django.utils.http import urlencode

from apps.audience.selectors import CountsUnavailable
from apps.streams.models import Category, Stream
from apps.streams.selectors import category_list, directory, live_find, live_of_broadcasters

from .ranking import RankedBroadcaster
from .ranking_selectors import ranking_past

PER_PAGE = 50

Shown = Literal["now", "today", "week"]


@dataclass(frozen=True, slots=True)
class Place:
    """One row. Of a ranking of the past `stream` is what the broadcaster has on now, if anything."""

    rank: int
    name: str
    category: str
    stream: Stream | None
    viewers: int | None = None
    past: RankedBroadcaster | None = None


def rankings_page(shown: Shown, category: Category | None, number: str) -> dict[str, Any]:
    """All of the page."""
    categories = category_list()
    context = {
        "shown": shown,
        "category": category,
        "categories": categories,
        "filter_query": urlencode({"category": category.slug}) if category else "",
        "is_away": False,
        "as_of": None,
    }
    if shown == "now":
        return context | _now(category, number)
    try:
        return context | _past(shown, category, {one.slug: one.label for one in categories}, number)
    except CountsUnavailable:
        return context | {"is_away": True, "places": []}


def _now(category: Category | None, number: str) -> dict[str, Any]:
    streams = live_find(category=category)
    page = Paginator(range(streams.total), PER_PAGE).get_page(number)
    start = max(page.start_index() - 1, 0)
    found = directory(streams=streams, offset=start, limit=PER_PAGE)
    places = [
        Place(rank, card.stream.broadcaster.name, card.stream.category.label, card.stream, viewers=card.viewers)
        for rank, card in enumerate(found.cards, start=start + 1)
    ]
    return {
        "places": places if found.counts_available else [],
        "page_obj": page,
        "is_away": bool(streams.total) and not found.counts_available,
        "most": max((place.viewers or 0 for place in places), default=0),
    }


def _past(
    period: Literal["today", "week"], category: Category | None, labels: dict[str, str], number: str
) -> dict[str, Any]:
    category_id = category.pk if category else None
    first = ranking_past(period=period, category_id=category_id, offset=0, limit=PER_PAGE)
    page = Paginator(range(first.total), PER_PAGE).get_page(number)
    found = first
    if page.number > 1:
        offset = page.start_index() - 1
        found = ranking_past(period=period, category_id=category_id, offset=offset, limit=PER_PAGE)
    live = live_of_broadcasters(broadcaster_ids=[row.broadcaster_id for row in found.rows])
    return {
        "places": [
            Place(row.rank, row.name, labels.get(row.category, ""), live.get(row.broadcaster_id), past=row)
            for row in found.rows
        ],
        "page_obj": page,
        "as_of": found.as_of,
        "most": first.rows[0].watch_minutes if first.rows else 0,
    }
