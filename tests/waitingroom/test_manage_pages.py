"""The managers' pages: who sees what, and what they say."""

import re
import time
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom.manage import selectors
from apps.waitingroom.manage.views import CARDS_AT_ONCE
from apps.waitingroom.models import Role, Zone, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_update
from tests.waitingroom.desks import Desk, act, fields_of, other_changes, page, person, row
from tests.waitingroom.managing import commands
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


# --- who sees what --------------------------------------------------------------------------------------------------


def test_nobody_looks_without_signing_in(client: Client) -> None:
    zone_make()
    for path in ("", "new/", "zones/concert/", "zones/concert/report/", "zones/concert/report.csv"):
        response = client.get(f"/manage/{path}")
        assert (response.status_code, response["Location"]) == (302, f"/accounts/sign-in/?next=/manage/{path}")
    for path in ("rate/", "clear/", "changes/1/undo/", "people/1/remove/"):
        assert client.post(f"/manage/zones/concert/{path}").status_code == 302
    assert ZoneChange.objects.count() == 1


def test_the_wall_shows_ones_own_zones_alone(desk: Desk) -> None:
    zone_make(name="Concert <b>hall</b>")
    zone_make("other")
    mine = page(desk(Role.VIEWER), "")
    assert 'data-zone="concert"' in mine
    assert "Concert &lt;b&gt;hall&lt;/b&gt;" in mine
    assert 'data-zone="other"' not in mine
    assert 'href="/manage/new/"' not in mine
    nobodys = page(desk(None, "mallory"), "")
    assert "data-zone=" not in nobodys
    assert "No zone is yours yet" in nobodys
    assert "mallory" in nobodys
    everybodys = Client()
    everybodys.force_login(operator_ensure(username="boss", password="a long enough pass"))
    assert len(re.findall(r'data-zone="\w', page(everybodys, ""))) == 2
    assert 'href="/manage/new/"' in page(everybodys, "")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "preview/?per_minute=5",
        "changes/",
        "report/",
        "report.csv",
        "settings/",
        "people/",
    ],
)
def test_anothers_zone_is_none(desk: Desk, path: str, caplog: pytest.LogCaptureFixture) -> None:
    zone_make()
    client = desk(None, "mallory")
    there, not_there = (client.get(f"/manage/zones/{zone}/{path}") for zone in ("concert", "nowhere"))
    assert (there.status_code, not_there.status_code) == (404, 404)
    entrance = "api" if path.startswith("preview") else "page"
    assert f"refused zone 'concert' at the {entrance}: foreign" in caplog.text
    assert f"refused zone 'nowhere' at the {entrance}: unknown" in caplog.text


def test_nothing_is_done_to_anothers_zone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    zone = zone_make()
    mine = manager_set(actor=None, user=person("hana"), role=Role.OWNER, zone_id="concert")
    change = ZoneChange.objects.get(action="created")
    client = desk(None, "mallory")
    everything = {"version": zone.version, "per_minute": 5, "mode": "paused", "typed": "concert", "username": "mallory"}
    deeds = ("rate", "mode", "block", "bypass", "observe", "message", "schedule", "clear", "settings", "people")
    for path in (*deeds, f"people/{mine.pk}/remove", f"changes/{change.pk}/undo"):
        caplog.clear()
        assert client.post(f"/manage/zones/concert/{path}/", {**everything, "role": "3"}).status_code == 404, path
        assert "refused zone 'concert' at the page: foreign" in caplog.text
    assert row().version == zone.version
    assert ZoneManager.objects.get().user == person("hana")


def test_a_role_that_is_too_low_is_refused_and_nothing_happens(desk: Desk) -> None:
    zone = zone_make()
    viewer, operator = desk(Role.VIEWER, "vera"), desk(Role.OPERATOR, "olga")
    shown = page(viewer)
    assert "data-deed=" not in shown
    assert "/undo/" not in shown
    everything = {"version": zone.version, "per_minute": 5, "mode": "paused", "typed": "concert"}
    for what in ("rate", "mode", "block", "bypass", "observe", "message", "schedule", "clear"):
        assert viewer.post(f"/manage/zones/concert/{what}/", everything).status_code == 403
    assert operator.post("/manage/zones/concert/clear/", everything).status_code == 403
    for path in ("settings/", "people/"):
        for client in (viewer, operator):
            assert client.get(f"/manage/zones/concert/{path}").status_code == 403
            assert client.post(f"/manage/zones/concert/{path}", everything).status_code == 403
    mine = ZoneManager.objects.get(user__username="vera")
    assert operator.post(f"/manage/zones/concert/people/{mine.pk}/remove/").status_code == 403
    assert row().version == zone.version
    assert ZoneManager.objects.count() == 2


