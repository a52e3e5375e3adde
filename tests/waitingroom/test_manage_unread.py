"""The managers' pages while Redis is away: a dash where a zero would be a lie, and what no gate knows is not done."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from apps.accounts.services import operator_ensure
from apps.waitingroom import services
from apps.waitingroom.manage.telling import UNTOLD
from apps.waitingroom.models import Role, Zone, ZoneChange, ZoneStatistic
from tests.services.redis_server import RedisServer
from tests.waitingroom.desks import Desk, act, fields_of, page, row, said
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def away(private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
    """A Redis that can be taken away: `away.stop()`."""
    use_redis(private_redis.url)
    return private_redis


def failures(caller: str) -> float:
    return REGISTRY.get_sample_value("fullhouse_redis_failures_total", {"caller": caller}) or 0.0


def figures(shown: str) -> dict[str, str]:
    """The figures of a zone's page, as they are shown."""
    found = re.findall(r'data-figure="(\w+)"(?: data-value="[^"]*")?>([^<]*)<', shown)
    return {name: text for name, text in found if name != "per_minute"}


# --- what is not known ----------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_a_dash(desk: Desk, away: RedisServer) -> None:
    zone = zone_make(per_minute=60, message="Soon")
    crowd_join(zone, 70)
    client = desk(Role.OWNER)
    shown = page(client)
    assert figures(shown) == {"waiting": "0", "entering": "0", "wait": "0:00", "called": "0"}  # no gate told yet
    assert re.findall(r'data-funnel-of="(\w+)">([^<]*)<', shown)[:2] == [("joined", "70"), ("entered", "60")]
    away.stop()
    before = failures("manage_page")
    wall = page(client, "")
    assert 'data-health="unread"' in wall
    assert "The line cannot be read now" in wall
    assert '<b data-total="waiting">—</b>' in wall
    assert re.findall(r"<dd>([^<]*)</dd>", wall)[:2] == ["—", "—"]
    assert '<b>—</b> <span class="of">of 60</span>' in wall
    shown = page(client)
    assert figures(shown) == {"waiting": "—", "entering": "—", "wait": "—", "called": "—"}
    assert re.findall(r'data-value="([^"]*)"', shown) == ["", "", ""]
    assert re.findall(r'data-funnel-of="(\w+)">([^<]*)<', shown) == [
        (name, "—") for name in ("joined", "entered", "left", "evicted")
    ]
    assert "data-preview>The line cannot be read now.</p>" in shown
    assert "data-health-words>The line cannot be read now</p>" in shown
    assert "how many they are cannot be read now" in shown
    assert "0 people" not in shown
    assert "Soon" in shown
    assert failures("manage_page") == before + 2  # a page asks it once
    answer = client.get("/manage/zones/concert/preview/", {"per_minute": "7"})
    assert answer.json() == {"text": "The line cannot be read now."}


@pytest.mark.parametrize("mode", ["bypass", "observe"])
def test_what_is_true_of_any_line_is_said_of_one_that_cannot_be_read(desk: Desk, away: RedisServer, mode: str) -> None:
    zone_make(mode=mode)
    client = desk(Role.OPERATOR)
    away.stop()
    assert "data-preview>Everybody enters at once, whatever N is.</p>" in page(client)


def test_minutes_that_nobody_tells_of_are_not_drawn_as_empty_ones(desk: Desk, away: RedisServer) -> None:
    zone_make()
    client = desk(Role.VIEWER)
    now = timezone.now()
    away.stop()
    Zone.objects.update(created_at=now - timedelta(days=1), counted_to=now - timedelta(minutes=11))
    shown = page(client)
    course = re.search(r'<svg class="drawn wide"[^>]*>.*?<path class="line" d="([^"]*)"', shown, re.S)
    assert course is not None
    end = float(course[1].rpartition("H")[2])
    assert 56 < end < 56 + 848 * 21 / 30  # not to the right end, which is now
    Zone.objects.update(counted_to=now - timedelta(hours=1))
    shown = page(client)
    assert '<svg class="drawn' not in shown
    assert '<p class="muted">The line cannot be read now.</p>' in shown


