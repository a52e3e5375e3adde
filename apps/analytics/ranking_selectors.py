"""Reads of rankings of the past."""

from apps.audience.selectors import read

from . import ranking_store as store
from .ranking import PastRanking, Period


def ranking_past(*, period: Period, category_id: int | None, offset: int, limit: int) -> PastRanking:
    """Broadcasters by what was watched of them today, or in the seven days up to and including today.

    In one category, or in all if `category_id` is None. Read from Redis alone; CountsUnavailable if it is away. The
    figures are those of daily_statistics, which follow the running day twice an hour.
    """
    reply = read([store.ranking_get(period=period, category_id=category_id, offset=offset, limit=limit)])[0]
    return store.ranking_read(reply, offset=offset, limit=limit)
