"""Rankings of the past, ready-made in Redis.

Keys:
- `history:ranking:<period>:<category id>`: hash, one ranking of the running day or week; category 0 is all of them.
  `as_of` (epoch ms), `total` (places), and `0`, `1`, ...: 100 places each, as JSON. Written by one command, so that
  nobody reads half of the old and half of the new. Goes when nobody has made it anew for an hour.
- `history:ranking:making:<period>`: somebody makes the rankings of this period.
"""

import datetime
import json
from collections.abc import Sequence

from apps.realtime.redis import Command

from .ranking import PastRanking, Period, RankedBroadcaster

PLACES_PER_PAGE = 100
KEPT_S = 3_600
# Whoever makes rankings for longer than this is taken for dead.
CLAIM_KEPT_S = 120


def _key(period: Period, category_id: int | None) -> str:
    return f"history:ranking:{period}:{category_id or 0}"


def _making(period: Period) -> str:
    return f"history:ranking:making:{period}"


def making_claim(period: Period) -> Command:
    """Answers None if somebody else makes them."""
    return ("SET", _making(period), 1, "NX", "EX", CLAIM_KEPT_S)


def making_release(period: Period) -> Command:
    """They are made, or it failed."""
    return ("DEL", _making(period))


def ranking_put(
    *, period: Period, category_id: int | None, as_of_ms: int, rows: Sequence[RankedBroadcaster]
) -> list[Command]:
    """Put this ranking, all of it, in place of the one before. Pages beyond its end may stay: `total` hides them."""
    pages: list[str | int] = []
    for number, start in enumerate(range(0, len(rows), PLACES_PER_PAGE)):
        words = [
            [row.broadcaster_id, row.slug, row.name, row.category, row.watch_minutes, row.peak, row.unique]
            for row in rows[start : start + PLACES_PER_PAGE]
        ]
        pages += [number, json.dumps(words, ensure_ascii=False, separators=(",", ":"))]
    key = _key(period, category_id)
    return [("HSET", key, "as_of", as_of_ms, "total", len(rows), *pages), ("EXPIRE", key, KEPT_S)]


def ranking_made(*, period: Period, category_id: int | None) -> Command:
    """When it was made (epoch ms), or None."""
    return ("HGET", _key(period, category_id), "as_of")


def ranking_get(*, period: Period, category_id: int | None, offset: int, limit: int) -> Command:
    """Some places of it; read by `ranking_read`."""
    pages = range(offset // PLACES_PER_PAGE, (offset + limit - 1) // PLACES_PER_PAGE + 1)
    return ("HMGET", _key(period, category_id), "as_of", "total", *pages)


def ranking_read(reply: Sequence[bytes | None], *, offset: int, limit: int) -> PastRanking:
    """What `ranking_get` answered for this offset and limit."""
    as_of_ms, total, *pages = reply
    if as_of_ms is None or total is None:
        return PastRanking(None, 0, [])
    first = offset - offset % PLACES_PER_PAGE
    words = [row for page in pages if page is not None for row in json.loads(page)]
    end = min(offset + limit, int(total))
    rows = [
        RankedBroadcaster(rank, *row)
        for rank, row in enumerate(words[offset - first : max(end - first, 0)], start=offset + 1)
    ]
    return PastRanking(datetime.datetime.fromtimestamp(int(as_of_ms) / 1000, tz=datetime.UTC), int(total), rows)
