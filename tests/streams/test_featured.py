"""Featured streams: before all others in the directory, on its pages once each, until their end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts import ports as accounts_ports
from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.streams import selectors, services
from apps.streams.models import Category, Stream
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]
LIST = "/admin/streams/stream/"


@pytest.fixture
def desk(client: Client, house: PlainAudience) -> Client:
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


def titles(client: Client, address: str = "/") -> list[str]:
    return [card.stream.title for card in client.get(address).context["cards"]]


def act(client: Client, action: str, *streams: Stream, **posted: str) -> list[str]:
    chosen = [stream.pk for stream in streams]
    response = client.post(LIST, {"action": action, "_selected_action": chosen, **posted}, follow=True)
    return [str(message) for message in response.context["messages"]]


def logged() -> list[tuple[str, str]]:
    return [(entry.object_id or "", entry.get_change_message()) for entry in LogEntry.objects.order_by("pk")]


def test_featured_streams_come_first_in_their_own_order(client: Client, house: PlainAudience, new_stream: NewStream):
    many, some, few, none = (new_stream(title) for title in ("Many", "Some zz", "Few zz", "None"))
    for stream, viewers in ((many, 900), (some, 40), (few, 3)):
        house.seat(stream, viewers)
    services.stream_feature(stream=none, order=1)
    services.stream_feature(stream=few, order=2)
    assert titles(client) == ["None", "Few zz", "Many", "Some zz"]
    assert titles(client, "/?q=zz") == ["Some zz", "Few zz"]  # what is searched for is what was asked for
    assert client.get("/").content.decode().count(">Featured<") == 2
    house.away = True
    assert titles(client) == ["None", "Few zz", "Some zz", "Many"]
    house.away = False
    items = client.get("/api/streams").json()["items"]
    assert [item["title"] for item in items] == [
        "Many",
        "Some zz",
        "Few zz",
        "None",
    ]


def test_a_featured_stream_is_first_in_its_own_category_only(
    client: Client, house: PlainAudience, new_stream: NewStream, music: Category
):
    house.seat(new_stream("Many"), 900)
    song = new_stream("Song", category=music)
    house.seat(song, 1)
    house.seat(new_stream("Hit", category=music), 50)
    services.stream_feature(stream=song, order=1)
    assert titles(client, "/?category=music") == ["Song", "Hit"]
    assert titles(client, "/?category=games") == ["Many"]


@pytest.mark.parametrize("ranked", [60, 30, 0])
def test_pages_neither_repeat_nor_leave_out(house: PlainAudience, new_stream: NewStream, ranked: int):
    streams = [new_stream(f"S{n}") for n in range(60)]
    for number, stream in enumerate(streams[:ranked]):
        house.seat(stream, 1000 - number)
    for order, at in enumerate((55, 3, 25, 59)):
        services.stream_feature(stream=streams[at], order=order)
    live = selectors.live_find()
    pages = [
        [card.stream.pk for card in selectors.directory(streams=live, offset=o, limit=24, featured_first=True).cards]
        for o in (0, 24, 48)
    ]
    shown = [pk for page in pages for pk in page]
    assert shown[:4] == [streams[at].pk for at in (55, 3, 25, 59)]
    assert sorted(shown) == sorted(stream.pk for stream in streams)
    if ranked == 60:
        others = [stream.pk for at, stream in enumerate(streams) if at not in (55, 3, 25, 59)]
        assert shown[4:] == others


def test_it_ends_with_its_time_or_with_the_stream(client: Client, house: PlainAudience, new_stream: NewStream):
    first, second = new_stream("First"), new_stream("Second")
    house.seat(second, 50)
    services.stream_feature(stream=first, order=1, until=timezone.now() + timedelta(hours=1))
    assert titles(client) == ["First", "Second"]
    Stream.objects.filter(pk=first.pk).update(featured_until=timezone.now() - timedelta(seconds=1))
    assert titles(client) == ["Second", "First"]
    services.stream_feature(stream=first, order=1)
    services.stream_end(stream=first)
    assert (first.featured_order, first.featured_until, first.is_featured) == (None, None, False)
    assert titles(client) == ["Second"]


def test_what_is_refused_changes_nothing(new_stream: NewStream, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(services, "FEATURED_MAX", 1)
    over, one, two = new_stream(), new_stream(), new_stream()
    services.stream_end(stream=over)
    with pytest.raises(services.StreamIsOver):
        services.stream_feature(stream=over, order=1)
    with pytest.raises(ValidationError):
        services.stream_feature(stream=one, order=1, until=timezone.now())
    services.stream_feature(stream=one, order=1)
    services.stream_feature(stream=one, order=2)  # again: only the place changes
    with pytest.raises(services.FeaturedFull):
        services.stream_feature(stream=two, order=1)
    rows = Stream.objects.filter(featured_order__isnull=False).values_list("pk", "featured_order")
    assert list(rows) == [(one.pk, 2)]
    assert (services.stream_unfeature(stream=one), services.stream_unfeature(stream=one)) == (True, False)


def test_operators_feature_from_the_list_and_leave_a_trace(desk: Client, new_stream: NewStream):
    one, two, over = new_stream("One"), new_stream("Two"), new_stream("Over")
    services.stream_end(stream=over)
    assert act(desk, "feature_streams", one) == []
    assert logged() == []
    assert act(desk, "feature_streams", one, two, over, confirmed="yes", order="3", until="6") == [
        "Over has ended, so it stays as it was.",
        "2 streams featured.",
    ]
    places = dict(Stream.objects.values_list("title", "featured_order"))
    assert places == {"Two": 3, "One": 4, "Over": None}  # in the list's order
    assert set(logged()) == {(str(two.pk), "Featured at place 3."), (str(one.pk), "Featured at place 4.")}
    listed = desk.get(LIST, {"featured": "yes"}).context["cl"].result_list
    assert {stream.title for stream in listed} == {"One", "Two"}
    assert act(desk, "unfeature_streams", one, over) == ["1 stream is featured no more."]
    assert logged()[-1] == (str(one.pk), "Featured no more.")
    assert desk.get(f"{LIST}{two.pk}/feature/").status_code == 200


class PlainSockets:
    """Writes down who was sent away."""

    def __init__(self) -> None:
        self.closed: list[tuple[str, int | None, str]] = []

    def viewer_disconnect(self, *, viewer_id: str, stream_id: int | None, reason: str) -> None:
        self.closed.append((viewer_id, stream_id, reason))


def test_a_viewer_is_disconnected_from_a_streams_page(desk: Client, new_stream: NewStream, mina: User, request: Any):
    plain = PlainSockets()
    before = accounts_ports.register_sockets(plain)
    request.addfinalizer(lambda: accounts_ports.register_sockets(before))
    stream, guest = new_stream(), "a" + "0f" * 16
    address = f"{LIST}{stream.pk}/disconnect/"
    assert desk.get(address).status_code == 200
    for wrong in ("", "nobody", "u", "a123", "u1x"):
        page = desk.post(address, {"confirmed": "yes", "viewer": wrong, "reason": ""})
        assert page.status_code == 200
        assert page.context["form"].errors.keys() == {"viewer"}
    assert plain.closed == []
    for who in ("mina", f"u{mina.pk}", guest):
        assert desk.post(address, {"confirmed": "yes", "viewer": who, "reason": "Spam"}).status_code == 302
    assert plain.closed == [(who, stream.pk, "Spam") for who in (mina.viewer_id, mina.viewer_id, guest)]
    assert logged()[-1] == (str(stream.pk), f"Viewer {guest} disconnected. Spam")
    # Somebody who is called like the number of another shields nobody, and is not taken for them.
    User.objects.filter(pk=mina.pk).update(username="u987654")
    assert desk.post(address, {"confirmed": "yes", "viewer": "u987654", "reason": ""}).status_code == 302
    assert plain.closed[-1] == ("u987654", stream.pk, "")
    assert desk.post(address, {"confirmed": "yes", "viewer": "u\u0661\u0662", "reason": ""}).status_code == 200


def test_a_search_among_live_streams_looks_inside_of_titles(desk: Client, new_stream: NewStream):
    services.stream_end(stream=new_stream("An old evening", name="Jun"))
    new_stream("Good evening", name="Mina")

    def found(**query: str) -> list[str]:
        return [stream.title for stream in desk.get(LIST, query).context["cl"].result_list]

    assert found(q="EVENING", status__exact="live") == ["Good evening"]
    assert found(q="evening") == []
    assert found(q="an old") == found(q="jun") == ["An old evening"]
    number = Stream.objects.get(title="Good evening").pk
    assert found(q=str(number)) == ["Good evening"]