def test_a_report_says_up_to_when_its_figures_are_and_counts_the_failure(desk: Desk, away: RedisServer) -> None:
    zone_make()
    client = desk(Role.VIEWER)
    now = timezone.localtime().replace(second=0, microsecond=0)
    written = now - timedelta(minutes=20)
    Zone.objects.update(created_at=now - timedelta(days=1), counted_to=written)
    counts = dict.fromkeys(("evicted", "left", "refused", "would_wait"), 0)
    ZoneStatistic.objects.create(zone_id="concert", minute=written, joins=9, entries=7, waiting=2, **counts)
    assert "data-why" not in page(client, "zones/concert/report/")
    away.stop()
    before = failures("zone_report")
    shown = page(client, "zones/concert/report/")
    end = written + timedelta(minutes=1)
    assert f"Figures end at {end:%Y-%m-%d %H:%M}: what came after cannot be read now" in shown
    assert "This span is not over.</p>" in shown
    assert "Figures are of" not in shown
    assert re.findall(r"<dd>([\d,]+)</dd>", shown)[:2] == ["9", "7"]
    assert '<path class="unknown" d="' in shown
    assert '<li class="k-unknown">Not known</li>' in shown
    assert failures("zone_report") == before + 1
    file = client.get("/manage/zones/concert/report.csv")
    assert file["Content-Disposition"].endswith('-incomplete.csv"')
    lines = file.content.decode("utf-8-sig").strip().split("\r\n")[1:]
    assert [line.split(",")[1] for line in lines[:3]] == ["9", "", ""]
    assert 21 <= len(lines) <= 22  # the last of them may have begun meanwhile


def test_a_report_of_which_nothing_is_known_shows_no_figure(desk: Desk, away: RedisServer) -> None:
    zone_make()
    client = desk(Role.VIEWER)
    now = timezone.localtime().replace(second=0, microsecond=0)
    Zone.objects.update(created_at=now - timedelta(days=1), counted_to=now - timedelta(minutes=90))
    away.stop()
    shown = page(client, "zones/concert/report/")
    assert "Redis, which counts these minutes, cannot be read now. Load this page again later." in shown
    assert "Nothing of this span is known." in shown
    assert "<dd>" not in shown
    assert "Nothing happened" not in shown
    start, end = (f"{now - timedelta(minutes=ago):%Y-%m-%dT%H:%M}" for ago in (91, 80))
    shown = page(client, "zones/concert/report/", start=start, end=end)
    assert "Nothing happened in the minutes that are known." in shown
    shown = page(client, "zones/concert/report/", start=start, end=f"{now - timedelta(minutes=90):%Y-%m-%dT%H:%M}")
    assert "Nothing happened in this span." in shown


# --- what no gate knows ---------------------------------------------------------------------------------------------


def warned(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request) if message.level_tag == "warning"]


@pytest.mark.parametrize(
    ("what", "typed"),
    [
        ("rate", {"per_minute": "7"}),
        ("mode", {"mode": "paused"}),
        ("block", {"message": "Closed."}),
        ("message", {"message": "Soon"}),
        ("clear", {"typed": "concert"}),
    ],
)
def test_a_change_that_no_gate_was_told_of_is_saved_and_not_called_done(
    desk: Desk, away: RedisServer, what: str, typed: dict[str, str]
) -> None:
    zone = zone_make(per_minute=60)
    client = desk(Role.OWNER)
    away.stop()
    response = act(client, what, **typed)
    assert (said(response), warned(response)) == ([UNTOLD], [UNTOLD])
    assert row().version > zone.version
    away.start()
    response = act(client, "rate", per_minute="8")
    assert (said(response), warned(response)) == (["Entries a minute: changed."], [])


