"""Who has no name but the one to sign in with is not called so twice."""

import re

import pytest

from apps.waitingroom.models import Role
from tests.waitingroom.desks import Desk, page, person
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_name_stands_once_and_a_username_behind_another_name(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    minsu = person("minsu")
    minsu.display_name = "최민수"
    minsu.save()
    desk(Role.VIEWER, name="minsu")
    table = page(client, "zones/concert/people/").split("<tbody>")[1].split("</tbody>")[0]
    people = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<tr><td>(.*?)</td>", table)]
    assert people == ["hana", "최민수 minsu"]
