"""The managers' pages: who sees what, every action with its version, and nothing lost or overwritten unseen."""

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.waitingroom.manage.forms import MOMENT
from apps.waitingroom.manage.views import CARDS_AT_ONCE
from apps.waitingroom.models import Role, Zone, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_update
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import crowd_join, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

Desk = Callable[..., Client]


def person(name: str) -> User:
    return User.objects.filter(username=name).first() or user_register(username=name, password="a long enough pass 1")


@pytest.fixture
def desk() -> Desk:
    """A browser of somebody with a role for the zone `concert`: `desk(Role.OWNER, name="hana")`; None: no role."""

    def open_desk(role: Role | None, name: str = "hana", zone_id: str = "concert") -> Client:
        user = person(name)
        if role is not None:
            manager_set(actor=None, user=user, role=role, zone_id=zone_id)
        client = Client(enforce_csrf_checks=False)
        client.force_login(user)
        return client

    return open_desk


def row(zone_id: str = "concert") -> Zone:
    return Zone.objects.get(pk=zone_id)


def page(client: Client, path: str = "zones/concert/", **query: Any) -> str:
    response = client.get(f"/manage/{path}", query)
    assert response.status_code == 200
    return response.content.decode()


def posted(client: Client, path: str, part: str, **typed: Any) -> dict[str, Any]:
    """The fields of a form of the page as a browser would send them, with what was typed."""
    form = re.search(rf'<form[^>]*action="[^"]*{part}"(.*?)</form>', page(client, path), re.S)
    assert form is not None, part
    return {**fields_of(form[1]), **typed}


def fields_of(markup: str) -> dict[str, str]:
    found = {}
    for tag in re.findall(r"<input[^>]*>", markup):
        told_of = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
        if told_of.get("type") == "checkbox" and "checked" not in tag:
            continue
        if "name" in told_of and told_of["name"] != "csrfmiddlewaretoken":
            found[told_of["name"]] = unescape(told_of.get("value", ""))
    for name, text in re.findall(r'<textarea name="([^"]*)"[^>]*>\s?(.*?)</textarea>', markup, re.S):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', markup, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = unescape(chosen[1]) if chosen else ""
    return found


def act(client: Client, what: str, /, **typed: Any) -> Any:
    """Fill in a form of the zone's page and send it."""
    return client.post(f"/manage/zones/concert/{what}/", posted(client, "zones/concert/", f"/{what}/", **typed))


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


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


# --- actions --------------------------------------------------------------------------------------------------------


def test_n_is_changed_with_a_reason(desk: Desk) -> None:
    zone_make(per_minute=60)
    response = act(desk(Role.OPERATOR), "rate", per_minute="1,200", why="doors are wide")
    assert (response.status_code, response["Location"]) == (302, "/manage/zones/concert/")
    assert said(response) == ["Entries a minute: changed."]
    assert (row().per_minute, told()["concert"].per_minute) == (1_200, 1_200)
    change = ZoneChange.objects.first()
    assert change is not None
    assert (change.who, change.before, change.after, change.why) == (
        person("hana"),
        {"per_minute": 60},
        {"per_minute": 1_200},
        "doors are wide",
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("-1", "greater than or equal to 0"),
        ("10000001", "less than or equal to 10000000"),
        ("9" * 300, "less than or equal to 10000000"),
        ("9" * 5_000, "whole number"),
        ("1.5", "whole number"),
        ("", "required"),
        ("<script>", "whole number"),
    ],
)
def test_an_impossible_n_is_told_and_kept(desk: Desk, typed: str, message: str) -> None:
    zone = zone_make(per_minute=60)
    response = act(desk(Role.OPERATOR), "rate", per_minute=typed, why="a slip")
    shown = response.content.decode()
    assert response.status_code == 400
    assert message in shown
    assert 'value="a slip"' in shown
    assert (row().per_minute, row().version) == (60, zone.version)


def test_zero_stops_the_line_and_is_allowed(desk: Desk) -> None:
    zone = zone_make(per_minute=1)
    crowd_join(zone, 3)
    client = desk(Role.OPERATOR)
    assert act(client, "rate", per_minute="0").status_code == 302
    assert row().per_minute == 0
    assert "At 0 a minute the line of 2 does not move." in page(client)


