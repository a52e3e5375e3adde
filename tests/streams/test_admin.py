"""Streams in the admin: live counts in the list, start and end actions, and a log of both."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.streams import services
from apps.streams.models import Broadcaster, Category, Stream
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]
LIST = "/admin/streams/stream/"


@pytest.fixture
def desk(client: Client, house: PlainAudience) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


def act(client: Client, action: str, *streams: Stream, **posted: str) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [s.pk for s in streams], **posted})


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def logged() -> list[tuple[int, str, str]]:
    """What the log says: kind, object, message; oldest first."""
    entries = LogEntry.objects.order_by("pk")
    return [(entry.action_flag, entry.object_id or "", entry.get_change_message()) for entry in entries]


def rows(client: Client, **query: str) -> list[tuple[str, Any, Any, Any]]:
    """Title and figures of each row, as the columns compute them."""
    change_list = client.get(LIST, query).context["cl"]
    admin = change_list.model_admin
    return [(s.title, admin.viewers(s), admin.peak(s), admin.total(s)) for s in change_list.result_list]


def test_the_list_shows_live_counts_read_in_one_call(desk: Client, house: PlainAudience, new_stream: NewStream):
    over, on, empty = new_stream("Over"), new_stream("On"), new_stream("Empty")
    house.seat(over, 5, peak=6, total=7)
    services.stream_end(stream=over)
    house.seat(on, 1234, peak=2000, total=9000)
    house.counts_calls = 0
    assert rows(desk) == [("Empty", 0, 0, 0), ("On", 1234, 2000, 9000), ("Over", 0, 6, 7)]
    assert house.counts_calls == 1
    assert on.is_live
    assert empty.is_live


def test_the_list_stands_without_counts(desk: Client, house: PlainAudience, new_stream: NewStream):
    new_stream("On")
    house.away = True
    assert rows(desk) == [("On", "—", "—", "—")]
    assert "—" in desk.get(LIST).content.decode()


def test_the_list_is_searched_and_filtered(desk: Client, house: PlainAudience, new_stream: NewStream, music: Category):
    services.stream_end(stream=new_stream("Over", name="Jun"))
    new_stream("On", name="Hana", category=music)
    assert [row[0] for row in rows(desk, q="hana")] == ["On"]
    assert [row[0] for row in rows(desk, status__exact="ended")] == ["Over"]
    assert [row[0] for row in rows(desk, category__id__exact=str(music.pk))] == ["On"]


def test_the_end_is_asked_first(desk: Client, house: PlainAudience, new_stream: NewStream):
    one, two = new_stream("One"), new_stream("Two")
    house.seat(one, 42)
    response = act(desk, "end_streams", one, two)
    assert response.status_code == 200
    assert "One" in response.content.decode()
    assert dict(response.context["rows"]) == {one: "watching now: 42", two: "watching now: 0"}
    assert Stream.objects.filter(status="live").count() == 2
    assert logged() == []


def test_a_confirmed_end_closes_the_chosen_ones_and_logs_each(
    desk: Client, house: PlainAudience, new_stream: NewStream
):
    one, two, stays = new_stream("One"), new_stream("Two"), new_stream("Stays")
    house.seat(one, 42, peak=50, total=99)
    response = act(desk, "end_streams", one, two, confirmed="yes", reason="Copyright")
    assert (response.status_code, said(response)) == (302, ["2 streams ended."])
    assert list(Stream.objects.filter(status="live")) == [stays]
    one.refresh_from_db()
    assert (one.peak_viewers, one.total_viewers) == (50, 99)
    assert set(logged()) == {
        (CHANGE, str(ended.pk), "Ended from the list of streams. Copyright") for ended in (one, two)
    }
    assert LogEntry.objects.count() == 2


def test_ending_what_is_over_does_nothing(desk: Client, new_stream: NewStream):
    over = new_stream()
    services.stream_end(stream=over)
    response = act(desk, "end_streams", over, confirmed="yes")
    assert (response.status_code, said(response)) == (302, ["None of the chosen streams is live."])
    assert logged() == []


def test_starting_again_makes_a_new_broadcast(desk: Client, new_stream: NewStream):
    over, live = new_stream("Over", poster_url="https://p.example/1.jpg"), new_stream("Live", name="Hana")
    services.stream_end(stream=over)
    response = act(desk, "start_again", over, live)
    assert sorted(said(response)) == ["1 stream started.", "Hana is already live."]
    new = Stream.objects.exclude(pk__in=[over.pk, live.pk]).get()
    assert (new.title, new.broadcaster, new.category, new.poster_url, new.status) == (
        "Over",
        over.broadcaster,
        over.category,
        "https://p.example/1.jpg",
        "live",
    )
    assert logged() == [(ADDITION, str(new.pk), f"Started again after stream {over.pk}.")]


def form(games: Category, **changes: Any) -> dict[str, Any]:
    return {"title": "From the desk", "category": games.pk, "poster_url": "", "playback_url": "", **changes}


def test_a_stream_is_added_through_the_service(desk: Client, games: Category):
    broadcaster = services.broadcaster_ensure(name="Jun", slug="jun")
    assert desk.get(f"{LIST}add/").status_code == 200
    response = desk.post(f"{LIST}add/", form(games, broadcaster=broadcaster.pk))
    stream = Stream.objects.get()
    assert (response.status_code, stream.title, stream.live_key) == (302, "From the desk", broadcaster.pk)
    assert logged() == [(ADDITION, str(stream.pk), "Added.")]


def test_a_second_live_stream_is_refused(desk: Client, games: Category, new_stream: NewStream):
    first = new_stream("First", name="Jun")
    response = desk.post(f"{LIST}add/", form(games, broadcaster=first.broadcaster_id))
    assert (response.status_code, said(response)) == (302, ["Jun is already live."])
    assert list(Stream.objects.all()) == [first]
    assert logged() == []


def test_a_live_stream_is_changed_and_its_past_is_not(desk: Client, music: Category, new_stream: NewStream):
    stream = new_stream("Before")
    address = f"{LIST}{stream.pk}/change/"
    assert desk.get(address).status_code == 200
    posted = form(music, title="After", status="ended", peak_viewers="9")
    assert desk.post(address, posted).status_code == 302
    stream.refresh_from_db()
    assert (stream.title, stream.category, stream.status, stream.peak_viewers) == ("After", music, "live", 0)
    services.stream_end(stream=stream)
    assert desk.get(address).status_code == 200
    assert desk.post(address, form(music, title="Later")).status_code == 403
    stream.refresh_from_db()
    assert stream.title == "After"


@pytest.mark.parametrize("field", ["poster_url", "playback_url"])
def test_the_desk_cannot_store_an_address_that_runs(desk: Client, games: Category, new_stream: NewStream, field: str):
    stream = new_stream("Before")
    response = desk.post(f"{LIST}{stream.pk}/change/", form(games, **{field: "javascript:alert(1)"}))
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    stream.refresh_from_db()
    assert (stream.title, getattr(stream, field)) == ("Before", "")


def test_streams_are_never_deleted(desk: Client, new_stream: NewStream):
    stream = new_stream()
    assert desk.post(f"{LIST}{stream.pk}/delete/", {"post": "yes"}).status_code == 403
    act(desk, "delete_selected", stream, post="yes")
    assert Stream.objects.count() == 1


def test_who_may_only_look_cannot_act(client: Client, house: PlainAudience, mina: User, new_stream: NewStream):
    stream = new_stream()
    User.objects.filter(pk=mina.pk).update(is_staff=True)
    mina.user_permissions.add(Permission.objects.get(codename="view_stream"))
    client.force_login(mina)
    assert client.get(LIST).status_code == 200
    act(client, "end_streams", stream, confirmed="yes")
    act(client, "start_again", stream)
    assert list(Stream.objects.values_list("status", flat=True)) == ["live"]
    assert logged() == []


def test_broadcasters_show_who_is_live(desk: Client, new_stream: NewStream):
    new_stream(name="On")
    services.broadcaster_ensure(name="Silent", slug="silent")
    change_list = desk.get("/admin/streams/broadcaster/").context["cl"]
    shown = [(b.name, change_list.model_admin.live_now(b)) for b in change_list.result_list]
    assert shown == [("On", True), ("Silent", False)]
    found = desk.get("/admin/streams/broadcaster/", {"q": "SIL"}).context["cl"].result_list
    assert [b.name for b in found] == ["Silent"]
    assert Broadcaster.objects.count() == 2


def test_categories_are_listed_and_added(desk: Client, games: Category):
    posted = {"slug": "talk", "name": "Talk", "name_ko": "토크", "position": "3"}
    assert desk.post("/admin/streams/category/add/", posted).status_code == 302
    listed = desk.get("/admin/streams/category/").context["cl"].result_list
    assert [category.slug for category in listed] == ["games", "talk"]
