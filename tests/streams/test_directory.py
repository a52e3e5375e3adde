"""The directory: order, pages, categories, search, and what it says while counts cannot be read."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.streams import selectors, services
from apps.streams.models import Category, Stream
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]


def shown(client: Client, address: str = "/") -> list[tuple[str, int | None]]:
    """Title and viewers of each card, in order."""
    response = client.get(address)
    assert response.status_code == 200
    return [(card.stream.title, card.viewers) for card in response.context["cards"]]


def test_an_empty_house_has_no_cards(client: Client, house: PlainAudience):
    response = client.get("/")
    assert response.status_code == 200
    assert (response.context["cards"], response.context["total"], response.context["query"]) == ([], 0, "")
    assert response.context["counts_available"] is True


def test_most_viewers_come_first(client: Client, house: PlainAudience, new_stream: NewStream):
    for title, viewers in [("Few", 3), ("Many", 900), ("Some", 40)]:
        house.seat(new_stream(title), viewers)
    assert shown(client) == [("Many", 900), ("Some", 40), ("Few", 3)]


def test_without_counts_the_newest_come_first(client: Client, house: PlainAudience, new_stream: NewStream):
    for title, viewers in [("Old", 900), ("Newer", 3), ("Newest", 40)]:
        house.seat(new_stream(title), viewers)
    house.away = True
    assert shown(client) == [("Newest", None), ("Newer", None), ("Old", None)]
    assert client.get("/").context["counts_available"] is False


def test_streams_that_the_ranking_does_not_know_follow_newest_first(
    client: Client, house: PlainAudience, new_stream: NewStream
):
    house.seat(new_stream("Ranked"), 5)
    new_stream("New")
    new_stream("Newer")
    assert shown(client) == [("Ranked", 5), ("Newer", 0), ("New", 0)]
    house.forget()
    assert shown(client) == [("Newer", 0), ("New", 0), ("Ranked", 0)]


def test_what_has_ended_is_gone_even_while_it_is_ranked(client: Client, house: PlainAudience, new_stream: NewStream):
    ended, stays = new_stream("Ended"), new_stream("Stays")
    house.seat(ended, 50)
    house.seat(stays, 5)
    services.stream_end(stream=ended)
    assert shown(client) == [("Stays", 5)]


def test_a_page_has_24_cards_and_pages_cover_every_stream_once(
    client: Client, house: PlainAudience, new_stream: NewStream
):
    for number in range(50):
        stream = new_stream(f"Stream {number:02}")
        if number < 40:  # ten have not been entered yet
            house.seat(stream, 1000 - number)
    pages = [client.get("/", {"page": page}).context for page in (1, 2, 3)]
    assert [len(page["cards"]) for page in pages] == [24, 24, 2]
    assert [page["total"] for page in pages] == [50, 50, 50]
    titles = [card.stream.title for page in pages for card in page["cards"]]
    assert titles == [f"Stream {n:02}" for n in [*range(40), *range(49, 39, -1)]]


@pytest.mark.parametrize(
    ("page", "number"), [("0", 2), ("-1", 2), ("99", 2), ("x", 1), ("", 1), ("2", 2), ("9" * 30, 2)]
)
def test_a_page_that_is_not_there_becomes_the_nearest(
    client: Client, house: PlainAudience, new_stream: NewStream, page: str, number: int
):
    for _ in range(25):
        new_stream()
    response = client.get("/", {"page": page})
    assert (response.status_code, response.context["page_obj"].number) == (200, number)


def test_a_category_shows_only_its_own(client: Client, house: PlainAudience, new_stream: NewStream, music: Category):
    house.seat(new_stream("Game"), 90)
    house.seat(new_stream("Song", category=music), 5)
    assert shown(client, "/?category=music") == [("Song", 5)]
    context = client.get("/?category=music").context
    assert (context["category"], context["total"], context["filter_query"]) == (music, 1, "category=music")
    assert [category.slug for category in context["categories"]] == ["games", "music"]


def test_an_unknown_category_is_not_found(client: Client, house: PlainAudience):
    assert client.get("/?category=nothing").status_code == 404


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("SPEED", ["Speedrun night", "100%_speed"]),
        ("speed", ["Speedrun night", "100%_speed"]),
        ("%", ["100%_speed"]),
        ("_", ["100%_speed"]),
        ("\\", []),
        ("'; DROP TABLE streams; --", []),
        ("hana", ["Ballads"]),  # the broadcaster
        ("music", ["Ballads"]),  # the category
        ("음악", ["Ballads"]),  # the category in Korean
        ("s", ["Speedrun night", "Ballads", "100%_speed"]),
        ("  ballads ", ["Ballads"]),
    ],
)
def test_search_finds_by_title_broadcaster_and_category(
    client: Client, house: PlainAudience, new_stream: NewStream, music: Category, query: str, titles: list[str]
):
    house.seat(new_stream("Speedrun night", name="Jun"), 30)
    house.seat(new_stream("Ballads", name="Hana", category=music), 20)
    house.seat(new_stream("100%_speed", name="Bo"), 10)
    response = client.get("/", {"q": query})
    assert [card.stream.title for card in response.context["cards"]] == titles
    assert response.context["total"] == len(titles)


def test_search_within_a_category_keeps_both_in_page_links(
    client: Client, house: PlainAudience, new_stream: NewStream, music: Category
):
    new_stream("Night game")
    new_stream("Night & song", category=music)
    response = client.get("/", {"q": "night &", "category": "music"})
    assert [card.stream.title for card in response.context["cards"]] == ["Night & song"]
    assert response.context["filter_query"] == "q=night+%26&category=music"


@pytest.mark.parametrize("query", ["x" * 81, "a\x00b"])
def test_a_search_that_cannot_be_is_refused(client: Client, house: PlainAudience, new_stream: NewStream, query: str):
    new_stream()
    response = client.get("/", {"q": query})
    assert response.status_code == 400
    assert (response.context["cards"], response.context["total"]) == ([], 0)
    assert list(response.context["search_form"].errors) == ["q"]


def test_text_of_others_is_escaped(client: Client, house: PlainAudience, new_stream: NewStream):
    new_stream("<script>alert(1)</script>", name="<b>Bo</b>")
    page = client.get("/", {"q": "<script>"}).content.decode()
    assert "<script>alert(1)" not in page
    assert "<b>Bo</b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_page_takes_few_queries_however_many_cards(
    client: Client, house: PlainAudience, new_stream: NewStream, django_assert_num_queries: Any
):
    for _ in range(30):
        house.seat(new_stream(), 5)
    with django_assert_num_queries(4):  # count, featured, rows of the page, categories
        client.get("/")
    assert house.counts_calls == 1


@pytest.mark.parametrize(("method", "status"), [("head", 200), ("post", 405), ("put", 405), ("delete", 405)])
def test_the_directory_is_only_read(client: Client, house: PlainAudience, method: str, status: int):
    assert getattr(client, method)("/").status_code == status


def test_live_streams_are_found_by_index(new_stream: NewStream):
    """The table's index serves the list: no sort of the whole table, no scan of the history."""
    new_stream()
    plan = selectors.live_find().rows.explain()
    assert "streams_live" in plan
