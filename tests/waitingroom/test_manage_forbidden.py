"""Who may see a zone but not do this with it is told so, and led back to it."""

import pytest
from django.test import Client

from apps.waitingroom.models import Role
from tests.waitingroom.desks import Desk, person
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_whose_role_does_not_suffice_is_led_back_to_the_zone(desk: Desk) -> None:
    zone = zone_make()
    client = desk(Role.VIEWER)
    for answer in (
        client.post("/manage/zones/concert/rate/", {"per_minute": "5", "version": zone.version}),
        client.get("/manage/zones/concert/settings/"),
    ):
        page = answer.content.decode()
        assert answer.status_code == 403
        assert "Your role for this zone does not allow this." in page
        assert 'href="/manage/zones/concert/">Back to the zone' in page
        assert "not signed in" not in page


def test_who_may_make_no_zones_is_led_to_the_wall(desk: Desk) -> None:
    zone_make()
    answer = desk(Role.VIEWER).get("/manage/new/")
    assert (answer.status_code, 'class="button" href="/manage/"' in answer.content.decode()) == (403, True)


def test_elsewhere_the_page_is_as_it_was() -> None:
    client = Client()
    client.force_login(person("jun"))
    answer = client.get("/admin/", follow=True)
    assert "Back to the zone" not in answer.content.decode()
