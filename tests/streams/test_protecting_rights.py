"""Who runs zones says which streams stand behind them, and does nothing else to a stream."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.operations import roles
from apps.streams import services
from apps.streams.models import Category, Stream
from apps.waitingroom.services import zone_create
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]
LIST = "/admin/streams/stream/"


def signed_in(client: Client, user: User, group: roles.Role) -> Client:
    roles.roles_ensure()
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.set([Group.objects.get(name=group.name)])
    client.force_login(user)
    return client


@pytest.fixture
def zone_desk(client: Client, house: PlainAudience, mina: User) -> Client:
    """The browser of a zone administrator."""
    zone_create(actor=None, zone_id="door", name="Door", per_minute=60)
    return signed_in(client, mina, roles.ZONE_ADMINISTRATOR)


def fields(client: Client, stream: Stream) -> set[str]:
    return set(client.get(f"{LIST}{stream.pk}/change/").context["adminform"].form.fields)


def offered(page: Any) -> set[str]:
    form = page.context["action_form"]
    return {name for name, _ in form.fields["action"].choices if name} if form else set()


def test_the_zone_is_all_that_a_zone_administrator_changes(
    zone_desk: Client, new_stream: NewStream, music: Category
) -> None:
    stream = new_stream("Before", poster_url="https://p.example/1.jpg", playback_url="https://p.example/1.m3u8")
    assert fields(zone_desk, stream) == {"zone"}
    sent = {"zone": "door", "title": "After", "category": music.pk, "poster_url": "", "playback_url": "https://other/"}
    category = stream.category
    assert zone_desk.post(f"{LIST}{stream.pk}/change/", sent).status_code == 302
    stream = Stream.objects.get()
    assert (stream.zone_id, stream.title, stream.category, stream.poster_url, stream.playback_url) == (
        *("door", "Before", category, "https://p.example/1.jpg", "https://p.example/1.m3u8"),
    )
    assert zone_desk.post(f"{LIST}{stream.pk}/change/", {"zone": ""}).status_code == 302
    assert Stream.objects.get().zone_id is None
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Changed Waiting room."] * 2


def test_a_zone_administrator_ends_no_stream(zone_desk: Client, new_stream: NewStream) -> None:
    stream = new_stream()
    assert offered(zone_desk.get(LIST)) == set()
    for action in ("end_streams", "start_again", "feature_streams"):
        zone_desk.post(LIST, {"action": action, "_selected_action": [stream.pk], "confirmed": "yes", "reason": "x"})
    assert list(Stream.objects.values_list("status", flat=True)) == ["live"]
    assert zone_desk.get(f"{LIST}add/").status_code == 403
    assert zone_desk.get(f"{LIST}{stream.pk}/disconnect/").status_code == 403
    assert LogEntry.objects.count() == 0


def test_what_has_ended_is_only_looked_at(zone_desk: Client, new_stream: NewStream) -> None:
    stream = new_stream()
    services.stream_end(stream=stream)
    assert zone_desk.get(f"{LIST}{stream.pk}/change/").status_code == 200
    assert zone_desk.post(f"{LIST}{stream.pk}/change/", {"zone": "door"}).status_code == 403
    assert Stream.objects.get().zone_id is None


def test_an_operator_changes_all_of_it_and_ends(
    client: Client, house: PlainAudience, mina: User, new_stream: NewStream
) -> None:
    stream = new_stream()
    operator = signed_in(client, mina, roles.OPERATOR)
    assert fields(operator, stream) == {"title", "category", "poster_url", "playback_url", "zone"}
    assert {"end_streams", "start_again", "feature_streams"} <= offered(operator.get(LIST))
    operator.post(LIST, {"action": "end_streams", "_selected_action": [stream.pk], "confirmed": "yes", "reason": ""})
    assert Stream.objects.get().status == "ended"