def test_modes_are_one_click_and_dangerous_ones_two(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    for mode in ("paused", "queue-all", "open"):
        assert act(client, "mode", mode=mode).status_code == 302
        assert (row().mode, told()["concert"].mode) == (mode, mode)
    shown = page(client)
    for mode in ("blocked", "bypass", "observe"):
        fold = re.search(rf"<details[^>]*>\s*<summary[^>]*data-mode-of=\"{mode}\".*?</details>", shown, re.S)
        assert fold is not None
        assert 'class="button danger"' in fold[0]
        assert " open" not in fold[0].partition(">")[0]
    assert act(client, "block", message="Back at nine.", message_ko="아홉 시에.").status_code == 302
    assert (row().mode, row().message, row().message_ko) == ("blocked", "Back at nine.", "아홉 시에.")
    for mode in ("bypass", "observe"):
        assert act(client, mode, mode=mode).status_code == 302
        assert row().mode == mode
    assert act(client, "mode", mode="nonsense").status_code == 400
    assert client.post("/manage/zones/concert/nonsense/", {}).status_code == 404


def test_the_message_is_shown_to_those_who_wait(desk: Desk) -> None:
    zone_make()
    response = act(desk(Role.OPERATOR), "message", message="Line one\r\nline two", message_ko="조금만 더")
    assert response.status_code == 302
    assert (told()["concert"].message, told()["concert"].message_ko) == ("Line one\nline two", "조금만 더")
    response = act(desk(Role.OPERATOR), "message", message="x" * 501)
    assert response.status_code == 400
    assert "x" * 501 in response.content.decode()
    assert row().message == "Line one\nline two"


def local(minutes: float) -> str:
    return timezone.localtime(timezone.now() + timedelta(minutes=minutes)).strftime(MOMENT)


def test_an_event_is_scheduled_and_taken_away(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    opens, gathers = local(60), local(30)
    assert act(client, "schedule", opens_at=opens, prequeue_from=gathers).status_code == 302
    found = row()
    assert found.opens_at is not None
    assert found.prequeue_from is not None
    assert [timezone.localtime(one).strftime(MOMENT) for one in (found.opens_at, found.prequeue_from)] == [
        opens,
        gathers,
    ]
    assert f'value="{opens}"' in page(client)
    assert act(client, "schedule", opens_at="", prequeue_from="").status_code == 302
    assert (row().opens_at, row().prequeue_from) == (None, None)


@pytest.mark.parametrize(
    ("opens", "gathers", "message"),
    [
        (-5, None, "This moment has passed"),
        (-5, -10, "This moment has passed"),
        (60, 70, "Needs an opening that comes after it"),
        (None, 10, "A pre-queue needs an opening"),
        ("2026-13-45T99:99", None, "Enter a valid date/time"),
        ("9999-12-31T23:59", None, "Must lie between 1970 and 2200"),
    ],
)
def test_an_impossible_schedule_is_told_and_kept(desk: Desk, opens: Any, gathers: Any, message: str) -> None:
    zone = zone_make()
    typed = {
        "opens_at": local(opens) if isinstance(opens, int) else opens or "",
        "prequeue_from": local(gathers) if gathers is not None else "",
    }
    response = act(desk(Role.OPERATOR), "schedule", **typed, why="a try")
    shown = response.content.decode()
    assert response.status_code == 400
    assert message in shown
    assert 'value="a try"' in shown
    for value in filter(None, typed.values()):
        assert f'value="{value}"' in shown
    assert row().version == zone.version


def test_an_event_that_gathers_keeps_its_start(desk: Desk) -> None:
    zone = zone_make(
        opens_at=timezone.now() + timedelta(minutes=30), prequeue_from=timezone.now() - timedelta(minutes=1)
    )
    client = desk(Role.OPERATOR)
    response = act(client, "schedule", prequeue_from=local(5))
    assert response.status_code == 400
    assert "A pre-queue has been running here since" in response.content.decode()
    assert row().version == zone.version
    assert act(client, "schedule", opens_at=local(90)).status_code == 302  # put off, and its people keep their places


def test_a_line_is_cleared_by_who_types_its_id(desk: Desk) -> None:
    zone = zone_make(per_minute=1)
    crowd_join(zone, 6)
    client = desk(Role.OWNER)
    assert "5 people lose their places" in page(client)
    for typed in ("", "Concert", "concert2"):
        response = act(client, "clear", typed=typed)
        assert response.status_code == 400
        standing = line_of("concert")
        assert standing is not None
        assert standing.waiting == 5
    response = act(client, "clear", typed=" concert ", why="a test crowd")
    assert response.status_code == 302
    assert row().epoch > zone.epoch
    line = line_of("concert")
    assert line is not None
    assert line.waiting == 0
    change = ZoneChange.objects.first()
    assert change is not None
    assert (change.action, change.why, change.before["waiting"]) == ("cleared", "a test crowd", 5)


# --- two at once ----------------------------------------------------------------------------------------------------


def other_changes(**changes: Any) -> None:
    """Somebody else is faster."""
    zone = row()
    zone_update(actor=person("minsu"), zone_id=zone.pk, expected_version=zone.version, why="too full", **changes)


def test_the_second_sees_that_the_first_changed_it(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", "/rate/", per_minute="90", why="mine")
    other_changes(per_minute=30)
    response = client.post("/manage/zones/concert/rate/", form)
    shown = response.content.decode()
    assert response.status_code == 409
    assert row().per_minute == 30
    assert "Somebody else changed this zone first. Nothing of yours was saved." in shown
    conflict = shown[shown.index('class="conflict"') : shown.index('class="truth')]
    assert all(part in conflict for part in ("minsu", "too full", "<del>60</del>", "<ins>30</ins>"))
    # Nothing typed is lost, and sent again it means the zone as it is.
    again = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
    assert (again["per_minute"], again["why"], again["version"]) == ("90", "mine", str(row().version))
    assert client.post("/manage/zones/concert/rate/", again).status_code == 302
    assert row().per_minute == 90


def test_an_n_that_was_sent_is_kept_even_if_the_page_showed_it(desk: Desk) -> None:
    """Filled in to look ahead without a script, or sent as it stood, to make sure: it is what somebody wants."""
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    for query, wanted in (({"per_minute": "1200"}, "1200"), ({}, "60")):
        shown = page(client, **query)
        form = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
        assert form["per_minute"] == wanted
        other_changes(per_minute=30)
        response = client.post("/manage/zones/concert/rate/", form)
        assert (response.status_code, row().per_minute) == (409, 30)
        again = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', response.content.decode(), re.S)[1])  # type: ignore[index]
        assert again["per_minute"] == wanted
        assert client.post("/manage/zones/concert/rate/", again).status_code == 302
        assert row().per_minute == int(wanted)
        other_changes(per_minute=60)


def test_of_two_fields_only_the_touched_one_is_written(desk: Desk) -> None:
    zone_make(message="Hello", message_ko="안녕하세요")
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", "/message/", message="Soon")
    other_changes(message_ko="잠시만요", per_minute=10)
    response = client.post("/manage/zones/concert/message/", form)
    assert response.status_code == 409
    again = fields_of(re.search(r'<form[^>]*action="[^"]*/message/"(.*?)</form>', response.content.decode(), re.S)[1])  # type: ignore[index]
    assert (again["message"], again["message_ko"]) == ("Soon", "잠시만요")
    assert client.post("/manage/zones/concert/message/", again).status_code == 302
    assert (row().message, row().message_ko, row().per_minute) == ("Soon", "잠시만요", 10)


def test_settings_keep_what_was_typed_and_what_the_other_changed(desk: Desk) -> None:
    zone_make(name="Concert", single_use=True, origins="https://a.example")
    client = desk(Role.OWNER)
    markup = page(client, "zones/concert/settings/")
    form = {**fields_of(markup[markup.index('class="panel form"') :]), "name": "The Concert", "idle_s": "120"}
    other_changes(origins="https://b.example", single_use=False, idle_s=90)
    response = client.post("/manage/zones/concert/settings/", form)
    shown = response.content.decode()
    assert response.status_code == 409
    assert row().name == "Concert"
    again = fields_of(shown[shown.index('class="panel form"') :])
    assert (again["name"], again["origins"], again["idle_s"]) == ("The Concert", "https://b.example", "120")
    assert "single_use" not in again
    assert client.post("/manage/zones/concert/settings/", again).status_code == 302
    found = row()
    assert (found.name, found.origins, found.idle_s, found.single_use) == (
        "The Concert",
        "https://b.example",
        120,
        False,
    )
    change = ZoneChange.objects.first()
    assert change is not None
    assert change.after == {"name": "The Concert", "idle_s": 120}


def test_settings_say_what_is_wrong(desk: Desk) -> None:
    zone = zone_make()
    client = desk(Role.OWNER)
    markup = page(client, "zones/concert/settings/")
    form = fields_of(markup[markup.index('class="panel form"') :])
    for typed, message in (
        ({"idle_s": "5"}, "greater than or equal to 10"),
        ({"poll_ms": "20000", "idle_s": "30"}, "Must fit into the idle limit at least twice."),
        ({"origins": "javascript:alert(1)"}, "At most 20 lines like https://shop.example"),
        ({"name": ""}, "required"),
    ):
        response = client.post("/manage/zones/concert/settings/", {**form, **typed})
        assert response.status_code == 400
        assert message in response.content.decode()
    assert row().version == zone.version


def test_a_change_is_undone_unless_it_was_changed_again(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    act(client, "rate", per_minute="600")
    wrong = ZoneChange.objects.first()
    assert wrong is not None
    undo = f"/manage/zones/concert/changes/{wrong.pk}/undo/"
    stale = client.post(undo, {"version": row().version - 1})
    assert (stale.status_code, row().per_minute) == (409, 600)
    assert said(client.post(undo, {"version": row().version})) == ["Undone."]
    assert row().per_minute == 60
    again = client.post(undo, {"version": row().version})
    assert (again.status_code, row().per_minute) == (409, 60)
    made = ZoneChange.objects.get(action="created")
    assert said(client.post(f"/manage/zones/concert/changes/{made.pk}/undo/", {"version": 1})) == [
        "This cannot be undone."
    ]
    zone_make("other")
    foreign = ZoneChange.objects.get(zone_id="other")
    assert client.post(f"/manage/zones/concert/changes/{foreign.pk}/undo/", {"version": 1}).status_code == 404


def test_an_undo_that_opens_the_doors_is_asked_about(desk: Desk) -> None:
    """Back to bypass takes the two steps of bypass, and says why; back from it takes one."""
    zone_make(mode="open")
    other_changes(mode="bypass")
    other_changes(mode="paused")
    client = desk(Role.OPERATOR)
    shown = page(client, "zones/concert/changes/")
    to_bypass, to_open = ZoneChange.objects.filter(action="changed")
    forms = {}
    for change in (to_bypass, to_open):
        item = next(part for part in re.findall(r"<li.*?</li>", shown, re.S) if f"changes/{change.pk}/undo/" in part)
        fold = re.search(r"<details[^>]*>\s*<summary.*?</details>", item, re.S)
        forms[change.pk] = fields_of(item)
        if change == to_open:
            assert fold is None
            continue
        assert fold is not None
        assert " open" not in fold[0].partition(">")[0]
        assert "<b>Bypass</b> Everybody in at once" in fold[0]
        assert 'class="button danger small"' in fold[0]
    assert forms[to_open.pk].keys() == {"version"}
    assert forms[to_bypass.pk].keys() == {"version", "why"}
    path = f"/manage/zones/concert/changes/{to_bypass.pk}/undo/"
    assert client.post(path, {**forms[to_bypass.pk], "why": "the hall is empty"}).status_code == 302
    note = ZoneChange.objects.first()
    assert note is not None
    assert (row().mode, note.action, note.why) == ("bypass", "undone", "the hall is empty")


def test_an_operator_does_not_undo_what_only_an_owner_does(desk: Desk) -> None:
    zone_make(name="Concert")
    other_changes(name="Another")
    change = ZoneChange.objects.filter(action="changed").get()
    answer = desk(Role.OPERATOR).post(f"/manage/zones/concert/changes/{change.pk}/undo/", {"version": row().version})
    assert (answer.status_code, row().name) == (403, "Another")


# --- making zones, giving roles -------------------------------------------------------------------------------------


def test_staff_make_zones(client: Client) -> None:
    user = person("yuna")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client.force_login(user)
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open", "origins": "https://shop.example"}
    assert client.post("/manage/new/", form).status_code == 403
    assert not Zone.objects.exists()
    user.user_permissions.add(*Permission.objects.filter(codename__in=["add_zone", "change_zone"]))
    response = client.post("/manage/new/", form)
    assert (response.status_code, response["Location"]) == (302, "/manage/zones/sale/")
    assert (row("sale").per_minute, told()["sale"].origins) == (500, ("https://shop.example",))
    shown = page(client, "zones/sale/")
    assert "http://testserver/wait/sale/?next=/" in shown
    assert (
        "http://testserver/static/js/gate.js&quot; data-zone=&quot;sale&quot;" in shown or 'data-zone="sale"' in shown
    )
    for wrong, message in (
        ({}, "already exists"),
        ({"zone_id": "a b"}, "letters, digits"),
        ({"zone_id": "SALE"}, "differs only|already exists"),
    ):
        response = client.post("/manage/new/", {**form, **wrong})
        assert response.status_code == 400
        assert re.search(message, response.content.decode())
    # All that is wrong is said at once.
    shown = client.post("/manage/new/", {**form, "zone_id": "a b", "per_minute": "-5"}).content.decode()
    assert "letters, digits, _ or -." in shown
    assert "greater than or equal to 0" in shown
    assert Zone.objects.count() == 1


def test_the_owner_of_an_app_makes_zones_in_it(desk: Desk) -> None:
    client = desk(None, "noor")
    manager_set(actor=None, user=person("noor"), role=Role.OWNER, app="shop")
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open"}
    assert '<option value="shop">shop</option>' in page(client, "new/")
    for app in ("bank", ""):
        assert client.post("/manage/new/", {**form, "app": app}).status_code == 403
    assert not Zone.objects.exists()
    assert client.post("/manage/new/", {**form, "app": "shop"}).status_code == 302
    assert 'data-zone="sale"' in page(client, "")
    assert desk(None, "mallory").get("/manage/new/").status_code == 403


def test_who_makes_a_zone_owns_it(client: Client) -> None:
    user = person("yuna")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_zone"))
    client.force_login(user)
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open"}
    response = client.post("/manage/new/", form, follow=True)
    assert response.status_code == 200
    assert ZoneManager.objects.values_list("user", "zone", "role").get() == (user.pk, "sale", Role.OWNER)


def test_an_owner_gives_and_takes_roles(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    person("minsu")
    path = "/manage/zones/concert/people/"
    assert client.post(path, {"username": "nobody", "role": "2"}).status_code == 400
    assert client.post(path, {"username": "minsu", "role": "9"}).status_code == 400
    assert client.post(path, {"username": "minsu", "role": "2"}).status_code == 302
    given = ZoneManager.objects.get(user__username="minsu")
    assert given.role == Role.OPERATOR
    assert "minsu" in page(client, "zones/concert/people/")
    zone_make("other")
    foreign = manager_set(actor=None, user=person("minsu"), role=Role.OWNER, zone_id="other")
    assert client.post(f"{path}{foreign.pk}/remove/").status_code == 404
    assert client.post(f"{path}{given.pk}/remove/").status_code == 302
    assert list(ZoneManager.objects.values_list("user__username", "zone_id")) == [
        ("hana", "concert"),
        ("minsu", "other"),
    ]


def test_who_takes_from_themselves_is_shown_what_is_left(desk: Desk) -> None:
    zone_make(app="shop")
    client = desk(Role.OWNER)
    path = "/manage/zones/concert/people/"
    mine = ZoneManager.objects.get()
    assert "This is your own role." in page(client, "zones/concert/people/")
    response = client.post(path, {"username": "hana", "role": "1"}, follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [("/manage/zones/concert/", 302)])
    manager_set(actor=None, user=person("hana"), role=Role.OWNER, app="shop")
    response = client.post(f"{path}{mine.pk}/remove/", follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [(path, 302)])
    last = manager_set(actor=None, user=person("hana"), role=Role.OWNER, zone_id="concert")
    ZoneManager.objects.exclude(pk=last.pk).delete()
    response = client.post(f"{path}{last.pk}/remove/", follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [("/manage/", 302)])
    assert "No zone is yours yet" in response.content.decode()


# --- looking --------------------------------------------------------------------------------------------------------


def test_the_page_says_who_set_the_mode_and_why(desk: Desk) -> None:
    zone_make()
    viewer = desk(Role.VIEWER, "vera")
    User.objects.filter(pk=person("olga").pk).update(display_name="Olga <3")
    assert re.search(r"Open since \d\d:\d\d, set by the system<", page(viewer))
    act(desk(Role.OPERATOR, "olga"), "mode", mode="paused", why="a fire drill")
    for _ in range(12):
        zone_update(actor=None, zone_id="concert", expected_version=row().version, per_minute=row().per_minute + 1)
    assert re.search(r"Paused since \d\d:\d\d, set by Olga &lt;3: “a fire drill”<", page(viewer))
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


def test_pages_stand_without_redis(desk: Desk, private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    zone_make()
    client = desk(Role.OWNER)
    private_redis.stop()
    assert 'data-health="stale"' in page(client, "")
    assert "No gate keeps up with the line" in page(client)
    assert "Nothing happened in this span." in page(client, "zones/concert/report/")


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


# --- reports --------------------------------------------------------------------------------------------------------


def test_a_report_of_a_chosen_span(desk: Desk) -> None:
    zone = zone_make(per_minute=10)
    crowd_join(zone, 25)
    client = desk(Role.VIEWER)
    shown = page(client, "zones/concert/report/")
    assert re.findall(r"<dd>([\d,]+)</dd>", shown)[:2] == ["25", "10"]
    file = client.get(re.search(r'href="([^"]*report\.csv[^"]*)"', shown)[1].replace("&amp;", "&"))  # type: ignore[index]
    assert file["Content-Disposition"].startswith('attachment; filename="concert-')
    lines = file.content.decode("utf-8-sig").strip().split("\r\n")
    assert len(lines) == 2
    assert lines[1].split(",")[1:3] == ["25", "10"]
    earlier = {"start": "2026-01-01T00:00", "end": "2026-01-01T06:00"}
    assert "Nothing happened in this span." in page(client, "zones/concert/report/", **earlier)
    for wrong in (
        {"start": "2026-01-02T00:00", "end": "2026-01-01T00:00"},
        {"start": "2025-01-01T00:00", "end": "2026-01-01T00:00"},
        {"start": "x", "end": ""},
    ):
        assert client.get("/manage/zones/concert/report/", wrong).status_code == 400
        assert client.get("/manage/zones/concert/report.csv", wrong).status_code == 400


def test_a_report_of_an_event_begins_with_its_gathering(desk: Desk) -> None:
    now = timezone.now()
    zone_make(opens_at=now + timedelta(minutes=20), prequeue_from=now + timedelta(minutes=10))
    later = [change for change in ZoneChange.objects.all() if change.action == "created"]
    ZoneChange.objects.filter(pk=later[0].pk).update(at=now - timedelta(hours=3))
    moved = {
        name: (now - timedelta(minutes=ago)).isoformat() for name, ago in (("opens_at", 60), ("prequeue_from", 70))
    }
    ZoneChange.objects.filter(pk=later[0].pk).update(after=moved)
    shown = page(desk(Role.VIEWER), "zones/concert/report/")
    opened = timezone.localtime(now - timedelta(minutes=60))
    assert f"Event of {opened:%Y-%m-%d %H:%M}" in shown
    assert f"{timezone.localtime(now - timedelta(minutes=70)):%Y-%m-%d %H:%M}</time> " in shown
    assert f"?event={int(opened.timestamp())}" in shown
