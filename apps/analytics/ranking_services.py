"""Rankings of the past are made ahead: a ranking of a week adds up as many rows as seven days have streams."""

import datetime

from apps.audience.sessions import SEOUL
from apps.realtime import redis

from . import ranking_selectors as selectors
from . import ranking_store, store
from .metrics import RANKINGS_MADE, STATISTICS_MADE
from .ranking import PERIODS, Period, RankedBroadcaster, Watched, first_day, ranked

MADE_EVERY = datetime.timedelta(minutes=5)


def rankings_keep(*, now: datetime.datetime) -> list[Period]:
    """The job: make what is missing in Redis, of another day or older than five minutes; which periods it made.

    It also sets the metrics of how old rankings and statistics are.

    RedisError if Redis is away.
    """
    slugs = selectors.category_slugs()
    made = [period for period in PERIODS if _is_due(period, slugs, now) and _make_once(period, slugs, now)]
    _measure(slugs)
    return made


def _measure(slugs: dict[int, str]) -> None:
    """How old all this is, and the statistics that it is made of: as Redis has it, whichever worker made it."""
    for period in PERIODS:
        if (oldest := _oldest(period, slugs)) is not None:
            RANKINGS_MADE.labels(period).set(oldest.timestamp())
    if (at_ms := redis.ask_now([store.made()])[0]) is not None:
        STATISTICS_MADE.set(int(at_ms) / 1000)


def _oldest(period: Period, slugs: dict[int, str]) -> datetime.datetime | None:
    """When the oldest of the period's rankings was made; None if one is missing."""
    commands = [ranking_store.ranking_made(period=period, category_id=key) for key in (None, *slugs)]
    made = redis.ask_now(commands)
    if any(at_ms is None for at_ms in made):
        return None
    return datetime.datetime.fromtimestamp(min(map(int, made)) / 1000, tz=SEOUL)


def _is_due(period: Period, slugs: dict[int, str], now: datetime.datetime) -> bool:
    oldest = _oldest(period, slugs)
    if oldest is None:
        return True
    return now - oldest >= MADE_EVERY or oldest.date() != now.astimezone(SEOUL).date()


def _make_once(period: Period, slugs: dict[int, str], now: datetime.datetime) -> bool:
    """Unless somebody else does, or just has. Twice would be harmless, but is much to read."""
    if redis.ask_now([ranking_store.making_claim(period)])[0] is None:
        return False
    try:
        return _is_due(period, slugs, now) and _make(period, slugs, now)
    finally:
        redis.ask_now([ranking_store.making_release(period)])


def _make(period: Period, slugs: dict[int, str], now: datetime.datetime) -> bool:
    today = now.astimezone(SEOUL).date()
    found = selectors.watched_of_days(first=first_day(period, today), last=today)
    if not found and not _is_counted(today):
        # Nobody has computed anything of the new day yet: that is no ranking, and the old one says how old it is.
        return False
    places = ranked(one for one in found if one.category_id in slugs)
    words = selectors.broadcaster_words(one.broadcaster_id for group in places.values() for one in group)
    for category_id in (None, *slugs):
        rows = _rows(places.get(category_id, []), words, slugs)
        as_of_ms = int(now.timestamp() * 1000)
        put = ranking_store.ranking_put(period=period, category_id=category_id, as_of_ms=as_of_ms, rows=rows)
        redis.ask_now(put)
    return True


def _is_counted(day: datetime.date) -> bool:
    """Whether the running day's statistics were made at least once."""
    return redis.ask_now([store.day_touched(day)])[0] is not None


def _rows(places: list[Watched], words: dict[int, tuple[str, str]], slugs: dict[int, str]) -> list[RankedBroadcaster]:
    known = [one for one in places if one.broadcaster_id in words]
    return [
        RankedBroadcaster(
            rank,
            one.broadcaster_id,
            *words[one.broadcaster_id],
            slugs[one.category_id],
            one.watch_minutes,
            one.peak,
            one.unique,
        )
        for rank, one in enumerate(known, start=1)
    ]
