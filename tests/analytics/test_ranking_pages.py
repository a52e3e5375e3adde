"""The page of rankings, without JavaScript: now, today, the week; nothing yet, being made, away."""

from typing import Any

import pytest
from django.test import Client

from apps.analytics import ranking_store
from apps.analytics.ranking import Period, RankedBroadcaster
from apps.audience.services import audience_sweep, stream_list
from apps.realtime import redis
from apps.streams.models import Stream
from apps.streams.services import category_ensure
from tests.analytics.house import stream_make, viewers_arrive
from tests.analytics.owned import Owned, owned_make, seoul, stream_write
from tests.analytics.test_pages import text
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def owned(db: None) -> Owned:
    return owned_make()


def rank(*streams: Stream, total: int | None = None, period: Period = "today") -> None:
    """The ranking: these streams' broadcasters, then others up to `total`."""
    known = [(one.broadcaster_id, one.broadcaster.slug, one.broadcaster.name) for one in streams]
    known += [(900_000 + n, f"b{n}", f"B {n}") for n in range(len(known), total or len(known))]
    rows = [RankedBroadcaster(place, *who, "talk", 6_000 // place, 50, 70) for place, who in enumerate(known, start=1)]
    redis.ask_now(ranking_store.ranking_put(period=period, category_id=None, as_of_ms=1_772_413_200_000, rows=rows))


def test_live_streams_by_viewers(client: Client, db: None):
    few, many = stream_make("few"), stream_make("many")
    viewers_arrive(few, "v1")
    viewers_arrive(many, "v1", "v2", "v3")
    audience_sweep()
    response = client.get("/rankings/")
    places = response.context["listing"]
    assert places.index("many speaks") < places.index("few speaks")
    assert places.count("<tr class=") == 2
    assert f'href="/live/{many.pk}/"' in places
    assert '<rect width="33.3" height="4" rx="1"/>' in places


def test_broadcasters_by_what_was_watched(client: Client, owned: Owned):
    live = stream_write(owned.channel, "Now on", started_at=seoul(4), viewers=[], ended=False)
    rank(owned.first, total=3)
    words = text(client.get("/rankings/?period=today"))
    assert "As of 2026-03-02 10:00 in Seoul." in words
    assert f'<a href="/live/{live.pk}/">Mina</a> <span class="badge">LIVE</span>' in words
    assert words.index("Mina") < words.index("B 1") < words.index("B 2")
    assert "100 h" in words
    assert "50.0 h" in words


def test_what_viewers_of_seven_days_are_is_said(client: Client, db: None):
    rank(total=1)
    rank(total=1, period="week")
    twice = "Viewers of each stream and day are added up: who came on two days counts twice."
    assert twice in text(client.get("/rankings/?period=week"))
    assert twice not in text(client.get("/rankings/?period=today"))
    korean = text(client.get("/rankings/?period=week", headers={"accept-language": "ko"}))
    assert "이틀에 온 사람은 두 번 셉니다." in korean


def test_rankings_have_pages(client: Client, db: None):
    rank(total=120)
    first, third = (text(client.get(f"/rankings/?period=today&page={number}")) for number in (1, 3))
    assert ("B 49" in first, "B 50" in first, "Page 1 of 3" in first) == (True, False, True)
    assert ("B 99" in third, "B 100" in third, "B 119" in third) == (False, True, True)
    assert 'href="?period=today&amp;page=2"' in first


def test_an_empty_ranking_is_told_from_one_that_is_not_there(client: Client, db: None):
    assert "This ranking is being made." in text(client.get("/rankings/?period=week"))
    rank(total=0)
    assert "Nothing has been watched yet" in text(client.get("/rankings/?period=today"))
    assert "Nobody is live" in text(client.get("/rankings/"))


def test_rankings_while_redis_is_away(client: Client, owned: Owned, private_redis: RedisServer, use_redis: Any):
    stream_write(owned.channel, "Now on", started_at=seoul(4), viewers=[], ended=False)
    use_redis(private_redis.url)
    private_redis.stop()
    for period in ("now", "today", "week"):
        response = client.get(f"/rankings/?period={period}")
        assert (response.status_code, "The counts cannot be read right now." in text(response)) == (200, True)


def test_a_categorys_ranking_only(client: Client, db: None):
    talk = stream_make("ann")
    music = category_ensure(slug="music", name="Music", name_ko="음악", position=1)
    sing = stream_make("sol")
    Stream.objects.filter(pk=sing.pk).update(category=music)
    stream_list(stream=Stream.objects.get(pk=sing.pk), previous_category_id=talk.category_id)
    audience_sweep()
    words = text(client.get("/rankings/?category=music"))
    assert ("sol speaks" in words, "ann speaks" in words) == (True, False)
    assert 'href="?period=today&amp;category=music"' in words
    assert client.get("/rankings/?category=none").status_code == 404
    assert client.get("/rankings/?period=month").status_code == 404


def test_rankings_in_korean(client: Client, db: None):
    words = text(client.get("/rankings/?period=week", headers={"accept-language": "ko"}))
    assert "랭킹을 만들고 있습니다." in words
