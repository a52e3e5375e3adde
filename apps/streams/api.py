"""/api/streams and /api/streams/{id}: live streams and single ones as JSON."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from ninja import Field, Query, Router, Schema

from apps.accounts.viewers import viewer_identity

from . import passage, ports, selectors
from .forms import QUERY_MAX_LENGTH
from .models import Stream

router = Router(tags=["streams"])

# What SQL can count to; a larger number is a mistake and not a row.
MAX_ID = 2**63 - 1
MAX_OFFSET = 1_000_000


class ErrorOut(Schema):
    """Every error."""

    error: str
    detail: str


class CategoryOut(Schema):
    """What a stream is about."""

    slug: str
    name: str
    name_ko: str


class BroadcasterOut(Schema):
    """Who broadcasts."""

    slug: str
    name: str


class StreamOut(Schema):
    """A stream in a list. `viewers` and `peak` are null when the counts cannot be read now."""

    id: int
    title: str
    category: CategoryOut
    broadcaster: BroadcasterOut
    status: str
    started_at: datetime
    viewers: int | None
    peak: int | None

    @classmethod
    def of(cls, stream: Stream, *, viewers: int | None, peak: int | None) -> "StreamOut":
        """This stream with these figures."""
        return cls(**stream_fields(stream), viewers=viewers, peak=peak)


class StreamDetailOut(StreamOut):
    """One stream. Once ended, `viewers` is 0 and `peak` and `total` are final.

    `zone` is the waiting room that viewers must come through now, null if none. Who has not gets no `playback_url`.
    """

    ended_at: datetime | None
    poster_url: str
    playback_url: str
    total: int | None
    zone: str | None


class StreamListOut(Schema):
    """A slice of the live streams, and how many there are."""

    items: list[StreamOut]
    total: int


class StreamFilter(Schema):
    """Which live streams."""

    category: str = Field("", max_length=60, description="Slug of a category")
    q: str = Field(
        "", max_length=QUERY_MAX_LENGTH, pattern=r"^[^\x00]*$", description="Text in title, broadcaster or category"
    )
    limit: int = Field(24, ge=1, le=100)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)


StreamId = Annotated[int, Field(ge=1, le=MAX_ID)]


def stream_fields(stream: Stream) -> dict[str, Any]:
    """What every answer about a stream says of it, figures apart."""
    return {
        "id": stream.pk,
        "title": stream.title,
        "category": CategoryOut.from_orm(stream.category),
        "broadcaster": BroadcasterOut.from_orm(stream.broadcaster),
        "status": stream.status,
        "started_at": stream.started_at,
    }


@router.get("/streams", response={200: StreamListOut, 404: ErrorOut, 422: ErrorOut}, summary="Live streams")
def stream_list(request: HttpRequest, chosen: Query[StreamFilter]) -> StreamListOut:
    """Live streams, most viewers first; newest first while the counts cannot be read."""
    category = selectors.category_find(slug=chosen.category) if chosen.category else None
    if chosen.category and category is None:
        raise Http404("There is no such category.")
    streams = selectors.live_find(category=category, query=chosen.q.strip())
    found = selectors.directory(streams=streams, offset=chosen.offset, limit=chosen.limit)
    return StreamListOut(
        items=[StreamOut.of(card.stream, viewers=card.viewers, peak=card.peak) for card in found.cards],
        total=streams.total,
    )


@router.get("/streams/{stream_id}", response={200: StreamDetailOut, 404: ErrorOut, 422: ErrorOut}, summary="One stream")
def stream_detail(request: HttpRequest, stream_id: StreamId) -> StreamDetailOut:
    """A stream, live or ended, with its figures."""
    stream = selectors.stream_find(stream_id=stream_id)
    if stream is None:
        raise Http404("There is no such stream.")
    may_watch = passage.passage_has(request, stream, viewer_identity(request))
    counts: ports.Counts | None = ports.Counts(current=0, peak=stream.peak_viewers, total=stream.total_viewers)
    if stream.is_live:
        counts = selectors.stream_counts(stream=stream)
    return StreamDetailOut(
        **stream_fields(stream),
        viewers=counts.current if counts else None,
        peak=counts.peak if counts else None,
        total=counts.total if counts else None,
        ended_at=stream.ended_at,
        poster_url=stream.poster_url,
        playback_url=stream.playback_url if may_watch else "",
        zone=stream.zone_id if stream.is_protected else None,
    )
