"""Every read of broadcasters, categories and streams, with their live counts where a page shows them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.waitingroom.rules import MAX_OVER

from . import ports
from .models import Broadcaster, Category, Stream, StreamStatus

# How deep the ranking is read when the order of chosen streams is needed, as for a search: all of a large house.
RANKING_DEPTH = 20_000
# For so long those who wait for a stream are told that it has ended.
OVER_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LiveStreams:
    """Which live streams a page is about: all, a category's, or what a search found (`found`, newest first)."""

    category: Category | None
    rows: QuerySet[Stream]
    total: int
    found: list[int] | None


NO_STREAMS = LiveStreams(category=None, rows=Stream.objects.none(), total=0, found=[])


@dataclass(frozen=True, slots=True)
class StreamCard:
    """A stream in a list. The figures are None when they cannot be read now."""

    stream: Stream
    viewers: int | None
    peak: int | None
    is_featured: bool = False  # shown before others because somebody chose so


@dataclass(frozen=True, slots=True)
class Directory:
    """Some live streams in order, and whether their counts (and so the order) are the live ones."""

    cards: list[StreamCard]
    counts_available: bool


def category_list() -> list[Category]:
    """All categories, in the order that pages show."""
    return list(Category.objects.all())


def category_find(*, slug: str) -> Category | None:
    """The category with this slug."""
    return Category.objects.filter(slug=slug).first()


def live_find(*, category: Category | None = None, query: str = "") -> LiveStreams:
    """Live streams; of a category, and with `query` in title, broadcaster or category, in upper or lower case."""
    rows = Stream.objects.filter(status=StreamStatus.LIVE).order_by("-started_at", "-id")
    if category is not None:
        rows = rows.filter(category=category)
    if not query:
        return LiveStreams(category=category, rows=rows, total=rows.count(), found=None)
    # Subqueries and not joins: a join lets MariaDB start at the broadcasters and walk through all that each ever
    # streamed, where this starts at the live rows. Django escapes %, _ and \ for LIKE, so they mean themselves.
    broadcasters = Broadcaster.objects.filter(name__icontains=query)
    categories = Category.objects.filter(Q(name__icontains=query) | Q(name_ko__icontains=query))
    matching = Q(title__icontains=query) | Q(broadcaster__in=broadcasters) | Q(category__in=categories)
    found = list(rows.filter(matching).values_list("pk", flat=True))
    return LiveStreams(category=category, rows=rows, total=len(found), found=found)


def featured_now() -> QuerySet[Stream]:
    """Streams that are featured at this moment, in their order."""
    return (
        Stream.objects.filter(featured_order__isnull=False, status=StreamStatus.LIVE)
        .filter(Q(featured_until__isnull=True) | Q(featured_until__gt=timezone.now()))
        .order_by("featured_order", "-started_at", "-id")
    )


def directory(*, streams: LiveStreams, offset: int = 0, limit: int = 24, featured_first: bool = False) -> Directory:
    """Some of these streams, most viewers first; newest first when the audience cannot be asked.

    With `featured_first` those that are featured come before all others, in their own order; a search stays a search.
    """
    featured = _featured_ids(streams) if featured_first and streams.found is None else []
    try:
        ids = _ids_by_viewers(streams, featured, offset=offset, limit=limit)
        counts = ports.audience().counts(ids)
    except ports.AudienceUnavailable:
        ids = _behind_featured(list(_ids_newest_first(streams)[: offset + limit + len(featured)]), featured)
        shown = _in_order(streams, ids[offset : offset + limit])
        cards = [StreamCard(stream, None, None, stream.pk in featured) for stream in shown]
        return Directory(cards, counts_available=False)
    cards = [
        StreamCard(one, counts[one.pk].current, counts[one.pk].peak, one.pk in featured)
        for one in _in_order(streams, ids)
    ]
    # The ranking may be some seconds older than the counts; within a page the order follows what the page says.
    places = {pk: place for place, pk in enumerate(featured)}
    cards.sort(key=lambda card: (places.get(card.stream.pk, len(places)), -(card.viewers or 0)))
    return Directory(cards, counts_available=True)


def _featured_ids(streams: LiveStreams) -> list[int]:
    rows = featured_now()
    if streams.category is not None:
        rows = rows.filter(category=streams.category)
    return list(rows.values_list("pk", flat=True))


def _behind_featured(ids: list[int], featured: list[int]) -> list[int]:
    known = set(featured)
    return featured + [pk for pk in ids if pk not in known]


