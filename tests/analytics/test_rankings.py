"""Rankings of the past: their order against a plain one, made from real tables, kept in Redis, lost and made again."""

import datetime
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from apps.analytics import ranking_selectors, ranking_store, store
from apps.analytics.ranking import PastRanking, Period, RankedBroadcaster, Watched, ranked
from apps.analytics.ranking_services import rankings_keep
from apps.analytics.ranking_store import ranking_get, ranking_put, ranking_read
from apps.analytics.selectors import ranking_past
from apps.analytics.tasks import rankings
from apps.audience.selectors import CountsUnavailable
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.streams.models import Broadcaster, Category, Stream
from apps.streams.services import category_ensure
from tests.analytics.house import at_once
from tests.analytics.record import day_make, stream_past
from tests.services.redis_server import RedisServer

TODAY = datetime.date(2026, 3, 10)
DAWN = datetime.datetime(2026, 3, 10, tzinfo=SEOUL)
NOON = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=SEOUL)
MINUTE, HOUR, DAY = (datetime.timedelta(**{unit: 1}) for unit in ("minutes", "hours", "days"))

one_found = st.builds(
    Watched, st.integers(1, 8), st.integers(1, 4), st.integers(0, 5), st.integers(0, 3), st.integers(0, 9)
)


# --- the order ----------------------------------------------------------------------------------------------------


@given(
    st.lists(one_found, unique_by=lambda one: (one.broadcaster_id, one.category_id), max_size=30), st.integers(1, 10)
)
def test_places_are_the_plain_ones(found: list[Watched], most: int) -> None:
    def place(one: Watched) -> tuple[int, int, int]:
        return -one.watch_minutes, -one.peak, one.broadcaster_id

    plain: dict[int | None, list[Watched]] = {
        category: sorted((one for one in found if one.category_id == category), key=place)[:most]
        for category in {one.category_id for one in found}
    }
    whole = []
    for broadcaster in {one.broadcaster_id for one in found}:
        own = sorted((one for one in found if one.broadcaster_id == broadcaster), key=lambda one: one.category_id)
        whole.append(
            Watched(
                broadcaster,
                min(own, key=place).category_id,
                sum(one.watch_minutes for one in own),
                max(one.peak for one in own),
                sum(one.unique for one in own),
            )
        )
    plain[None] = sorted(whole, key=place)[:most]
    assert ranked(found, most=most) == plain


# --- in Redis -----------------------------------------------------------------------------------------------------


def places(number: int) -> list[RankedBroadcaster]:
    return [
        RankedBroadcaster(rank, rank, f"b{rank}", f'Ü "{rank}"', "talk", 9_999 - rank, 5, 7)
        for rank in range(1, number + 1)
    ]


@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
@pytest.mark.parametrize("total", [0, 1, 100, 250])
def test_any_part_of_a_ranking_is_what_was_put(redis_url: str, total: int) -> None:
    rows = places(total)
    redis.ask_now(ranking_put(period="week", category_id=3, as_of_ms=1_000, rows=places(300)))
    redis.ask_now(ranking_put(period="week", category_id=3, as_of_ms=2_000, rows=rows))
    as_of = datetime.datetime.fromtimestamp(2, datetime.UTC)
    for offset in (0, 1, 50, 99, 100, 199, 249, 250, 5_000):
        for limit in (1, 20, 100):
            found = ranking_past(period="week", category_id=3, offset=offset, limit=limit)
            assert found == PastRanking(as_of, total, rows[offset : offset + limit])
    assert ranking_past(period="today", category_id=3, offset=0, limit=10) == PastRanking(None, 0, [])


def test_a_ranking_that_nobody_makes_anew_goes_after_an_hour() -> None:
    redis.ask_now(ranking_put(period="today", category_id=None, as_of_ms=1, rows=places(1)))
    assert redis.ask_now([("TTL", "history:ranking:today:0")])[0] in range(3_590, 3_601)


