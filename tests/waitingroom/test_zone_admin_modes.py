"""Modes in the admin's list of zones: each by its name, and in a colour."""

import re

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom.models import ZoneMode
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
GREEN, BLUE, ORANGE, RED = "bg-green-100", "bg-blue-100", "bg-orange-100", "bg-red-100"
SHOWN = {
    ZoneMode.OPEN: ("열림", GREEN),
    ZoneMode.QUEUE_ALL: ("줄 세우기", BLUE),
    ZoneMode.PAUSED: ("멈춤", ORANGE),
    ZoneMode.BLOCKED: ("닫힘", RED),
    ZoneMode.BYPASS: ("통과", RED),
    ZoneMode.OBSERVE: ("관찰", ORANGE),
}


@pytest.mark.parametrize("mode", ZoneMode.values)
def test_a_mode_has_its_name_and_colour(transactional_db: None, mode: str) -> None:
    zone_make(mode=mode)
    client = Client()
    client.force_login(operator_ensure(username="root", password="a long enough pass"))
    page = client.get("/admin/waitingroom/zone/", headers={"accept-language": "ko"}).content.decode()
    found = re.search(r'(?s)<td[^>]*field-shown_mode.*?<span class="(.*?)"[^>]*>\s*(.*?)\s*</span>', page)
    assert found is not None
    name, colour = SHOWN[ZoneMode(mode)]
    assert (found[2], colour in found[1]) == (name, True)