def _in_order(streams: LiveStreams, ids: list[int]) -> list[Stream]:
    # Read from the live rows: what has ended since it was ranked or found falls out here.
    rows = streams.rows.select_related("broadcaster", "category").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def _ids_newest_first(streams: LiveStreams) -> Sequence[int] | QuerySet[Stream, int]:
    return streams.found if streams.found is not None else streams.rows.values_list("pk", flat=True)


def _ids_by_viewers(streams: LiveStreams, featured: list[int], *, offset: int, limit: int) -> list[int]:
    category_id = streams.category.pk if streams.category else None
    if streams.found is None and not featured:
        page = ports.audience().ranking(category_id=category_id, offset=offset, limit=limit)
        if len(page) == limit:
            return page
    elif streams.found is None and offset + limit <= RANKING_DEPTH:
        # From the top, because the featured ones stand somewhere in it, and pages must neither repeat nor leave out.
        depth = offset + limit
        page = _behind_featured(ports.audience().ranking(category_id=category_id, offset=0, limit=depth), featured)
        if len(page) >= depth:
            return page[offset:depth]
    # A search, or the end of the ranking. Streams that nobody has entered yet may be missing from the ranking, and
    # after a wipe of Redis all are, for a heartbeat: they follow the ranked ones, newest first.
    newest_first = list(_ids_newest_first(streams))
    known = set(newest_first)
    ranking = ports.audience().ranking(category_id=category_id, offset=0, limit=RANKING_DEPTH)
    ranked = [pk for pk in ranking if pk in known]
    behind = known.difference(ranked)
    ordered = ranked + [pk for pk in newest_first if pk in behind]
    return _behind_featured(ordered, featured)[offset : offset + limit]


def house_viewers() -> int | None:
    """How many watch in the whole house; None when that cannot be read."""
    try:
        return ports.audience().house_viewers()
    except ports.AudienceUnavailable:
        return None


def stream_find(*, stream_id: int) -> Stream | None:
    """The stream with its broadcaster, category and zone."""
    return Stream.objects.select_related("broadcaster__user", "category", "zone").filter(pk=stream_id).first()


def addresses_over(zone_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By zone the pages of those streams behind it that ended within OVER_FOR, the newest first, MAX_OVER at most."""
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    ended = Stream.objects.filter(zone__in=zone_ids, status=StreamStatus.ENDED, ended_at__gt=timezone.now() - OVER_FOR)
    for stream in ended.only("zone").order_by("-ended_at", "-pk"):
        if len(found[str(stream.zone_id)]) < MAX_OVER:
            found[str(stream.zone_id)] += (stream.get_absolute_url(),)
    return dict(found)


def stream_counts(*, stream: Stream) -> ports.Counts | None:
    """The live figures of one stream; None when they cannot be read."""
    return counts_or_none([stream.pk]).get(stream.pk)


def counts_or_none(stream_ids: Sequence[int]) -> dict[int, ports.Counts]:
    """The live figures of these streams in one call; empty when they cannot be read."""
    try:
        return ports.audience().counts(stream_ids)
    except ports.AudienceUnavailable:
        return {}


def broadcaster_of(*, user: User) -> Broadcaster | None:
    """The user's own channel, if they ever started a stream."""
    return Broadcaster.objects.filter(user=user).first()


def broadcaster_find(*, slug: str) -> Broadcaster | None:
    """The channel with this slug."""
    return Broadcaster.objects.filter(slug=slug).first()


def broadcaster_has_streams(*, broadcaster: Broadcaster) -> bool:
    """Whether the channel ever had anything on."""
    return Stream.objects.filter(broadcaster=broadcaster).exists()


def live_of_broadcasters(*, broadcaster_ids: Sequence[int]) -> dict[int, Stream]:
    """What these channels have on now, by the channel's id; those that have nothing on are not in it."""
    live = Stream.objects.filter(live_key__in=list(broadcaster_ids))
    return {stream.broadcaster_id: stream for stream in live}


def broadcaster_live_stream(*, broadcaster: Broadcaster) -> Stream | None:
    """What the broadcaster has on now."""
    return Stream.objects.select_related("broadcaster", "category").filter(live_key=broadcaster.pk).first()


def broadcaster_past_streams(*, broadcaster: Broadcaster) -> QuerySet[Stream]:
    """What the broadcaster has ended, newest first."""
    return (
        Stream.objects.select_related("category")
        .filter(broadcaster=broadcaster, status=StreamStatus.ENDED)
        .order_by("-started_at", "-id")
    )