def test_one_read_asks_for_the_pages_it_needs_and_no_more() -> None:
    def asked(offset: int, limit: int) -> tuple[object, ...]:
        return ranking_get(period="week", category_id=None, offset=offset, limit=limit)[2:]

    assert asked(0, 100) == ("as_of", "total", 0)
    assert asked(50, 100) == ("as_of", "total", 0, 1)
    assert asked(300, 20) == ("as_of", "total", 3)
    assert ranking_read([None, None, None], offset=0, limit=100) == PastRanking(None, 0, [])


# --- from tables --------------------------------------------------------------------------------------------------


@pytest.fixture
def week(db: None) -> dict[str, Stream]:
    """Four streams of three broadcasters in two categories, on three days of which one is eight days ago."""
    streams = {
        "mina": stream_past("mina speaks", DAWN, DAWN + HOUR),
        "mina plays": stream_past("mina plays", DAWN - DAY, DAWN - DAY + HOUR, category="games"),
        "jun": stream_past("jun plays", DAWN, DAWN + HOUR, owner="jun", category="games"),
        "old": stream_past("old", DAWN - 7 * DAY, DAWN - 7 * DAY + HOUR, owner="old"),
    }
    day_make(streams["mina"], TODAY, peak=50, average=1, unique=10, new=1, watched=300, live=60)
    day_make(streams["mina plays"], TODAY - DAY, peak=70, average=1, unique=5, new=1, watched=400, live=60)
    day_make(streams["mina plays"], TODAY - 6 * DAY, peak=10, average=1, unique=2, new=1, watched=100, live=60)
    day_make(streams["jun"], TODAY, peak=60, average=1, unique=20, new=1, watched=300, live=60)
    day_make(streams["old"], TODAY - 7 * DAY, peak=999, average=1, unique=999, new=1, watched=999, live=60)
    return streams


def look(period: str = "today", category: str = "") -> list[tuple[object, ...]] | None:
    category_id = Category.objects.get(slug=category).pk if category else None
    found = ranking_past(period="week" if period == "week" else "today", category_id=category_id, offset=0, limit=100)
    if found.as_of is None:
        return None
    assert found.total == len(found.rows)
    return [(row.rank, row.slug, row.category, row.watch_minutes, row.peak, row.unique) for row in found.rows]


@pytest.mark.database
def test_rankings_of_today_and_of_seven_days_in_all_and_in_each_category(week: dict[str, Stream]) -> None:
    category_ensure(slug="music", name="Music")
    assert (look(), look("week")) == (None, None)
    assert rankings_keep(now=NOON) == ["today", "week"]
    assert look() == [(1, "jun", "games", 300, 60, 20), (2, "mina", "talk", 300, 50, 10)]
    assert look(category="games") == [(1, "jun", "games", 300, 60, 20)]
    assert look("week") == [(1, "mina", "games", 800, 70, 17), (2, "jun", "games", 300, 60, 20)]
    assert look("week", "games") == [(1, "mina", "games", 500, 70, 7), (2, "jun", "games", 300, 60, 20)]
    assert look("week", "talk") == [(1, "mina", "talk", 300, 50, 10)]
    # Nobody was watched there: an empty ranking, and not one that is missing.
    assert look("week", "music") == []
    found = ranking_past(period="today", category_id=None, offset=1, limit=1)
    assert (found.as_of, found.total) == (NOON, 2)
    owner = week["mina"].broadcaster_id
    assert found.rows == [RankedBroadcaster(2, owner, "mina", "mina", "talk", 300, 50, 10)]


@pytest.mark.database
def test_they_are_made_when_they_are_due_and_not_before(week: dict[str, Stream]) -> None:
    assert rankings_keep(now=NOON) == ["today", "week"]
    assert rankings_keep(now=NOON + 5 * MINUTE - datetime.timedelta(seconds=1)) == []
    assert rankings_keep(now=NOON + 5 * MINUTE) == ["today", "week"]
    # A new category has none yet; and a new day is another day, however young yesterday's ranking is.
    category_ensure(slug="music", name="Music")
    assert rankings_keep(now=NOON + 6 * MINUTE) == ["today", "week"]
    late = DAWN + DAY - MINUTE
    assert rankings_keep(now=late) == ["today", "week"]
    assert rankings_keep(now=late + MINUTE) == ["week"]


