"""Reads of rankings of the past, and of what they are made of."""

import datetime
from collections.abc import Iterable

from django.db import connections, router

from apps.audience.selectors import read
from apps.realtime.slicing import slices
from apps.streams.models import Broadcaster, Category, Stream

from . import ranking_store as store
from .models import DailyStatistics
from .ranking import PastRanking, Period, Watched
from .readers import reads

NAMES_PER_QUERY = 1_000


def ranking_past(*, period: Period, category_id: int | None, offset: int, limit: int) -> PastRanking:
    """Broadcasters by what was watched of them today, or in the seven days up to and including today.

    In one category, or in all if `category_id` is None. Read from Redis alone; CountsUnavailable if it is away. The
    figures are those of daily_statistics, which follow the running day twice an hour.
    """
    reply = read([store.ranking_get(period=period, category_id=category_id, offset=offset, limit=limit)])[0]
    return store.ranking_read(reply, offset=offset, limit=limit)


@reads("ranking")
def watched_of_days(*, first: datetime.date, last: datetime.date) -> list[Watched]:
    """What was watched of every broadcaster in every category on these days, both included; in no order.

    The key of daily_statistics begins with the day, and each row's stream is one look into the key of streams.
    """
    days, streams = DailyStatistics._meta.db_table, Stream._meta.db_table
    with connections[router.db_for_read(DailyStatistics)].cursor() as cursor:
        cursor.execute(
            "SELECT ds.broadcaster_id, st.category_id, CAST(SUM(ds.watch_minutes) AS SIGNED), MAX(ds.peak_viewers),"  # noqa: S608
            f" CAST(SUM(ds.unique_viewers) AS SIGNED) FROM {days} ds JOIN {streams} st ON st.id = ds.stream_id"
            " WHERE ds.day >= %s AND ds.day <= %s GROUP BY ds.broadcaster_id, st.category_id",
            [first.isoformat(), last.isoformat()],
        )
        return [Watched(*row) for row in cursor.fetchall()]


@reads("ranking")
def broadcaster_words(ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Slug and name of these broadcasters; those that are gone are not in it."""
    found: dict[int, tuple[str, str]] = {}
    for part in slices(sorted(set(ids)), NAMES_PER_QUERY):
        rows = Broadcaster.objects.order_by().filter(pk__in=part).values_list("pk", "slug", "name")
        found.update((pk, (slug, name)) for pk, slug, name in rows)
    return found


@reads("ranking")
def category_slugs() -> dict[int, str]:
    """Every category's slug by its id."""
    return dict(Category.objects.order_by().values_list("pk", "slug"))