def test_a_post_without_a_token_is_refused(desk: Desk) -> None:
    zone = zone_make()
    client = Client(enforce_csrf_checks=True)
    desk(Role.OWNER)
    client.force_login(person("hana"))
    for path in (
        "rate/",
        "mode/",
        "clear/",
        "settings/",
        "people/",
        f"changes/{ZoneChange.objects.get(action='created').pk}/undo/",
    ):
        answer = client.post(
            f"/manage/zones/concert/{path}", {"version": zone.version, "per_minute": 1, "mode": "bypass"}
        )
        assert answer.status_code == 403
    assert (
        client.post("/manage/new/", {"zone_id": "x", "name": "x", "per_minute": 1, "mode": "open"}).status_code == 403
    )
    assert row().version == zone.version
    assert Zone.objects.count() == 1


def test_what_is_typed_is_text_wherever_it_is_shown(desk: Desk) -> None:
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    zone = zone_make(
        name=evil[:80], name_ko=evil[:80], app="<i>app</i>", screen="<i>s</i>", message=evil, message_ko=evil
    )
    client = desk(Role.OWNER)
    person("hana")
    User.objects.filter(username="hana").update(display_name="<u>Hana</u>")
    zone_update(actor=person("hana"), zone_id=zone.pk, expected_version=zone.version, why=evil, message=evil + "2")
    for path in (
        "",
        "zones/concert/",
        "zones/concert/changes/",
        "zones/concert/settings/",
        "zones/concert/people/",
        "zones/concert/report/",
    ):
        shown = page(client, path)
        for markup in ("<script>alert", "<img src=x", "<i>app", "<i>s</i>", "<u>Hana"):
            assert markup not in shown, (path, markup)


# --- looking --------------------------------------------------------------------------------------------------------


def test_the_page_says_who_set_the_mode_and_why(desk: Desk) -> None:
    zone_make()
    viewer = desk(Role.VIEWER, "vera")
    User.objects.filter(pk=person("olga").pk).update(display_name="Olga <3")
    assert re.search(r"Open since \d\d:\d\d, set by the system<", page(viewer))
    act(desk(Role.OPERATOR, "olga"), "mode", mode="paused", why="a fire drill")
    for _ in range(12):
        zone_update(actor=None, zone_id="concert", expected_version=row().version, per_minute=row().per_minute + 1)
    assert re.search(r"Paused since \d\d:\d\d, set by Olga &lt;3 \(olga\): “a fire drill”<", page(viewer))
    ZoneChange.objects.update(at=timezone.now() - timedelta(days=2))
    assert re.search(r"Paused since \d{4}-\d\d-\d\d \d\d:\d\d, set by", page(viewer))
    ZoneChange.objects.all().delete()
    assert "data-mode-since></p>" in page(viewer)


def test_the_wall_is_sifted_by_text_app_and_mode(desk: Desk) -> None:
    zone_make("a", app="shop", screen="cart", name_ko="장바구니")
    zone_make("b", app="shop", mode="paused")
    zone_make("c", app="show", mode="paused")
    client = desk(None)
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))

    def found(**query: str) -> list[str]:
        return sorted(re.findall(r'data-zone="(\w+)"', page(client, "", **query)))

    assert found() == ["a", "b", "c"]
    assert found(app="shop") == ["a", "b"]
    assert found(mode="paused") == ["b", "c"]
    assert found(app="shop", mode="paused") == ["b"]
    assert found(q="장바") == ["a"]
    assert found(q="SHOP cart") == ["a"]
    assert found(q="zzz") == []
    assert found(mode="nonsense") == ["a", "b", "c"]


def test_five_hundred_zones_are_drawn_in_time(desk: Desk) -> None:
    Zone.objects.bulk_create(
        [
            Zone(zone_id=f"zone-{number:03}", name=f"Zone {number}", name_ko=f"구역 {number}", app=f"app{number % 7}")
            for number in range(500)
        ]
    )
    client = desk(None)
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    for asked, cards in (({}, CARDS_AT_ONCE), ({"all": "1"}, 500)):
        page(client, "", **asked)
        taken = []
        for _ in range(5):
            started = time.process_time()  # what others do on this machine is not its work
            shown = page(client, "", **asked)
            taken.append(time.process_time() - started)
        found = re.findall(r'data-zone="(\w[^"]*)', shown)
        assert len(found) == cards
        assert sorted(taken)[2] < 0.2, (asked, taken)
    assert found == [f"zone-{number:03}" for app in range(7) for number in range(app, 500, 7)]
    # Who has no script follows a link, and keeps what they looked for.
    link = unescape(re.search(r'data-more><a class="[^"]*" href="([^"]*)', page(client, "", q="zone", app="app1"))[1])  # type: ignore[index]
    assert link == "?q=zone&app=app1&all=1"
    assert "data-more hidden" in page(client, link)
    assert len(re.findall(r'data-zone="\w', page(client, link))) == 72