@pytest.mark.database
def test_a_day_of_which_nothing_is_computed_yet_has_no_empty_ranking(week: dict[str, Stream]) -> None:
    rankings_keep(now=DAWN + DAY - MINUTE)
    yesterday = look()
    tomorrow = DAWN + DAY + MINUTE
    assert rankings_keep(now=tomorrow) == ["week"]
    # The ranking of the day before stands, and says of when it is.
    assert look() == yesterday
    assert ranking_past(period="today", category_id=None, offset=0, limit=1).as_of == DAWN + DAY - MINUTE
    # Once the new day's statistics were made, nobody watched is the truth.
    redis.ask_now([store.days_touch([TODAY + DAY], int((DAWN + 2 * DAY).timestamp() * 1000))])
    assert rankings_keep(now=tomorrow + MINUTE) == ["today"]
    assert look() == []


@pytest.mark.database
def test_what_redis_lost_is_made_again_by_the_next_run_and_never_an_empty_ranking(
    week: dict[str, Stream], redis_server: RedisServer
) -> None:
    rankings_keep(now=NOON)
    before = look("week")
    redis_server.flush()
    assert look("week") is None
    assert rankings_keep(now=NOON + MINUTE) == ["today", "week"]
    assert look("week") == before
    # One of them alone, as when one master of a Cluster is lost.
    redis.ask_now([("DEL", f"history:ranking:week:{week['jun'].category_id}")])
    assert look("week", "games") is None
    assert rankings_keep(now=NOON + 2 * MINUTE) == ["week"]
    assert look("week", "games") is not None


@pytest.mark.database
def test_who_is_gone_has_no_place(week: dict[str, Stream]) -> None:
    jun = week["jun"]
    jun.delete()
    rankings_keep(now=NOON)
    assert look() == [(1, "mina", "talk", 300, 50, 10)]
    Stream.objects.filter(pk=week["mina"].pk).update(broadcaster=jun.broadcaster)
    Stream.objects.filter(pk=week["mina plays"].pk).delete()
    Broadcaster.objects.filter(slug="mina").delete()
    rankings_keep(now=NOON + 5 * MINUTE)
    assert look() == []


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_read_the_tables_once(week: dict[str, Stream], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[datetime.date] = []
    watched = ranking_selectors.watched_of_days

    def noted(*, first: datetime.date, last: datetime.date) -> list[Watched]:
        reads.append(first)
        return watched(first=first, last=last)

    monkeypatch.setattr(ranking_selectors, "watched_of_days", noted)

    def run(meet: Callable[[], object]) -> list[Period]:
        meet()
        return rankings_keep(now=NOON)

    results = at_once(run)
    assert not any(isinstance(result, Exception) for result in results)
    assert sorted(reads) == [TODAY - 6 * DAY, TODAY]
    assert look("week") is not None


@pytest.mark.database
def test_a_run_that_fails_leaves_the_next_one_its_turn(
    week: dict[str, Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> list[Watched]:
        raise RuntimeError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(ranking_selectors, "watched_of_days", fails)
        with pytest.raises(RuntimeError):
            rankings_keep(now=NOON)
    assert rankings_keep(now=NOON) == ["today", "week"]
    assert redis.ask_now([ranking_store.making_claim("week")])[0] is not None


@pytest.mark.database
@pytest.mark.django_db
def test_the_task_makes_those_of_now() -> None:
    now = datetime.datetime.now(datetime.UTC)
    stream = stream_past("now", now - HOUR, now)
    day_make(stream, now.astimezone(SEOUL).date(), peak=5, average=1, unique=10, new=1, watched=30, live=60)
    rankings()
    assert look() == [(1, "mina", "talk", 30, 5, 10)]


@pytest.mark.database
@pytest.mark.django_db
def test_without_redis_it_says_so(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    with pytest.raises(CountsUnavailable):
        ranking_past(period="today", category_id=None, offset=0, limit=10)
    with pytest.raises(RedisError):
        rankings_keep(now=NOON)
