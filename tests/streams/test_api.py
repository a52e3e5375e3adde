"""/api/streams: shapes, limits, and one form for every error."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.streams import services
from apps.streams.models import Category, Stream
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]


def described(stream: Stream) -> dict[str, Any]:
    """What every answer says of a stream, figures apart."""
    return {
        "id": stream.pk,
        "title": stream.title,
        "category": {"slug": "games", "name": "Games", "name_ko": "게임"},
        "broadcaster": {"slug": stream.broadcaster.slug, "name": stream.broadcaster.name},
        "status": stream.status,
        "started_at": stream.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def test_live_streams_come_by_viewers(client: Client, house: PlainAudience, new_stream: NewStream):
    few, many = new_stream("Few"), new_stream("Many")
    house.seat(few, 3, peak=5)
    house.seat(many, 900)
    response = client.get("/api/streams")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert response.json() == {
        "items": [
            {**described(many), "viewers": 900, "peak": 900},
            {**described(few), "viewers": 3, "peak": 5},
        ],
        "total": 2,
    }


def test_a_slice_of_the_list(client: Client, house: PlainAudience, new_stream: NewStream):
    for number in range(5):
        house.seat(new_stream(f"Stream {number}"), 100 - number)
    answer = client.get("/api/streams", {"limit": 2, "offset": 3}).json()
    assert ([item["title"] for item in answer["items"]], answer["total"]) == (["Stream 3", "Stream 4"], 5)
    assert client.get("/api/streams", {"offset": 5}).json() == {"items": [], "total": 5}


def test_the_list_by_category_and_by_search(
    client: Client, house: PlainAudience, new_stream: NewStream, music: Category
):
    new_stream("Game night")
    new_stream("Song night", category=music)
    titles = [
        [item["title"] for item in client.get("/api/streams", query).json()["items"]]
        for query in ({"category": "music"}, {"q": " NIGHT "}, {"q": "game", "category": "music"})
    ]
    assert titles == [["Song night"], ["Song night", "Game night"], []]


def test_without_counts_the_figures_are_null(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream()
    house.away = True
    assert client.get("/api/streams").json() == {
        "items": [{**described(stream), "viewers": None, "peak": None}],
        "total": 1,
    }
    detail = client.get(f"/api/streams/{stream.pk}").json()
    assert (detail["viewers"], detail["peak"], detail["total"]) == (None, None, None)


def test_one_live_stream(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream(poster_url="https://p.example/1.jpg", playback_url="https://v.example/1.m3u8")
    house.seat(stream, 7, peak=11, total=40)
    assert client.get(f"/api/streams/{stream.pk}").json() == {
        **described(stream),
        "viewers": 7,
        "peak": 11,
        "total": 40,
        "ended_at": None,
        "poster_url": "https://p.example/1.jpg",
        "playback_url": "https://v.example/1.m3u8",
        "zone": None,
    }


def test_an_ended_stream_has_its_final_figures(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream()
    house.seat(stream, 7, peak=11, total=40)
    services.stream_end(stream=stream)
    house.away = True
    answer = client.get(f"/api/streams/{stream.pk}").json()
    assert (answer["status"], answer["viewers"], answer["peak"], answer["total"]) == ("ended", 0, 11, 40)
    assert answer["ended_at"] is not None
    assert client.get("/api/streams").json() == {"items": [], "total": 0}


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("/api/streams/999999", "There is no such stream."),
        ("/api/streams?category=nothing", "There is no such category."),
        ("/api/", "There is nothing at this address."),
        ("/api/nothing/here", "There is nothing at this address."),
        ("/api/streams/", "There is nothing at this address."),
    ],
)
def test_what_is_not_there(client: Client, house: PlainAudience, address: str, detail: str):
    response = client.get(address)
    assert (response.status_code, response.json()) == (404, {"error": "not_found", "detail": detail})


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("/api/streams?limit=0", "limit: Input should be greater than or equal to 1"),
        ("/api/streams?limit=101", "limit: Input should be less than or equal to 100"),
        ("/api/streams?offset=-1", "offset: Input should be greater than or equal to 0"),
        ("/api/streams?offset=1000001", "offset: Input should be less than or equal to 1000000"),
        (
            "/api/streams?limit=x",
            "limit: Input should be a valid integer, unable to parse string as an integer",
        ),
        (f"/api/streams?q={'x' * 81}", "q: String should have at most 80 characters"),
        (f"/api/streams?category={'x' * 61}", "category: String should have at most 60 characters"),
        ("/api/streams?q=%00", "q: String should match pattern '^[^\\x00]*$'"),
        ("/api/streams/0", "stream_id: Input should be greater than or equal to 1"),
        (f"/api/streams/{2**63}", "stream_id: Input should be less than or equal to 9223372036854775807"),
        (
            "/api/streams/x",
            "stream_id: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_bad_input_is_named(client: Client, house: PlainAudience, address: str, detail: str):
    response = client.get(address)
    assert (response.status_code, response.json()) == (422, {"error": "invalid", "detail": detail})


@pytest.mark.parametrize("address", ["/api/streams", "/api/streams/1"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused_in_json(client: Client, house: PlainAudience, address: str, method: str):
    response = getattr(client, method)(address)
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert response.json() == {"error": "method_not_allowed", "detail": "This method is not allowed here."}


def test_head_is_answered_like_get(client: Client, house: PlainAudience, new_stream: NewStream):
    new_stream()
    response = client.head("/api/streams")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json; charset=utf-8")


@pytest.mark.parametrize("address", ["/api/streams/1/token", "/api/streams"])
def test_a_body_that_is_too_large_is_refused(client: Client, house: PlainAudience, address: str):
    response = client.post(address, data=b"x" * (16 * 1024 + 1), content_type="application/json")
    assert (response.status_code, response.json()) == (
        413,
        {"error": "too_large", "detail": "The body may have at most 16384 bytes."},
    )


def test_a_body_whose_size_is_not_told_is_refused(client: Client, house: PlainAudience):
    response = client.post(
        "/api/streams/1/token", data=b"{}", content_type="application/json", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert (response.status_code, response.json()["error"]) == (411, "length_required")


def test_a_body_that_is_not_json_is_refused(client: Client, house: PlainAudience):
    response = client.post("/api/streams/1/token", data=b"{not json", content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (400, "bad_request")


def test_a_fault_of_ours_is_json_too_and_tells_nothing(house: PlainAudience, new_stream: NewStream):
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    new_stream()
    house.counts = fail  # type: ignore[method-assign]
    response = Client(raise_request_exception=False).get("/api/streams")
    assert (response.status_code, response.json()) == (
        500,
        {"error": "internal_server_error", "detail": "Something went wrong on our side."},
    )


def test_the_api_describes_itself(client: Client, house: PlainAudience):
    described_api = client.get("/api/openapi.json").json()
    assert described_api["info"]["title"] == "Fullhouse API"
    assert sorted(described_api["paths"]) == [
        "/api/broadcasters/{slug}/days",
        "/api/broadcasters/{slug}/export",
        "/api/broadcasters/{slug}/growth",
        "/api/broadcasters/{slug}/heat-map",
        "/api/broadcasters/{slug}/series",
        "/api/broadcasters/{slug}/streams",
        "/api/rankings",
        "/api/rankings/{period}",
        "/api/streams",
        "/api/streams/{stream_id}",
        "/api/streams/{stream_id}/comparison",
        "/api/streams/{stream_id}/days",
        "/api/streams/{stream_id}/export",
        "/api/streams/{stream_id}/series",
        "/api/streams/{stream_id}/token",
        "/api/streams/{stream_id}/viewers",
    ]
    page = client.get("/api/docs").content.decode()
    assert "/api/openapi.json" in page
    assert "//cdn" not in page  # everything comes from here