def test_so_it_is_of_what_is_undone_set_and_made(desk: Desk, away: RedisServer) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OWNER)
    act(client, "rate", per_minute="7")
    change = ZoneChange.objects.filter(action="changed").latest("pk")
    away.stop()
    undone = client.post(f"/manage/zones/concert/changes/{change.pk}/undo/", {"version": row().version})
    assert (warned(undone), row().per_minute) == ([UNTOLD], 60)
    assert "Undone." not in said(undone)
    fields = fields_of(page(client, "zones/concert/settings/")) | {"name": "Another"}
    saved = client.post("/manage/zones/concert/settings/", fields)
    assert (warned(saved), row().name) == ([UNTOLD], "Another")
    boss = Client()
    boss.force_login(operator_ensure(username="boss", password="a long enough pass"))
    fields = fields_of(page(boss, "new/")) | {"zone_id": "second", "name": "Second", "per_minute": "5"}
    made = boss.post("/manage/new/", fields)
    assert (said(made), row("second").per_minute) == ([UNTOLD], 5)


def test_the_admin_says_so_as_well(away: RedisServer) -> None:
    zone_make(per_minute=60)
    boss = Client()
    boss.force_login(operator_ensure(username="boss", password="a long enough pass"))
    address = "/admin/waitingroom/zone/concert/change/"
    fields = fields_of(boss.get(address).content.decode()) | {"per_minute": "7"}
    away.stop()
    response = boss.post(address, fields)
    assert (response.status_code, row().per_minute) == (302, 7)
    assert (said(response), warned(response)) == ([UNTOLD], [UNTOLD])
    away.start()
    services.zones_publish_all()
    fields = fields_of(boss.get(address).content.decode()) | {"per_minute": "8"}
    response = boss.post(address, fields)
    assert (row().per_minute, warned(response), len(said(response))) == (8, [], 1)


# --- forms ----------------------------------------------------------------------------------------------------------


def test_pressing_twice_is_not_called_somebody_else(desk: Desk) -> None:
    zone = zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    typed = {"version": zone.version, "why": "", "per_minute": "7"}
    assert client.post("/manage/zones/concert/rate/", typed).status_code == 302
    again = client.post("/manage/zones/concert/rate/", typed)
    assert again.status_code == 409
    shown = again.content.decode()
    assert "You changed this zone yourself meanwhile. What you sent now was not saved." in shown
    assert "Somebody else changed this zone first" not in shown
    services.zone_update(actor=None, zone_id="concert", expected_version=row().version, per_minute=9)
    shown = client.post("/manage/zones/concert/rate/", typed).content.decode()
    assert "Somebody else changed this zone first. Nothing of yours was saved." in shown


def test_what_the_page_showed_is_not_put_back_by_a_browser(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    act(client, "rate", per_minute="7")
    for path in ("zones/concert/", "zones/concert/settings/"):
        hidden = re.findall(r'<input[^>]*type="hidden"[^>]*>', page(client, path))
        ours = [tag for tag in hidden if 'name="version"' in tag or 'name="initial-' in tag]
        assert len(ours) > 5
        assert [tag for tag in ours if 'autocomplete="off"' not in tag] == []


@pytest.mark.parametrize(
    ("language", "told", "shown"),
    [
        ("en", ("Soon", "곧"), "Soon"),
        ("ko", ("Soon", "곧"), "곧"),
        ("ko", ("Soon", ""), "Soon"),
        ("en", ("", "곧"), "곧"),
        ("en", ("", ""), "none"),
        ("ko", ("", ""), "없음"),
    ],
)
def test_the_message_is_shown_in_the_language_of_who_reads(
    desk: Desk, language: str, told: tuple[str, str], shown: str
) -> None:
    zone_make(message=told[0], message_ko=told[1])
    client = desk(Role.OPERATOR)
    answer = client.get("/manage/zones/concert/", headers={"accept-language": language})
    assert f"data-message-now>{shown}</span>" in answer.content.decode()
