"""Streams behind a zone: no pass, no page, no token; a pass opens once what it is for, and for whom it was made."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, override_settings

from apps.accounts.models import User
from apps.accounts.viewers import BROWSER_COOKIE
from apps.audience.tokens import viewer_token_read
from apps.realtime.tokens import token_sign
from apps.streams import services
from apps.streams.models import Category, Stream
from apps.streams.passage import PASSAGE_SECONDS, cookie_name
from apps.streams.ports import register_audience
from apps.waitingroom.models import Zone
from apps.waitingroom.passes import pass_sign
from apps.waitingroom.tickets import client_mark
from tests.services.redis_server import RedisServer
from tests.streams.house import PlainAudience
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db]
NewStream = Callable[..., Stream]

REFUSAL = {"error": "pass_required", "detail": "This stream has a waiting room. Come through it first."}
AGENT = "An agent/1.0"


@pytest.fixture
def zone(db: None) -> Zone:
    return zone_make("concert")


@pytest.fixture
def stream(new_stream: NewStream, zone: Zone) -> Stream:
    """A stream behind the zone, in a house with an audience."""
    return new_stream("On stage", zone=zone, playback_url="https://v.example/1.m3u8")


def page_of(stream: Stream) -> str:
    return f"/live/{stream.pk}/"


def browser_of(client: Client, stream: Stream) -> str:
    """The client's browser id, which the first redirect gives it."""
    client.get(page_of(stream))
    return client.cookies[BROWSER_COOKIE].value


def pass_of(identity: str, zone_id: str = "concert", *, place: int = 7, ago_s: int = 0, pass_s: int = 600) -> str:
    """A pass as the waiting room gives one to who is known by this cookie, or address and agent."""
    issued_ms = int(time.time() - ago_s) * 1000
    return pass_sign(
        zone_id=zone_id, epoch=1, place=place, client=client_mark(identity), issued_ms=issued_ms, pass_s=pass_s
    )


def come_in(client: Client, stream: Stream) -> Any:
    """The client goes through the waiting room."""
    return client.get(page_of(stream), {"pass": pass_of(browser_of(client, stream))})


def ask_token(client: Client, stream: Stream) -> Any:
    return client.post(f"/api/streams/{stream.pk}/token", {}, content_type="application/json")


# --- without a pass -----------------------------------------------------------------------------------------------


def test_without_a_pass_the_page_leads_to_the_waiting_room(client: Client, house: PlainAudience, stream: Stream):
    response = client.get(page_of(stream))
    assert (response.status_code, response["Location"]) == (302, f"/wait/concert/?next=/live/{stream.pk}/")
    assert "no-store" in response["Cache-Control"]
    # The pass will be made for this browser, so it must be known before it waits.
    assert (BROWSER_COOKIE in response.cookies, cookie_name("concert") in response.cookies) == (True, False)
    assert b"token" not in response.content


@pytest.mark.parametrize("method", ["get", "head"])
def test_signed_in_or_the_owner_makes_no_difference(
    client: Client, house: PlainAudience, games: Category, zone: Zone, mina: User, method: str
):
    broadcaster = services.broadcaster_ensure(user=mina)
    stream = services.stream_start(broadcaster=broadcaster, category=games, title="Mine", zone=zone)
    client.force_login(mina)
    response = getattr(client, method)(page_of(stream))
    assert (response.status_code, response["Location"]) == (302, f"/wait/concert/?next=/live/{stream.pk}/")


def test_without_a_pass_there_is_no_token(client: Client, house: PlainAudience, stream: Stream):
    response = ask_token(client, stream)
    assert (response.status_code, response.json()) == (403, REFUSAL)
    assert dict(response.cookies) == {}


def test_the_api_names_the_zone_and_hides_the_video(client: Client, house: PlainAudience, stream: Stream):
    answer = client.get(f"/api/streams/{stream.pk}").json()
    assert (answer["zone"], answer["playback_url"]) == ("concert", "")
    come_in(client, stream)
    answer = client.get(f"/api/streams/{stream.pk}").json()
    assert (answer["zone"], answer["playback_url"]) == ("concert", "https://v.example/1.m3u8")


def test_a_stream_without_a_zone_is_open(client: Client, house: PlainAudience, new_stream: NewStream, zone: Zone):
    free = new_stream("Free")
    response = client.get(page_of(free), {"pass": "whatever"})
    assert (response.status_code, response.context["is_protected"]) == (200, False)
    assert (ask_token(client, free).status_code, cookie_name("concert") in client.cookies) == (200, False)


def test_the_figures_of_a_stream_that_ended_are_for_everybody(client: Client, house: PlainAudience, stream: Stream):
    services.stream_end(stream=stream)
    response = client.get(page_of(stream))
    assert (response.status_code, response.context["socket_token"]) == (200, "")
    assert ask_token(client, stream).status_code == 410
    assert client.get(f"/api/streams/{stream.pk}").json()["zone"] is None
    # Who was let in just then comes with a pass, which does not stay in the address.
    late = client.get(page_of(stream), {"pass": pass_of(browser_of(client, stream))})
    assert (late.status_code, late["Location"]) == (302, page_of(stream))


