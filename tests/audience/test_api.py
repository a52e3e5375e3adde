"""/api/streams/{id}/viewers, /api/rankings and the token endpoint: shapes, exact values, every refusal."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from ninja.throttling import SimpleRateThrottle

from apps.accounts.services import user_register
from apps.accounts.viewers import BROWSER_COOKIE
from apps.audience import house_store, services
from apps.audience.sessions import seoul_day
from apps.audience.tokens import viewer_token_make, viewer_token_read
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from apps.streams.services import category_ensure, stream_end
from tests.analytics.house import stream_make
from tests.audience.stage import NOON, Stage, run_one, tab
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

UNAVAILABLE = {"error": "service_unavailable", "detail": "The counts cannot be read now. Try again in a moment."}
NO_STREAM = {"error": "not_found", "detail": "There is no such stream."}
ENDED = {"error": "gone", "detail": "This stream has ended."}


@pytest.fixture
def ann(transactional_db: None) -> Stream:
    """A live stream, in the catalogue."""
    return stream_make("ann")


def today(stream: Stream) -> Stage:
    now_ms = int(time.time() * 1000)
    return Stage(stream.pk, at=now_ms - NOON, day=seoul_day(now_ms))


def ask(client: Client, address: str) -> tuple[int, Any]:
    response = client.get(address)
    return response.status_code, response.json()


# --- viewers ------------------------------------------------------------------------------------------------------


def test_viewers_now(client: Client, ann: Stream) -> None:
    stage = today(ann)
    stage.arrive(tab("t1", "v1"), tab("t1b", "v1"), tab("t2", "v2"), tab("t3", "v3"))
    stage.depart(tab("t3", "v3"))
    stage.sweep()
    before = int(time.time() * 1000)
    status, answer = ask(client, f"/api/streams/{ann.pk}/viewers")
    assert before <= answer.pop("at") <= int(time.time() * 1000)
    assert (status, answer) == (
        200,
        {
            "stream": ann.pk,
            "status": "live",
            "current": 2,
            "peak": 3,
            "total": 3,
            "unique_today": 3,
            "trail": [[stage.now_ms // 1000, 2]],
        },
    )


def test_a_trail_is_oldest_first(client: Client, ann: Stream) -> None:
    stage = today(ann)
    stage.arrive(tab("t1", "v1"))
    first = stage.now_ms // 1000
    for _ in range(3):
        stage.sweep()
        stage.at += 5_000
    trail = ask(client, f"/api/streams/{ann.pk}/viewers")[1]["trail"]
    assert trail == [[first, 1], [first + 5, 1], [first + 10, 1]]


def test_viewers_of_an_ended_stream(client: Client, ann: Stream) -> None:
    today(ann).arrive(tab("t1", "v1"))
    stream_end(stream=ann)
    status, answer = ask(client, f"/api/streams/{ann.pk}/viewers")
    assert (status, answer["status"], answer["current"]) == (200, "ended", 0)
    assert (answer["peak"], answer["total"], answer["unique_today"]) == (1, 1, 1)


def test_a_stream_that_redis_forgot_is_the_databases_to_tell(client: Client, ann: Stream) -> None:
    redis.run_now([("DEL", Stage(ann.pk).key("view:state"))])
    assert ask(client, f"/api/streams/{ann.pk}/viewers")[1]["status"] == "live"


def test_an_ended_stream_that_redis_forgot_keeps_its_final_figures(client: Client, ann: Stream) -> None:
    today(ann).arrive(tab("t1", "v1"))
    stream_end(stream=ann)
    sync_client().flushall()
    _, answer = ask(client, f"/api/streams/{ann.pk}/viewers")
    assert (answer["status"], answer["current"], answer["peak"], answer["total"]) == ("ended", 0, 1, 1)


def test_a_stream_that_never_was(client: Client, ann: Stream) -> None:
    assert ask(client, "/api/streams/999999/viewers") == (404, NO_STREAM)


@pytest.mark.parametrize(
    "address", ["/api/streams/0/viewers", "/api/streams/x/viewers", f"/api/streams/{2**63}/viewers"]
)
def test_an_id_that_is_none(client: Client, db: None, address: str) -> None:
    status, answer = ask(client, address)
    assert (status, answer["error"]) == (422, "invalid")
    assert answer["detail"].startswith("stream_id: ")


@pytest.mark.parametrize("address", ["/api/streams/{}/viewers", "/api/rankings", "/api/rankings?category=talk"])
def test_without_redis_the_api_says_so(
    client: Client, ann: Stream, private_redis: RedisServer, use_redis: Callable[[str], str], address: str
) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    assert ask(client, address.format(ann.pk)) == (503, UNAVAILABLE)


# --- rankings -----------------------------------------------------------------------------------------------------


def ranked(stream: Stream, rank: int, viewers: int, category: str = "talk") -> dict[str, Any]:
    return {
        "rank": rank,
        "id": stream.pk,
        "title": stream.title,
        "broadcaster": stream.broadcaster.name,
        "category": category,
        "viewers": viewers,
    }


def test_rankings(client: Client, ann: Stream) -> None:
    bob, cho = stream_make("bob"), stream_make("cho")
    for stream, viewers in ((ann, 2), (bob, 3), (cho, 1)):
        today(stream).arrive(*[tab(f"{stream.pk}-{n}", f"v{n}") for n in range(viewers)])
    services.audience_sweep(now_ms=today(ann).now_ms)
    status, answer = ask(client, "/api/rankings")
    assert (status, abs(answer["at"] - time.time() * 1000) < 10_000) == (200, True)
    assert answer["items"] == [ranked(bob, 1, 3), ranked(ann, 2, 2), ranked(cho, 3, 1)]
    assert ask(client, "/api/rankings?limit=1&offset=1")[1]["items"] == [ranked(ann, 2, 2)]
    assert ask(client, "/api/rankings?offset=3")[1]["items"] == []
    # The figures are of this moment, also when the order of the last sweep is older.
    today(cho).arrive(*[tab(f"{cho.pk}-{n}", f"v{n}") for n in range(1, 9)])
    assert ask(client, "/api/rankings")[1]["items"][0] == ranked(cho, 1, 9)


def test_rankings_of_a_category(client: Client, ann: Stream) -> None:
    bob = stream_make("bob")
    bob.category = category_ensure(slug="music", name="Music")
    bob.save(update_fields=["category"])
    services.catalog_rebuild()
    category_ensure(slug="empty", name="Nobody yet")
    assert ask(client, "/api/rankings?category=talk")[1]["items"] == [ranked(ann, 1, 0)]
    assert ask(client, "/api/rankings?category=music")[1]["items"] == [ranked(bob, 1, 0, "music")]
    assert ask(client, "/api/rankings?category=empty")[1]["items"] == []
    assert ask(client, "/api/rankings?category=nothing") == (
        404,
        {"error": "not_found", "detail": "There is no such category."},
    )


def test_a_stream_that_has_just_gone_is_left_out(client: Client, ann: Stream) -> None:
    run_one(("HDEL", house_store.CATALOG, ann.pk))
    assert ask(client, "/api/rankings")[1]["items"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=100001", f"category={'x' * 61}"]
)
def test_bad_rankings_are_named(client: Client, db: None, query: str) -> None:
    status, answer = ask(client, f"/api/rankings?{query}")
    assert (status, answer["error"]) == (422, "invalid")
    assert answer["detail"].startswith(query.partition("=")[0] + ": ")


# --- tokens -------------------------------------------------------------------------------------------------------


def token(client: Client, stream_id: int, old: str | None = None) -> tuple[int, Any]:
    body = {} if old is None else {"token": old}
    response = client.post(f"/api/streams/{stream_id}/token", json.dumps(body), content_type="application/json")
    return response.status_code, response.json()


def browser_of(client: Client) -> str:
    return client.cookies[BROWSER_COOKIE].value


def session_of(client: Client, answer: dict[str, Any]) -> str:
    return viewer_token_read(token=answer["token"], browser_id=browser_of(client)).session_id


def test_a_new_browser_gets_a_cookie_and_a_token_for_it(client: Client, ann: Stream) -> None:
    status, answer = token(client, ann.pk)
    assert (status, set(answer), answer["expires_in"]) == (200, {"token", "expires_in"}, 3600)
    claims = viewer_token_read(token=answer["token"], browser_id=browser_of(client))
    assert (claims.stream_id, claims.viewer_id) == (ann.pk, f"a{browser_of(client)}")
    assert client.cookies[BROWSER_COOKIE]["httponly"] is True


def test_the_pages_token_keeps_its_tab_the_same_session(client: Client, ann: Stream) -> None:
    first = token(client, ann.pk)[1]
    assert session_of(client, token(client, ann.pk, first["token"])[1]) == session_of(client, first)
    assert session_of(client, token(client, ann.pk)[1]) != session_of(client, first)


def test_an_expired_token_keeps_it_too(client: Client, ann: Stream) -> None:
    token(client, ann.pk)
    browser = browser_of(client)
    old = viewer_token_make(
        stream_id=ann.pk, viewer_id=f"a{browser}", session_id="ab12", browser_id=browser, now=time.time() - 90_000
    )
    assert session_of(client, token(client, ann.pk, old)[1]) == "ab12"


def test_nobody_gets_the_session_of_somebody_else(client: Client, ann: Stream) -> None:
    bob = stream_make("bob")
    mine = token(client, ann.pk)[1]["token"]
    session = viewer_token_read(token=mine, browser_id=browser_of(client)).session_id
    stranger = Client()
    assert session_of(stranger, token(stranger, ann.pk, mine)[1]) != session  # another browser
    assert session_of(client, token(client, bob.pk, mine)[1]) != session  # another stream
    assert session_of(client, token(client, ann.pk, mine[:-1] + "!")[1]) != session  # forged
    client.force_login(user_register(username="mina", password="a long enough pass"))
    answer = token(client, ann.pk, mine)[1]  # the same browser, signed in since: another viewer
    claims = viewer_token_read(token=answer["token"], browser_id=browser_of(client))
    assert (claims.viewer_id[0], claims.session_id != session) == ("u", True)


def test_there_are_tokens_for_live_streams_only(client: Client, ann: Stream) -> None:
    assert token(client, 999_999) == (404, NO_STREAM)
    stream_end(stream=ann)
    assert token(client, ann.pk) == (410, ENDED)
    assert BROWSER_COOKIE not in client.cookies


def test_the_description_tells_an_ended_stream_from_none(client: Client) -> None:
    operation = client.get("/api/openapi.json").json()["paths"]["/api/streams/{stream_id}/token"]["post"]
    answers = {code: operation["responses"][code] for code in ("404", "410")}
    assert {code: answer["description"] for code, answer in answers.items()} == {
        "404": "There is no such stream",
        "410": "The stream has ended: do not ask again",
    }
    schema = {"$ref": "#/components/schemas/ErrorOut"}
    assert [answer["content"] for answer in answers.values()] == [{"application/json": {"schema": schema}}] * 2


def test_no_body_asks_for_a_new_session(client: Client, ann: Stream) -> None:
    response = client.post(f"/api/streams/{ann.pk}/token", "", content_type="application/json")
    assert (response.status_code, len(session_of(client, response.json()))) == (200, 16)


@pytest.mark.parametrize("body", [{"token": "x" * 513}, {"token": 7}, {"token": None}, [], [1], "x", 7])
def test_a_bad_body_is_named(client: Client, ann: Stream, body: object) -> None:
    response = client.post(f"/api/streams/{ann.pk}/token", json.dumps(body), content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (422, "invalid")


def test_too_many_tokens_are_refused_until_a_second_has_passed(
    client: Client, ann: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1_800_000_000.0
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda throttle: moment)
    assert [token(client, ann.pk)[0] for _ in range(21)] == [200] * 20 + [429]
    assert token(client, ann.pk)[1]["error"] == "too_many_requests"
    moment += 1.001
    assert token(client, ann.pk)[0] == 200


def test_without_redis_a_token_is_still_given(
    client: Client, ann: Stream, private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    assert token(client, ann.pk)[0] == 200
