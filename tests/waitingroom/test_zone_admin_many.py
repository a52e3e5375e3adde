"""As many zones in the admin as a page shows, and as a house has: all that a browser sends of them is taken."""

import re
from collections import defaultdict
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom.models import Zone

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIST = "/admin/waitingroom/zone/"
A_PAGE = 50


@pytest.fixture
def desk(client: Client) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


def zones_make(count: int) -> list[str]:
    made = [Zone(zone_id=f"zone-{number:03}", name=f"Zone {number}", per_minute=60) for number in range(count)]
    Zone.objects.bulk_create(made)
    return [zone.pk for zone in made]


def sent(response: Any, holds: str) -> dict[str, list[str]]:
    """What a browser sends of the page's form in which this stands, with no box ticked and no button pressed."""
    assert response.status_code == 200
    markup = next(form for form in re.findall(r"<form.*?</form>", response.content.decode(), re.S) if holds in form)
    fields: dict[str, list[str]] = defaultdict(list)
    for tag in re.findall(r"<input[^>]*>", markup):
        told = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in told and told.get("type") not in {"checkbox", "submit"}:
            fields[told["name"]].append(unescape(told.get("value", "")))
    return fields


def listed(desk: Client) -> dict[str, list[str]]:
    fields = sent(desk.get(LIST), "form-TOTAL_FORMS")
    assert fields["form-TOTAL_FORMS"] == [str(A_PAGE)]
    assert sum(len(values) for values in fields.values()) > 5 * A_PAGE
    return fields


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_n_is_changed_on_a_full_page(desk: Client) -> None:
    zones_make(A_PAGE)
    response = desk.post(LIST, {**listed(desk), "form-7-per_minute": "30", "_save": "Save"})
    assert (response.status_code, said(response)) == (302, ["1 zone was changed successfully."])
    assert list(Zone.objects.exclude(per_minute=60).values_list("pk", "per_minute")) == [("zone-007", 30)]


@pytest.mark.parametrize(("count", "across"), [(A_PAGE, "0"), (300, "1")])
def test_all_zones_are_paused_at_once(desk: Client, count: int, across: str) -> None:
    ids = zones_make(count)
    chosen = {"action": "pause", "_selected_action": ids[:A_PAGE], "select_across": across}
    asked = desk.post(LIST, {**listed(desk), **chosen})
    answer = sent(asked, 'name="confirmed"')
    assert answer["_selected_action"] == ids
    response = desk.post(LIST, {**answer, "reason": "Fire"})
    assert (response.status_code, said(response)) == (302, [f"{count} zones changed."])
    assert dict.fromkeys(Zone.objects.values_list("mode", flat=True)) == {"paused": None}
    assert sorted(str(pk) for pk in LogEntry.objects.values_list("object_id", flat=True)) == ids