# --- with a pass --------------------------------------------------------------------------------------------------


def test_a_pass_becomes_a_cookie_and_a_clean_address(client: Client, house: PlainAudience, stream: Stream):
    response = come_in(client, stream)
    assert (response.status_code, response["Location"]) == (302, page_of(stream))
    cookie = response.cookies[cookie_name("concert")]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"], cookie["path"]) == (True, "Lax", 3600, "/")
    assert "no-store" in response["Cache-Control"]
    page = client.get(page_of(stream))
    browser = client.cookies[BROWSER_COOKIE].value
    assert (page.status_code, page.context["is_protected"]) == (200, True)
    assert page.context["socket_token"] == f"token-of-a{browser}-for-{stream.pk}"


@override_settings(SESSION_COOKIE_SECURE=True)
def test_the_cookie_is_secure_where_all_are(client: Client, house: PlainAudience, stream: Stream):
    assert come_in(client, stream).cookies[cookie_name("concert")]["secure"] is True


def test_with_the_cookie_tokens_are_given_for_this_browser(client: Client, house: PlainAudience, stream: Stream):
    come_in(client, stream)
    response = ask_token(client, stream)
    browser = client.cookies[BROWSER_COOKIE].value
    assert response.status_code == 200
    claims = viewer_token_read(token=response.json()["token"], browser_id=browser)
    assert (claims.stream_id, claims.viewer_id) == (stream.pk, f"a{browser}")


def test_each_token_brings_another_hour(
    client: Client, house: PlainAudience, stream: Stream, monkeypatch: pytest.MonkeyPatch
):
    come_in(client, stream)
    now = time.time()
    for later in (3_500, 7_000, 10_500):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert ask_token(client, stream).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 10_500 + PASSAGE_SECONDS - 5)
    assert client.get(page_of(stream)).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 10_500 + 2 * PASSAGE_SECONDS)
    assert (ask_token(client, stream).status_code, client.get(page_of(stream)).status_code) == (403, 302)


def test_a_cookie_opens_every_stream_of_its_zone_and_no_other(
    client: Client, house: PlainAudience, stream: Stream, new_stream: NewStream, zone: Zone
):
    beside, elsewhere = new_stream("Beside", zone=zone), new_stream("Elsewhere", zone=zone_make("other"))
    come_in(client, stream)
    assert client.get(page_of(beside)).status_code == 200
    assert client.get(page_of(elsewhere))["Location"] == f"/wait/other/?next=/live/{elsewhere.pk}/"
    client.cookies[cookie_name("other")] = client.cookies[cookie_name("concert")].value
    assert (client.get(page_of(elsewhere)).status_code, ask_token(client, elsewhere).status_code) == (302, 403)


def test_a_cookie_carried_to_another_browser_opens_nothing(client: Client, house: PlainAudience, stream: Stream):
    come_in(client, stream)
    thief = Client()
    browser_of(thief, stream)
    thief.cookies[cookie_name("concert")] = client.cookies[cookie_name("concert")].value
    assert (thief.get(page_of(stream)).status_code, ask_token(thief, stream).status_code) == (302, 403)


@pytest.mark.parametrize("purpose", ["viewer", "ticket"])
def test_a_token_of_another_purpose_is_no_cookie(client: Client, house: PlainAudience, stream: Stream, purpose: str):
    come_in(client, stream)
    value = client.cookies[cookie_name("concert")].value
    fields = value.split(".")[:-2]
    client.cookies[cookie_name("concert")] = token_sign(
        purpose=purpose, fields=fields, expires_at=int(time.time()) + 99
    )
    assert (client.get(page_of(stream)).status_code, ask_token(client, stream).status_code) == (302, 403)


def test_a_pass_in_the_address_of_who_is_in_already_is_taken_out(client: Client, house: PlainAudience, stream: Stream):
    come_in(client, stream)
    response = client.get(page_of(stream), {"pass": "whatever"})
    assert (response.status_code, response["Location"]) == (302, page_of(stream))


def test_a_preview_of_a_link_uses_nothing_up(client: Client, house: PlainAudience, stream: Stream):
    Zone.objects.update(single_use=True)
    presented = pass_of(browser_of(client, stream))
    response = client.head(page_of(stream), {"pass": presented})
    assert (response.status_code, response["Location"]) == (302, f"/wait/concert/?next=/live/{stream.pk}/")
    assert client.get(page_of(stream), {"pass": presented})["Location"] == page_of(stream)


# --- a pass that is no good ---------------------------------------------------------------------------------------


def bad_passes(browser: str) -> dict[str, tuple[str, str]]:
    good = pass_of(browser)
    body, _, mac = good.rpartition(".")
    return {
        "empty": ("", "malformed"),
        "words": ("let me in", "malformed"),
        "altered": (f"{body[:-1]}{(int(body[-1]) + 1) % 10}.{mac}", "forged"),
        "cut": (good[:-1], "malformed"),
        "expired": (pass_of(browser, ago_s=601), "expired"),
        "other zone": (pass_of(browser, "other"), "other_zone"),
        "other browser": (pass_of("0" * 32), "other_client"),
        "other key": (good.replace("concert", "other"), "other_zone"),
        "huge": ("x" * 5_000, "malformed"),
    }