def test_a_preview_says_when_the_line_clears(desk: Desk) -> None:
    zone = zone_make(per_minute=0)
    crowd_join(zone, 1_000)
    client = desk(Role.OPERATOR)
    path = "/manage/zones/concert/preview/"
    text = client.get(path, {"per_minute": "100"}).json()["text"]
    clock = re.fullmatch(r"At 100 a minute the line of 1,000 clears at (\d\d:\d\d), in (9:\d\d|10:\d\d)\.", text)
    assert clock is not None, text
    soon = timezone.localtime(timezone.now() + timedelta(minutes=10))
    apart = (datetime.strptime(clock[1], "%H:%M") - datetime.strptime(soon.strftime("%H:%M"), "%H:%M")).seconds
    assert min(apart, 86_400 - apart) in range(130)  # of a clock's face: either may be a minute ahead
    assert client.get(path, {"per_minute": "0"}).json()["text"] == "At 0 a minute the line of 1,000 does not move."
    for wrong in ("-1", "x", "", "99999999999"):
        assert client.get(path, {"per_minute": wrong}).status_code == 400
    # Without a script the page itself looks ahead, and the form then sends that N.
    shown = page(client, per_minute="100")
    assert "At 100 a minute the line of 1,000 clears at" in shown
    form = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
    assert client.post("/manage/zones/concert/rate/", form).status_code == 302
    assert row().per_minute == 100


def test_pages_that_look_ahead_again_and_again_cost_redis_one_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = zone_make(per_minute=60)
    crowd_join(zone, 1_000)
    client = desk(Role.OPERATOR)
    monkeypatch.setattr(selectors, "LOOK_KEPT_S", 3_600.0)  # however busy this machine is

    def ahead(per_minute: int) -> str:
        return client.get("/manage/zones/concert/preview/", {"per_minute": per_minute}).json()["text"]

    before = commands()
    told = {ahead(n).partition(" clears")[0] for n in (60, 120, 300) for _page in range(10)}
    assert told == {f"At {n} a minute the line of 940" for n in (60, 120, 300)}
    assert commands() - before == {"get": 30, "hmget": 1, "hgetall": 1}  # a session each, and one look
    crowd_join(zone, 5, batch=2)
    assert "the line of 940 " in ahead(60)
    monkeypatch.setattr(selectors, "LOOK_KEPT_S", 0.0)
    assert "the line of 945 " in ahead(60)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("open", "Nobody waits: at 7 a minute, people enter at once until the minute is full."),
        ("queue-all", "Nobody waits: who comes gets in line, and 7 a minute enter."),
        ("paused", "Nobody waits, and nobody enters for now. Later 7 a minute do."),
        ("blocked", "Nobody waits, and nobody enters for now. Later 7 a minute do."),
        ("bypass", "Everybody enters at once, whatever N is."),
        ("observe", "Everybody enters at once, whatever N is."),
    ],
)
def test_a_preview_of_an_empty_line_goes_by_the_mode(desk: Desk, mode: str, text: str) -> None:
    zone_make(mode=mode)
    client = desk(Role.OPERATOR)
    assert client.get("/manage/zones/concert/preview/", {"per_minute": "7"}).json()["text"] == text
    assert text in page(client, per_minute="7")


def test_changes_are_paged(desk: Desk) -> None:
    zone_make(per_minute=1)
    for number in range(2, 62):
        other_changes(per_minute=number)
    client = desk(Role.VIEWER)
    first = page(client, "zones/concert/changes/")
    assert first.count('class="who"') == 50
    older = re.search(r"\?before=(\d+)", first)
    assert older is not None
    second = page(client, "zones/concert/changes/", before=older[1])
    assert second.count('class="who"') == 12  # with the zone's making, and the role's
    assert older[0] in page(client, "zones/concert/changes/", before="x" * 30)  # what is no id is passed over
    assert "<html" not in page(client, "zones/concert/changes/", part=1)
