"""/api/streams/{id}/viewers, /api/streams/{id}/token and /api/rankings: the live audience as JSON."""

import secrets
import time
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError
from ninja.responses import Status

from apps.accounts.rates import AddressRate
from apps.accounts.viewers import remember_browser, viewer_identity
from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.tokens import MAX_TOKEN_LENGTH, TokenError
from apps.streams.api import ErrorOut, StreamId
from apps.streams.passage import passage_give, passage_has
from apps.streams.selectors import category_find, stream_find

from . import house_store, selectors, store
from .sessions import seoul_day
from .tokens import TOKEN_SECONDS, viewer_token_make, viewer_token_renewable

router = Router(tags=["audience"])


# Not a tuple: ninja writes one as an array of schemas under `items`, which OpenAPI 3.1 does not know.
TrailPoint = Annotated[list[int], Field(min_length=2, max_length=2)]


class ViewersOut(Schema):
    """A stream's audience now. `trail`: [epoch second, viewers] every 5 s of the last 15 minutes, oldest first."""

    stream: int
    status: str
    current: int
    peak: int
    total: int
    unique_today: int
    at: int
    trail: list[TrailPoint]


class RankedOut(Schema):
    """One live stream in a ranking."""

    rank: int
    id: int
    title: str
    broadcaster: str
    category: str
    viewers: int


class RankingOut(Schema):
    """Live streams, most viewers first; `at` in epoch ms."""

    items: list[RankedOut]
    at: int


class RankingFilter(Schema):
    """Which part of the ranking."""

    category: str = Field("", max_length=60, description="Slug of a category; all categories without it")
    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=100_000)


class TokenIn(Schema):
    """The token that the page has; it may have expired."""

    token: Annotated[str, Field(max_length=MAX_TOKEN_LENGTH)] = ""


class TokenOut(Schema):
    """A token for the viewer's socket, and for how many seconds it is good."""

    token: str
    expires_in: int


def _read(commands: list[redis.Command]) -> list[Any]:
    try:
        return selectors.read(commands)
    except selectors.CountsUnavailable as error:
        raise HttpError(503, "The counts cannot be read now. Try again in a moment.") from error


def _category_id(slug: str) -> int:
    known = _read([house_store.category_id(slug)])[0]
    if known is not None:
        return int(known)
    # Redis only knows categories that had a live stream; the others are the database's to tell.
    category = category_find(slug=slug)
    if category is None:
        raise Http404("There is no such category.")
    return category.pk


@router.get("/streams/{stream_id}/viewers", response={200: ViewersOut, 404: ErrorOut, 422: ErrorOut, 503: ErrorOut})
def stream_viewers(request: HttpRequest, stream_id: StreamId) -> ViewersOut:
    """Who watches this stream now: exact viewers, peak and visits; unique today is an estimate (0.81%)."""
    at_ms = epoch_ms()
    figures, unique, trail = _read(
        [
            store.figures(stream_id),
            store.unique_today(stream_id=stream_id, day=seoul_day(at_ms)),
            store.trail(stream_id),
        ]
    )
    found = store.figures_of(figures)
    if found.state != "live":
        # Redis forgets what ended a day ago; that, and addresses that never were, are the database's to tell.
        stream = stream_find(stream_id=stream_id)
        if stream is None:
            raise Http404("There is no such stream.")
        peak, total = max(found.peak, stream.peak_viewers), max(found.total, stream.total_viewers)
        found = store.Figures(stream.status, found.current, peak, total)
    return ViewersOut(
        stream=stream_id,
        status=found.state,
        current=found.current,
        peak=found.peak,
        total=found.total,
        unique_today=int(unique),
        at=at_ms,
        trail=[list(point) for point in store.trail_read(trail)],
    )


@router.get("/rankings", response={200: RankingOut, 404: ErrorOut, 422: ErrorOut, 503: ErrorOut})
def rankings(request: HttpRequest, chosen: Query[RankingFilter]) -> RankingOut:
    """Live streams by viewers. The order is some seconds old at most, the figures are those of `at`."""
    category_id = None
    if chosen.category:
        category_id = _category_id(chosen.category)
    members = _read([house_store.ranked(category_id, offset=chosen.offset, limit=chosen.limit)])[0]
    ids = [int(member) for member in members]
    if not ids:
        return RankingOut(items=[], at=epoch_ms())
    words, *figures = _read([house_store.listings(ids), *map(store.figures, ids)])
    live = [
        (house_store.listing_read(stream_id, word), store.figures_of(reply).current)
        for stream_id, word, reply in zip(ids, words, figures, strict=True)
        if word is not None
    ]
    live.sort(key=lambda pair: -pair[1])
    items = [
        RankedOut(
            rank=chosen.offset + place,
            id=listing.stream_id,
            title=listing.title,
            broadcaster=listing.broadcaster,
            category=listing.category,
            viewers=viewers,
        )
        for place, (listing, viewers) in enumerate(live, start=1)
    ]
    return RankingOut(items=items, at=epoch_ms())


@router.post(
    "/streams/{stream_id}/token",
    response={200: TokenOut, (400, 403, 404, 410, 411, 413, 422, 429): ErrorOut},
    openapi_extra={
        "responses": {
            403: {"description": "The stream has a waiting room that this browser has not come through"},
            404: {"description": "There is no such stream"},
            410: {"description": "The stream has ended: do not ask again"},
        }
    },
    throttle=[AddressRate("20/s")],
)
def stream_token(
    request: HttpRequest, response: HttpResponse, stream_id: StreamId, known: TokenIn | None = None
) -> TokenOut | Status[ErrorOut]:
    """A new token for the viewer's socket. The page's old one keeps its tab the same session."""
    stream = stream_find(stream_id=stream_id)
    if stream is None:
        raise Http404("There is no such stream.")
    if not stream.is_live:
        raise HttpError(410, "This stream has ended.")
    identity = viewer_identity(request)
    if not passage_has(request, stream, identity):
        # No pass, no token, and so no socket.
        return Status(
            403, ErrorOut(error="pass_required", detail="This stream has a waiting room. Come through it first.")
        )
    session_id = secrets.token_hex(8)
    if known and known.token:
        try:
            claims = viewer_token_renewable(token=known.token, browser_id=identity.browser_id)
        except TokenError:
            claims = None  # not ours or not this browser's: a new session it is
        if claims and claims.stream_id == stream_id and claims.viewer_id == identity.viewer_id:
            session_id = claims.session_id
    remember_browser(response, identity)
    passage_give(response, stream, identity, now=time.time())
    token = viewer_token_make(
        stream_id=stream_id, viewer_id=identity.viewer_id, session_id=session_id, browser_id=identity.browser_id
    )
    return TokenOut(token=token, expires_in=TOKEN_SECONDS)
