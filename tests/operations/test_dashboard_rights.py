"""The admin's first page shows nobody what they could not look at elsewhere in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client

from apps.accounts.services import operator_ensure, user_register
from apps.audience import house_store
from apps.operations import dashboard_views
from apps.operations.dashboard import Part, dashboard_read
from apps.realtime.redis import run_now
from apps.waitingroom import board_store
from apps.waitingroom.services import zone_create
from tests.analytics.house import stream_make
from tests.operations.alert_stage import channel_make, look, rule_make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
PASSWORD = "a long enough pass"
PAGES = ("/admin/", "/admin/dashboard/")
# What of the house each right shows.
SHOWN = {
    "view_stream": {"S speaks", "Watching now", "Server processes", "web:7", "audience-sweep"},
    "view_zone": {"Waiting in lines", "Zones in trouble", "1 zone, and nobody waits."},
    "view_alertevent": {"large drift"},
    "view_alertchannel": {"Notices do not reach night: nobody listens"},
}
EVERYTHING = set().union(*SHOWN.values())


def staff(*rights: str) -> Client:
    user = user_register(username="helper", password=PASSWORD)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def house(redis_url: str) -> None:
    """Something of everything."""
    stream = stream_make("S")
    about: dict[str, str | int] = {"host": "web", "pid": 7, "role": "all", "sockets": 0, "sessions": 0}
    run_now(
        [
            ("SET", f"view:{{{stream.pk}}}:current", 5),
            house_store.rank(None, {stream.pk: 5}),
            board_store.gate_report(gate="g1", sockets={}),
            *house_store.server_report(server="one", now_ms=int(stream.started_at.timestamp() * 1000), about=about),
        ]
    )
    zone_create(actor=None, zone_id="door", name="Door", per_minute=60)
    rule_make(channel_make(name="night", failures=2, last_error="nobody listens"), name="large drift", limit=10)
    look(0, 200)


def told(client: Client, path: str) -> set[str]:
    page = client.get(path).content.decode()
    return {text for text in EVERYTHING if text in page.partition("house-models")[0]}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "rights",
    [["view_stream"], ["view_zone"], ["view_alertevent"], ["view_alertchannel"], ["view_zone", "view_alertevent"]],
)
def test_each_right_shows_its_part_and_no_other(house: None, path: str, rights: list[str]) -> None:
    assert told(staff(*rights), path) == set().union(*(SHOWN[right] for right in rights))


def test_who_may_change_may_look(house: None) -> None:
    assert told(staff("change_zone"), PAGES[1]) == SHOWN["view_zone"]


@pytest.mark.parametrize("path", PAGES)
def test_without_rights_nothing_is_shown_and_that_is_said(house: None, path: str) -> None:
    client = staff()
    assert told(client, path) == set()
    page = client.get(path).content.decode()
    assert "Nothing of this page is yours to look at." in page
    assert "All that can be changed here" not in page


def test_who_may_do_everything_sees_everything(house: None, client: Client) -> None:
    client.force_login(operator_ensure(username="operator", password=PASSWORD))
    for path in PAGES:
        assert told(client, path) == EVERYTHING


def test_what_is_kept_for_one_is_not_shown_to_another(
    house: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_views, "caches", {"moment": LocMemCache("rights", {})})
    monkeypatch.setattr(dashboard_views, "KEPT_S", 60)
    client.force_login(operator_ensure(username="operator", password=PASSWORD))
    assert told(client, PAGES[1]) == EVERYTHING
    assert told(staff("view_zone"), PAGES[1]) == SHOWN["view_zone"]
    assert told(client, PAGES[1]) == EVERYTHING


def test_parts_that_are_not_shown_are_not_read(redis_url: str, django_assert_num_queries) -> None:
    for parts, queries in (([], 0), ([Part.STREAMS], 0), ([Part.ZONES], 1), ([Part.ALERTS], 2), ([Part.CHANNELS], 1)):
        with django_assert_num_queries(queries):
            dashboard_read(parts)