@pytest.mark.parametrize("kind", list(bad_passes("0" * 32)))
def test_a_bad_pass_is_refused_with_a_way_back(client: Client, house: PlainAudience, stream: Stream, kind: str):
    presented, reason = bad_passes(browser_of(client, stream))[kind]
    response = client.get(page_of(stream), {"pass": presented})
    assert (response.status_code, response.context["reason"]) == (403, reason)
    page = response.content.decode()
    # With `again`, for the place that gave this pass gives the same one for ever.
    assert f'href="/wait/concert/?next=/live/{stream.pk}/&amp;again=1"' in page
    assert "socketPath" not in page
    assert cookie_name("concert") not in client.cookies
    assert (client.get(page_of(stream)).status_code, ask_token(client, stream).status_code) == (302, 403)


def test_a_pass_made_with_another_secret_is_forged(client: Client, house: PlainAudience, stream: Stream):
    browser = browser_of(client, stream)
    with override_settings(SECRET_KEY="another secret altogether, which this house never used for anything"):
        presented = pass_of(browser)
    response = client.get(page_of(stream), {"pass": presented})
    assert (response.status_code, response.context["reason"]) == (403, "forged")


def test_a_pass_of_an_app_is_good_for_the_address_and_agent_it_named(
    client: Client, house: PlainAudience, stream: Stream
):
    presented = pass_of(f"127.0.0.1\n{AGENT}")
    refused = client.get(page_of(stream), {"pass": presented}, headers={"User-Agent": "Another agent"})
    assert (refused.status_code, refused.context["reason"]) == (403, "other_client")
    refused = client.get(page_of(stream), {"pass": presented}, headers={"User-Agent": AGENT}, REMOTE_ADDR="10.0.0.9")
    assert refused.status_code == 403
    assert client.get(page_of(stream), {"pass": presented}, headers={"User-Agent": AGENT}).status_code == 302
    assert client.get(page_of(stream)).status_code == 200


# --- passes that open once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 7])  # 0: the first of a line, or given while Redis was away
@pytest.mark.parametrize("redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True)
def test_a_single_use_pass_opens_once(client: Client, house: PlainAudience, stream: Stream, redis_url: str, place: int):
    Zone.objects.update(single_use=True)
    browser = browser_of(client, stream)
    presented = pass_of(browser, place=place)
    assert client.get(page_of(stream), {"pass": presented})["Location"] == page_of(stream)
    del client.cookies[cookie_name("concert")]
    again = client.get(page_of(stream), {"pass": presented})
    assert (again.status_code, again.context["reason"]) == (403, "used")
    assert cookie_name("concert") not in client.cookies
    assert client.get(page_of(stream), {"pass": pass_of(browser, place=8)})["Location"] == page_of(stream)


def test_a_refused_pass_is_not_used_up(client: Client, house: PlainAudience, stream: Stream):
    Zone.objects.update(single_use=True)
    presented = pass_of(browser_of(client, stream))
    stranger = Client()
    browser_of(stranger, stream)
    assert stranger.get(page_of(stream), {"pass": presented}).status_code == 403
    assert client.get(page_of(stream), {"pass": presented})["Location"] == page_of(stream)


def test_other_passes_open_as_often_as_they_like(client: Client, house: PlainAudience, stream: Stream):
    presented = pass_of(browser_of(client, stream))
    for _ in range(2):
        assert client.get(page_of(stream), {"pass": presented}).status_code == 302
        del client.cookies[cookie_name("concert")]


@pytest.mark.parametrize(("fail_mode", "place", "status"), [("closed", 7, 503), ("open", 7, 302), ("open", 0, 302)])
def test_without_redis_the_zones_fail_mode_holds(
    client: Client,
    house: PlainAudience,
    stream: Stream,
    private_redis: RedisServer,
    use_redis: Callable[[str], str],
    fail_mode: str,
    place: int,
    status: int,
):
    Zone.objects.update(single_use=True, fail_mode=fail_mode)
    presented = pass_of(browser_of(client, stream), place=place)
    use_redis(private_redis.url)
    private_redis.stop()
    response = client.get(page_of(stream), {"pass": presented})
    assert response.status_code == status
    assert (cookie_name("concert") in client.cookies) == (status == 302)


def test_without_redis_other_passes_are_checked_all_the_same(
    client: Client, house: PlainAudience, stream: Stream, private_redis: RedisServer, use_redis: Callable[[str], str]
):
    use_redis(private_redis.url)
    private_redis.stop()
    assert come_in(client, stream)["Location"] == page_of(stream)
    assert client.get(page_of(stream)).status_code == 200


def test_without_any_audience_the_door_holds(client: Client, house: PlainAudience, stream: Stream):
    register_audience(None)
    assert client.get(page_of(stream)).status_code == 302
    come_in(client, stream)
    assert client.get(page_of(stream)).context["socket_token"] == ""
