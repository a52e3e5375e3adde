"""Who chooses the zone that a stream stands behind: staff, in the studio and at the desk."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.streams import services
from apps.streams.models import Category, Stream
from apps.waitingroom.models import Zone
from tests.streams.house import PlainAudience
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db]
NewStream = Callable[..., Stream]


@pytest.fixture
def zone(db: None) -> Zone:
    return zone_make("concert")


# --- who chooses the zone -----------------------------------------------------------------------------------------


def typed(games: Category, **changes: Any) -> dict[str, Any]:
    return {"title": "From the studio", "category": games.pk, "poster_url": "", "playback_url": "", **changes}


def test_staff_choose_a_zone_in_the_studio(
    client: Client, house: PlainAudience, games: Category, zone: Zone, mina: User
):
    User.objects.filter(pk=mina.pk).update(is_staff=True)
    client.force_login(User.objects.get(pk=mina.pk))
    assert "zone" in client.get("/studio/").context["start_form"].fields
    client.post("/studio/start/", typed(games, zone="concert"))
    stream = Stream.objects.get()
    assert stream.zone_id == "concert"
    assert client.get("/studio/").context["edit_form"].initial["zone"] == "concert"
    client.post(f"/studio/{stream.pk}/edit/", typed(games, zone=""))
    assert Stream.objects.get().zone_id is None
    response = client.post(f"/studio/{stream.pk}/edit/", typed(games, zone="nowhere"))
    assert list(response.context["edit_form"].errors) == ["zone"]


def test_others_neither_set_nor_lose_a_zone_in_the_studio(
    client: Client, house: PlainAudience, games: Category, zone: Zone, mina: User
):
    client.force_login(mina)
    assert "zone" not in client.get("/studio/").context["start_form"].fields
    client.post("/studio/start/", typed(games, zone="concert"))
    stream = Stream.objects.get()
    assert stream.zone_id is None
    Stream.objects.update(zone=zone)
    client.post(f"/studio/{stream.pk}/edit/", typed(games, title="Changed", zone=""))
    saved = Stream.objects.get()
    assert (saved.title, saved.zone_id) == ("Changed", "concert")


def test_the_desk_chooses_a_zone_and_starting_again_keeps_it(
    client: Client, house: PlainAudience, games: Category, zone: Zone, new_stream: NewStream, admin_user: User
):
    client.force_login(admin_user)
    stream = new_stream("On")
    response = client.post(f"/admin/streams/stream/{stream.pk}/change/", typed(games, zone="concert"))
    stream.refresh_from_db()
    assert (response.status_code, stream.zone_id) == (302, "concert")
    assert client.get("/admin/streams/stream/", {"zone__zone_id__exact": "concert"}).status_code == 200
    services.stream_end(stream=stream)
    client.post("/admin/streams/stream/", {"action": "start_again", "_selected_action": [stream.pk]})
    assert Stream.objects.get(status="live").zone_id == "concert"
