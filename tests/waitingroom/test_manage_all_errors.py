"""What is wrong with a form is told at once, each field's own, so that nobody is sent round twice."""

from typing import Any

import pytest

from apps.waitingroom.manage.settings_forms import CreateForm
from apps.waitingroom.models import Role, Zone, ZoneManager
from tests.waitingroom.desks import Desk, fields_of, page, person, row
from tests.waitingroom.zones import told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(desk: Desk) -> Any:
    """Somebody who owns the zone concert and the app shop."""
    zone_make()
    client = desk(Role.OWNER)
    ZoneManager.objects.create(user=person("hana"), app="shop", role=Role.OWNER)
    return client


def errors(response: Any) -> dict[str, list[str]]:
    return {name: list(said) for name, said in response.context["form"].errors.items()}


NEW = {"name": "Drop", "zone_id": "drop", "per_minute": "100", "mode": "open", "app": "shop"}
NO_SITE = "Not an address like https://shop.example, without a path: "


def test_a_new_zone_is_refused_once_for_everything(owner: Any) -> None:
    wrong = {"zone_id": "concert", "per_minute": "-1", "origins": "https://a.example\r\nshop", "name": ""}
    response = owner.post("/manage/new/", {**NEW, **wrong})
    assert (response.status_code, Zone.objects.count()) == (400, 1)
    assert errors(response) == {
        "name": ["This field is required."],
        "zone_id": ["There is a zone with this id."],
        "per_minute": ["Ensure this value is greater than or equal to 0."],
        "origins": [f"{NO_SITE}shop"],
    }


@pytest.mark.parametrize(
    ("zone_id", "told_of_it"),
    [
        ("a" * 100, "1 to 64 letters, digits, _ or -."),
        ("Concert", "There is a zone whose id differs only in upper and lower case."),
    ],
)
def test_an_id_that_cannot_be_is_told_of_once(owner: Any, zone_id: str, told_of_it: str) -> None:
    assert errors(owner.post("/manage/new/", {**NEW, "zone_id": zone_id})) == {"zone_id": [told_of_it]}
    assert 'maxlength="64"' in str(CreateForm()["zone_id"])


def test_settings_are_refused_once_for_everything(owner: Any) -> None:
    before = row().version
    markup = page(owner, "zones/concert/settings/")
    form = fields_of(markup[markup.index('class="panel form"') :])
    wrong = {"poll_ms": "20000", "idle_s": "30", "origins": "https://shop.example/cart", "name": ""}
    response = owner.post("/manage/zones/concert/settings/", {**form, **wrong})
    assert (response.status_code, row().version) == (400, before)
    assert errors(response) == {
        "name": ["This field is required."],
        "poll_ms": ["Must fit into the idle limit at least twice."],
        "origins": [f"{NO_SITE}https://shop.example/cart"],
    }


def test_what_a_browser_copies_is_taken(owner: Any) -> None:
    sites = " https://shop.example/ \r\nhttps://b.example:8443/"
    assert owner.post("/manage/new/", {**NEW, "origins": sites}).status_code == 302
    assert told()["drop"].origins == ("https://shop.example", "https://b.example:8443")


def test_twenty_sites_and_no_more(owner: Any) -> None:
    sites = [f"https://{number}.example" for number in range(21)]
    refused = owner.post("/manage/new/", {**NEW, "origins": "\n".join(sites)})
    assert errors(refused) == {"origins": ["At most 20 sites, one a line."]}
    assert owner.post("/manage/new/", {**NEW, "origins": "\n".join(sites[:20])}).status_code == 302
