"""The studio: a broadcaster's own pages, without JavaScript; nobody touches what is someone else's."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts.models import User
from apps.streams import services
from apps.streams.models import Broadcaster, Category, Stream
from apps.streams.ports import Counts
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def stream(mina: User, games: Category) -> Stream:
    """What Mina has on."""
    return services.stream_start(broadcaster=services.broadcaster_ensure(user=mina), category=games, title="Mine")


@pytest.fixture
def as_mina(client: Client, house: PlainAudience, mina: User) -> Client:
    client.force_login(mina)
    return client


def told(chosen: Category, **changes: str) -> dict[str, Any]:
    """What a browser posts from the form."""
    return {"title": "Night radio", "category": chosen.pk, "poster_url": "", "playback_url": "", **changes}


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize(
    ("method", "address"),
    [("get", "/studio/"), ("post", "/studio/start/"), ("post", "/studio/1/edit/"), ("post", "/studio/1/end/")],
)
def test_strangers_are_asked_to_sign_in(client: Client, house: PlainAudience, method: str, address: str):
    response = getattr(client, method)(address)
    assert (response.status_code, response["Location"]) == (302, f"/accounts/sign-in/?next={address}")
    assert Broadcaster.objects.count() == 0


def test_a_newcomer_sees_a_form_and_has_no_channel_yet(as_mina: Client, games: Category):
    context = as_mina.get("/studio/").context
    assert (context["broadcaster"], context["live_stream"], context["edit_form"]) == (None, None, None)
    assert list(context["start_form"].fields) == ["title", "category", "poster_url", "playback_url"]
    assert list(context["page_obj"]) == []
    assert Broadcaster.objects.count() == 0


def test_the_first_start_makes_the_channel_too(as_mina: Client, games: Category, mina: User):
    posted = told(games, title="  Night radio ", poster_url="posters.example/1.jpg")
    response = as_mina.post("/studio/start/", posted)
    assert (response.status_code, response["Location"]) == (302, "/studio/")
    stored = Stream.objects.select_related("broadcaster").get()
    assert (stored.title, stored.category, stored.poster_url, stored.status) == (
        "Night radio",
        games,
        "https://posters.example/1.jpg",
        "live",
    )
    assert (stored.broadcaster.user_id, stored.broadcaster.name, stored.broadcaster.slug) == (mina.pk, "Mina", "mina")
    assert said(response) == ["You are live: Night radio"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"category": "999"}, "category"),
        ({"category": "games"}, "category"),
        ({"poster_url": "javascript:alert(1)"}, "poster_url"),
        ({"poster_url": "not an address"}, "poster_url"),
        ({"playback_url": "ftp://files.example/a.mp4"}, "playback_url"),
        ({"playback_url": "https://x.example/" + "a" * 500}, "playback_url"),
    ],
)
def test_a_bad_start_says_what_is_wrong_and_makes_nothing(
    as_mina: Client, games: Category, changes: dict[str, str], field: str
):
    response = as_mina.post("/studio/start/", told(games, **changes))
    assert response.status_code == 200
    assert list(response.context["start_form"].errors) == [field]
    assert (Stream.objects.count(), Broadcaster.objects.count()) == (0, 0)


def test_a_second_start_is_refused(as_mina: Client, stream: Stream, games: Category):
    response = as_mina.post("/studio/start/", told(games, title="Another"))
    assert response.status_code == 409
    assert response.context["live_stream"] == stream
    assert said(response) == ["You are already live. End that stream first."]
    assert list(Stream.objects.values_list("title", flat=True)) == ["Mine"]


def test_the_studio_shows_what_is_on(as_mina: Client, house: PlainAudience, stream: Stream, games: Category):
    house.seat(stream, 7, peak=9, total=30)
    context = as_mina.get("/studio/").context
    assert (context["live_stream"], context["start_form"]) == (stream, None)
    assert context["live_counts"] == Counts(current=7, peak=9, total=30)
    assert context["edit_form"].initial == {"title": "Mine", "category": games.pk, "poster_url": "", "playback_url": ""}


def test_the_studio_stands_without_counts(as_mina: Client, house: PlainAudience, stream: Stream):
    house.away = True
    response = as_mina.get("/studio/")
    assert response.status_code == 200
    assert (response.context["live_counts"], response.context["counts_available"]) == (None, False)


def test_an_edit_changes_what_viewers_read(as_mina: Client, stream: Stream, music: Category):
    response = as_mina.post(f"/studio/{stream.pk}/edit/", told(music, title="Changed"))
    assert (response.status_code, response["Location"]) == (302, "/studio/")
    stored = Stream.objects.get()
    assert (stored.title, stored.category, stored.status) == ("Changed", music, "live")


def test_a_bad_edit_changes_nothing(as_mina: Client, stream: Stream, music: Category):
    response = as_mina.post(f"/studio/{stream.pk}/edit/", told(music, title="", poster_url="javascript:1"))
    assert response.status_code == 200
    assert sorted(response.context["edit_form"].errors) == ["poster_url", "title"]
    stored = Stream.objects.get()
    assert (stored.title, stored.category_id, stored.poster_url) == ("Mine", stream.category_id, "")


def test_an_ended_stream_cannot_be_edited(as_mina: Client, stream: Stream, music: Category):
    services.stream_end(stream=stream)
    response = as_mina.post(f"/studio/{stream.pk}/edit/", told(music, title="Changed"))
    assert response.status_code == 409
    assert said(response) == ["That stream has ended, so it stays as it was."]
    assert Stream.objects.get().title == "Mine"


def test_the_end_is_asked_first_and_done_by_post(as_mina: Client, house: PlainAudience, stream: Stream):
    house.seat(stream, 7, peak=9, total=30)
    asked = as_mina.get(f"/studio/{stream.pk}/end/")
    assert (asked.status_code, asked.context["stream"]) == (200, stream)
    assert asked.context["live_counts"] == Counts(current=7, peak=9, total=30)
    assert Stream.objects.get().status == "live"
    for _ in range(2):  # twice says the same as once
        response = as_mina.post(f"/studio/{stream.pk}/end/")
        assert (response.status_code, response["Location"]) == (302, "/studio/")
    stored = Stream.objects.get()
    assert (stored.status, stored.peak_viewers, stored.total_viewers) == ("ended", 9, 30)
    assert as_mina.get(f"/studio/{stream.pk}/end/")["Location"] == "/studio/"


@pytest.mark.parametrize(("method", "what"), [("get", "end"), ("post", "end"), ("post", "edit")])
def test_someone_elses_stream_is_not_found_and_stays(
    client: Client, house: PlainAudience, other: User, stream: Stream, games: Category, method: str, what: str
):
    client.force_login(other)
    response = getattr(client, method)(f"/studio/{stream.pk}/{what}/", told(games, title="Taken over"))
    assert response.status_code == 404
    stored = Stream.objects.get()
    assert (stored.title, stored.status) == ("Mine", "live")


def test_past_streams_are_listed_newest_first_twenty_a_page(as_mina: Client, mina: User, games: Category):
    broadcaster = services.broadcaster_ensure(user=mina)
    for number in range(21):
        services.stream_end(
            stream=services.stream_start(broadcaster=broadcaster, category=games, title=f"Past {number}")
        )
    titles = [stream.title for page in (1, 2) for stream in as_mina.get("/studio/", {"page": page}).context["page_obj"]]
    assert titles == [f"Past {number}" for number in range(20, -1, -1)]
    assert len(as_mina.get("/studio/").context["page_obj"]) == 20


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("head", "/studio/", 200),
        ("post", "/studio/", 405),
        ("get", "/studio/start/", 405),
        ("get", "/studio/1/edit/", 405),
        ("delete", "/studio/1/end/", 405),
    ],
)
def test_each_address_takes_its_own_methods(as_mina: Client, games: Category, method: str, address: str, status: int):
    assert getattr(as_mina, method)(address).status_code == status


def test_a_post_without_its_csrf_token_is_refused(house: PlainAudience, mina: User, stream: Stream):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(mina)
    assert strict.post(f"/studio/{stream.pk}/end/").status_code == 403
    assert Stream.objects.get().status == "live"
