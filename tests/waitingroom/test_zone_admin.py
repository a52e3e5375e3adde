"""Zones in the admin: figures in one pipeline, nobody's change undone unseen, and a log of everything."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start
from apps.waitingroom import selectors, services
from apps.waitingroom.models import Zone
from tests.services.redis_server import RedisServer
from tests.waitingroom.managing import commands, round_trips
from tests.waitingroom.zone_desk import LIST, act, answer, list_of, logged, page_of, row, rows, said
from tests.waitingroom.zones import ask, crowd_join, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(client: Client) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


# --- the list -----------------------------------------------------------------------------------------------------


def test_the_list_shows_lines_read_in_one_pipeline(desk: Client) -> None:
    busy, _empty, lost = zone_make("busy", per_minute=10), zone_make("empty"), zone_make("lost")
    crowd_join(busy, 25)
    ask(("DEL", f"line:{{{lost.pk}}}"))
    before, trips = commands(), round_trips()
    found = rows(desk)
    assert round_trips() - trips == 3  # the session, the pipeline, and the question
    assert commands() - before == {"get": 1, "hmget": 3, "hgetall": 3}
    assert [(zone_id, waiting) for zone_id, waiting, _entering in found] == [("busy", 15), ("empty", 0), ("lost", "—")]


def test_entered_is_of_the_last_whole_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    zone_make()
    monkeypatch.setattr(time, "time", lambda: 100 * 60 + 59.9)
    ask(("HSET", "line:{concert}:stats:99", "entries", 42))
    ask(("HSET", "line:{concert}:stats:100", "entries", 7))
    assert selectors.lines_now(["concert"]) == {"concert": selectors.LineFigures(waiting=0, entering=42)}


def test_the_list_stands_without_redis(
    desk: Client, private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    zone_make()
    private_redis.stop()
    assert rows(desk) == [("concert", "—", "—")]
    assert "—" in desk.get(LIST).content.decode()


def test_the_list_is_found_and_filtered_by_app_and_screen(desk: Client) -> None:
    zone_make("a", app="shop", screen="cart", name_ko="장바구니")
    zone_make("b", app="shop", screen="pay")
    zone_make("c", app="show", screen="cart", mode="paused")
    assert [one[0] for one in rows(desk)] == ["a", "b", "c"]
    assert [one[0] for one in rows(desk, app="shop")] == ["a", "b"]
    assert [one[0] for one in rows(desk, screen="cart")] == ["a", "c"]
    assert [one[0] for one in rows(desk, mode__exact="paused")] == ["c"]
    assert [one[0] for one in rows(desk, q="장바")] == ["a"]


def test_the_page_carries_what_it_showed(desk: Client) -> None:
    zone = zone_make(per_minute=60)
    page = desk.get(LIST).content.decode()
    for name, value in (("form-0-version", zone.version), ("initial-form-0-per_minute", 60)):
        assert f'name="{name}" value="{value}"' in page


def test_n_is_changed_in_the_list(desk: Client) -> None:
    first, second = zone_make("first", per_minute=60), zone_make("second", per_minute=60)
    response = desk.post(LIST, list_of(first, second, second=30))
    assert (response.status_code, said(response)) == (302, ["1 zone was changed successfully."])
    assert (row("first").version, row("first").per_minute) == (first.version, 60)
    assert (row("second").per_minute, row("second").slowed_at is not None) == (30, True)
    assert row("second").updated_by == User.objects.get(username="operator")
    assert told()["second"].per_minute == 30
    assert [(kind, zone_id) for kind, zone_id, _ in logged()] == [(CHANGE, "second")]


def test_a_list_that_is_older_than_another_change_saves_nothing(desk: Client) -> None:
    first, second = zone_make("first", per_minute=60), zone_make("second", per_minute=60)
    services.zone_update(actor=None, zone_id="second", expected_version=second.version, per_minute=90)
    response = desk.post(LIST, list_of(first, second, first=10, second=30))
    assert (response.status_code, said(response)) == (200, [])
    assert "Somebody else changed this zone first. Nothing of yours was saved." in response.content.decode()
    assert (row("first").per_minute, row("second").per_minute) == (60, 90)
    assert (told()["first"].per_minute, told()["second"].per_minute) == (60, 90)
    assert logged() == []


def test_a_change_of_another_zone_is_not_undone_by_a_list_that_did_not_touch_it(desk: Client) -> None:
    first, second = zone_make("first", per_minute=60), zone_make("second", per_minute=60)
    services.zone_update(actor=None, zone_id="second", expected_version=second.version, per_minute=90)
    desk.post(LIST, list_of(first, second, first=10))
    assert (row("first").per_minute, row("second").per_minute) == (10, 90)


@pytest.mark.parametrize("typed", ["-1", "10000001", "many", ""])
def test_an_n_beyond_the_limits_is_told_in_the_list(desk: Client, typed: str) -> None:
    zone = zone_make(per_minute=60)
    response = desk.post(LIST, list_of(zone, concert=typed))
    assert response.status_code == 200
    assert list(response.context["cl"].formset.errors[0]) == ["per_minute"]
    assert (row().rules(), logged()) == (zone.rules(), [])


# --- one zone -----------------------------------------------------------------------------------------------------


def test_a_zone_is_added_and_told(desk: Client) -> None:
    assert desk.get(f"{LIST}add/").status_code == 200
    posted = page_of(Zone(zone_id="concert", name="Concert"), zone_id="concert", app="shop", single_use="on")
    posted |= {"opens_at_0": "2099-12-24", "opens_at_1": "20:00:00"}
    response = desk.post(f"{LIST}add/", posted)
    assert response.status_code == 302
    saved = row()
    assert (saved.app, saved.single_use, saved.updated_by) == ("shop", True, User.objects.get(username="operator"))
    assert (saved.opens_at is not None, saved.seed > 0) == (True, True)
    assert told() == {"concert": saved.rules()}
    assert line_of("concert") is not None
    assert logged() == [(ADDITION, "concert", "Added.")]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"zone_id": "a b"}, ["zone_id"]),
        ({"zone_id": "TAKEN"}, ["zone_id"]),
        ({"poll_ms": 20_000, "idle_s": 30}, ["poll_ms"]),
        ({"prequeue_from_0": "2099-12-24", "prequeue_from_1": "20:00:00"}, ["prequeue_from"]),
        ({"origins": "shop.example"}, ["origins"]),
        ({"message": "m" * 501}, ["message"]),
        ({"per_minute": -1}, ["per_minute"]),
    ],
)
def test_a_broken_limit_is_told_at_its_field(desk: Client, changes: dict[str, Any], fields: list[str]) -> None:
    zone_make("taken")
    posted = page_of(Zone(zone_id="concert", name="Concert"), **{"zone_id": "concert", **changes})
    response = desk.post(f"{LIST}add/", posted)
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == fields
    assert list(Zone.objects.values_list("pk", flat=True)) == ["taken"]
    assert (list(told()), logged()) == (["taken"], [])


def test_a_zone_is_changed_and_its_id_is_not(desk: Client) -> None:
    zone = zone_make(per_minute=60, single_use=True)
    address = f"{LIST}concert/change/"
    page = desk.get(address)
    assert page.status_code == 200
    assert f'name="version" value="{zone.version}"' in page.content.decode()
    posted = page_of(zone, per_minute=90, message="Soon", zone_id="other", epoch=9, seed=9)
    assert desk.post(address, posted).status_code == 302
    saved = row()
    assert (saved.per_minute, saved.message, saved.epoch, saved.seed) == (90, "Soon", zone.epoch, 0)
    assert (saved.single_use, saved.version > zone.version) == (True, True)
    assert told() == {"concert": saved.rules()}
    assert [(kind, zone_id) for kind, zone_id, _ in logged()] == [(CHANGE, "concert")]


def test_a_page_that_is_older_than_another_change_saves_nothing(desk: Client) -> None:
    zone = zone_make(per_minute=60)
    services.zone_update(actor=None, zone_id="concert", expected_version=zone.version, per_minute=90)
    response = desk.post(f"{LIST}concert/change/", page_of(zone, message="Mine"))
    assert response.status_code == 200
    assert "Somebody else changed this zone first. Nothing of yours was saved." in response.content.decode()
    assert (row().per_minute, row().message, logged()) == (90, "", [])


def test_a_page_without_its_version_saves_nothing(desk: Client) -> None:
    zone = zone_make(per_minute=60)
    posted = page_of(zone, per_minute=90)
    del posted["version"]
    assert desk.post(f"{LIST}concert/change/", posted).status_code == 200
    assert (row().rules(), logged()) == (zone.rules(), [])


def test_a_zone_is_deleted(desk: Client) -> None:
    zone = zone_make()
    response = desk.post(f"{LIST}concert/delete/", {"post": "yes", "seen": f"concert:{zone.version}"})
    assert response.status_code == 302
    assert (Zone.objects.exists(), told(), line_of("concert")) == (False, {}, None)
    assert [(kind, zone_id) for kind, zone_id, _ in logged()] == [(DELETION, "concert")]


def test_chosen_zones_are_deleted(desk: Client) -> None:
    one, two, three = zone_make("one"), zone_make("two"), zone_make("three")
    answer(desk, "delete_selected", one, two)
    assert list(Zone.objects.all()) == [three]
    assert list(told()) == ["three"]


def test_a_zone_before_a_live_stream_is_not_deleted(desk: Client) -> None:
    zone = zone_make()
    stream_start(
        broadcaster=broadcaster_ensure(name="Jun", slug="jun"),
        category=category_ensure(slug="talk", name="Talk"),
        title="A talk",
        zone=zone,
    )
    page = desk.get(f"{LIST}concert/delete/")
    assert "A talk" in page.content.decode()
    desk.post(f"{LIST}concert/delete/", {"post": "yes"})
    act(desk, "delete_selected", zone, post="yes", confirmed="yes", seen=f"concert:{zone.version}")
    assert (row().rules(), told()) == (zone.rules(), {"concert": zone.rules()})
    assert logged() == []


# --- who else


def test_who_may_only_look_changes_nothing(client: Client) -> None:
    zone = zone_make(per_minute=60)
    viewer = user_register(username="viewer", password="a long enough pass")
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_zone"))
    client.force_login(viewer)
    assert client.get(LIST).status_code == 200
    for name in ("pause", "clear_line", "delete_selected"):
        act(client, name, zone, confirmed="yes", post="yes")
    client.post(LIST, list_of(zone, concert=1))
    assert client.post(f"{LIST}concert/change/", page_of(zone, per_minute=1)).status_code == 403
    assert client.post(f"{LIST}concert/delete/", {"post": "yes"}).status_code == 403
    assert (row().rules(), told(), logged()) == (zone.rules(), {"concert": zone.rules()}, [])


@pytest.mark.parametrize("is_known", [False, True])
def test_strangers_see_nothing(client: Client, is_known: bool) -> None:
    zone = zone_make()
    if is_known:
        client.force_login(user_register(username="someone", password="a long enough pass"))
    assert client.get(LIST).status_code == 302
    assert act(client, "pause", zone, confirmed="yes").status_code == 302
    assert (row().rules(), logged()) == (zone.rules(), [])


def test_the_desk_speaks_korean(desk: Client) -> None:
    zone_make(name_ko="공연")
    page = desk.get(LIST, headers={"Accept-Language": "ko"}).content.decode()
    assert "공연" in page
