"""Alerts in the admin: addresses come in and never go out, tests are sent, the history is only read."""

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.cache import caches
from django.db import connections
from django.test import Client

from apps.accounts.services import user_register
from apps.operations.alert_address import address_open
from apps.operations.alert_kinds import AlertKind
from apps.operations.alert_sending import channels_send
from apps.operations.channel_admin import TESTED_AT_ONCE, AlertChannelForm
from apps.operations.models import AlertChannel, AlertEvent, AlertRule
from tests.operations.alert_stage import NOON, Endpoint, channel_make, look, rule_make
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
CHANNELS, RULES, EVENTS = (f"/admin/operations/alert{name}/" for name in ("channel", "rule", "event"))
TEST_ONE = "operations_alertchannel_test_one"
KEPT = "jsons://127.0.0.1/s3cr3t-path"


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "ops", "address": "", "language": "en", "enabled": "on", **fields}


def rule_form(**fields: Any) -> dict[str, Any]:
    usual = {"name": "drift", "kind": "drift", "severity": "warning", "enabled": "on", "calm_s": 60}
    return {**usual, "repeat_minutes": 30, "time_zone": "Asia/Seoul", **fields}


def traces() -> set[str]:
    return {entry.get_change_message() for entry in LogEntry.objects.all()}


def errors(response: Any) -> dict[str, list[str]]:
    return {name: list(told) for name, told in response.context["adminform"].form.errors.items()}


# --- channels -----------------------------------------------------------------------------------------------------


def test_an_address_comes_in_and_never_goes_out(desk: Client) -> None:
    assert desk.post(f"{CHANNELS}add/", form(address=KEPT)).status_code == 302
    channel = AlertChannel.objects.get()
    assert (address_open(channel.sealed), channel.shown) == (KEPT, "jsons://127.0.0.1…")
    pages = [
        desk.get(CHANNELS),
        desk.get(f"{CHANNELS}{channel.pk}/change/"),
        desk.get(f"{CHANNELS}{channel.pk}/history/"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "s3cr3t" not in page.content.decode()
    assert "jsons://127.0.0.1…" in pages[0].content.decode()
    assert "s3cr3t" not in str(list(LogEntry.objects.values()))


def test_an_address_is_kept_unless_another_is_entered(desk: Client) -> None:
    channel = channel_make(KEPT, failures=3)
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(name="night"))
    channel.refresh_from_db()
    assert (channel.name, address_open(channel.sealed), channel.failures) == ("night", KEPT, 3)
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(name="night", address="jsons://127.0.0.1/other"))
    channel.refresh_from_db()
    assert (address_open(channel.sealed), channel.failures) == ("jsons://127.0.0.1/other", 0)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jsons://169.254.169.254/s3cr3t-path",
        "file:///s3cr3t-path",
        "jsons://127.0.0.1/s3cr3t-path?verify=no",
        "s3cr3t",
    ],
)
def test_an_address_that_is_refused_is_not_repeated(desk: Client, url: str) -> None:
    response = desk.post(f"{CHANNELS}add/", form(address=url))
    assert response.status_code == 200
    assert list(errors(response)) == ["address"]
    assert "s3cr3t" not in response.content.decode()
    assert AlertChannel.objects.count() == 0


def test_what_the_sender_wrote_meanwhile_is_not_undone(
    desk: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = channel_make(endpoint.url)
    rule_make(channel)
    look(0, 200)
    endpoint.answer = 500
    clean = AlertChannelForm.clean_address

    def meanwhile(form: AlertChannelForm) -> str:
        assert channels_send(now=datetime.fromtimestamp(NOON / 1000, tz=UTC)) == 1
        return clean(form)

    monkeypatch.setattr(AlertChannelForm, "clean_address", meanwhile)
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(name="night"))
    channel.refresh_from_db()
    assert (channel.name, channel.failures, "500" in channel.last_error) == ("night", 1, True)


def test_a_channel_is_tried_from_its_page(desk: Client, endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url)
    page = desk.get(f"{CHANNELS}{channel.pk}/change/").content.decode()
    assert f'name="{TEST_ONE}"' in page
    response = desk.post(f"{CHANNELS}{channel.pk}/change/", form(**{TEST_ONE: "1"}))
    assert response.status_code == 302
    assert endpoint.titles == ["Fullhouse: Test notice"]
    shown = desk.get(CHANNELS).content.decode()
    assert "ops took the test notice." in shown
    endpoint.answer = 404
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(name="ops", **{TEST_ONE: "1"}))
    assert "ops was tried a moment ago." in desk.get(CHANNELS).content.decode()
    assert len(endpoint.paths) == 1
    caches["default"].delete(f"alerts:tested:{channel.pk}")  # as after ten seconds
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(**{TEST_ONE: "1"}))
    shown = desk.get(CHANNELS).content.decode()
    assert "ops did not take the test notice: " in shown
    assert "s3cr3t" not in shown
    assert {"Test notice sent.", "Test notice not taken."} <= traces()


def test_a_new_channel_is_saved_and_tried(desk: Client, endpoint: Endpoint) -> None:
    assert f'name="{TEST_ONE}"' in desk.get(f"{CHANNELS}add/").content.decode()
    desk.post(f"{CHANNELS}add/", form(address=endpoint.url, **{TEST_ONE: "1"}))
    assert endpoint.titles == ["Fullhouse: Test notice"]
    assert AlertChannel.objects.get().last_sent_at is not None


def test_a_test_holds_no_lock_while_the_endpoint_thinks(desk: Client, endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url)
    rule_make(channel)
    made: list[int] = []

    def meanwhile(request: BaseHTTPRequestHandler) -> None:
        thread = threading.Thread(target=evaluate)
        thread.start()
        thread.join(10)
        request.send_response(200)
        request.end_headers()

    def evaluate() -> None:
        made.append(look(0, 200))
        connections.close_all()

    endpoint.answer = meanwhile
    desk.post(f"{CHANNELS}{channel.pk}/change/", form(**{TEST_ONE: "1"}))
    assert made == [1]


def test_chosen_channels_are_tried_from_the_list(desk: Client, endpoint: Endpoint) -> None:
    chosen = [channel_make(endpoint.url), channel_make(endpoint.url, name="chat")]
    channel_make(endpoint.url, name="other")
    response = desk.post(CHANNELS, {"action": "test_chosen", "_selected_action": [one.pk for one in chosen]})
    assert (response.status_code, len(endpoint.taken)) == (302, 2)
    assert said(response) == ["chat took the test notice.", "ops took the test notice."]
    assert LogEntry.objects.count() == 2
    assert traces() == {"Test notice sent."}


def test_of_many_channels_none_is_tried(desk: Client, endpoint: Endpoint) -> None:
    chosen = [channel_make(endpoint.url, name=f"channel {number}") for number in range(TESTED_AT_ONCE + 1)]
    response = desk.post(CHANNELS, {"action": "test_chosen", "_selected_action": [one.pk for one in chosen]})
    assert said(response) == ["Choose no more than 5 channels at once. Nothing was sent."]
    assert (endpoint.paths, traces()) == ([], set())


# --- rules --------------------------------------------------------------------------------------------------------


def test_a_rule_is_made_and_changed(desk: Client) -> None:
    channel = channel_make()
    assert desk.post(f"{RULES}add/", rule_form(channels=[channel.pk], limit=9)).status_code == 302
    rule = AlertRule.objects.get()
    assert (rule.kind, rule.limit_used, rule.hold_s, list(rule.channels.all())) == ("drift", 9, None, [channel])
    look(0, 200)
    AlertRule.objects.update(evaluated_ms=77)
    posted = {**rule_form(limit="", quiet_from="23:00", quiet_to="07:00"), "kind": "line"}  # the kind stays
    assert desk.post(f"{RULES}{rule.pk}/change/", posted).status_code == 302
    rule.refresh_from_db()
    assert (rule.kind, rule.limit_used, rule.evaluated_ms, rule.channels.count()) == ("drift", 50, 77, 0)


def test_a_rule_that_makes_no_sense_is_refused(desk: Client) -> None:
    response = desk.post(f"{RULES}add/", rule_form(app="shop", quiet_from="23:00"))
    assert errors(response) == {
        "kind": ["This kind watches the whole house: choose neither a zone nor an app."],
        "quiet_to": ["Enter both ends of the quiet hours, or neither."],
    }
    assert AlertRule.objects.count() == 0


def test_the_usual_rules_are_added_once(desk: Client) -> None:
    channels = [channel_make(), channel_make(name="chat")]
    channel_make(name="unused", enabled=False)
    own = rule_make(name="my drift", limit=7)
    page = desk.get(f"{RULES}usual/").content.decode()
    assert "A line forms" in page
    assert "Viewer counts drift" not in page
    assert AlertRule.objects.count() == 1  # asked first
    desk.post(f"{RULES}usual/")
    made = AlertRule.objects.exclude(pk=own.pk)
    assert sorted(made.values_list("kind", flat=True)) == sorted(set(AlertKind.values) - {"drift"})
    assert all(set(rule.channels.all()) == set(channels) for rule in made)
    assert all((rule.limit, rule.limit_used) == (None, rule.facts.limit) for rule in made)
    assert LogEntry.objects.count() == len(AlertKind) - 1
    response = desk.get(f"{RULES}usual/")
    assert (response.status_code, said(response)) == (302, ["9 rules added.", "There is a rule of every kind already."])
    desk.post(f"{RULES}usual/")
    assert AlertRule.objects.count() == len(AlertKind)


def test_the_list_of_rules(desk: Client) -> None:
    rule_make(channel_make(), quiet_from="23:00", quiet_to="07:00").refresh_from_db()
    rule_make(name="one", kind="wait", limit=None, zone=zone_make())
    rule_make(name="shop", kind="line", app="shop")
    look(0, 200)
    page = desk.get(RULES).content.decode()
    for text in ("the house", "all zones of shop", "Concert", "10 min 0 s", "23:00-07:00"):
        assert text in page
    admin = desk.get(RULES).context["cl"].model_admin
    shown = {row.name: admin.firing(row) for row in desk.get(RULES).context["cl"].result_list}
    assert shown == {"drift": ("yes", "1"), "one": ("no", "0"), "shop": ("no", "0")}


# --- the history ----------------------------------------------------------------------------------------------------


def test_the_history_is_found_filtered_and_only_read(desk: Client) -> None:
    rule_make(channel_make(), severity="critical")
    look(0, 200)
    look(15, 0)
    event = AlertEvent.objects.get()
    for query, found in (
        ({}, 1),
        ({"open": "yes"}, 0),
        ({"open": "no"}, 1),
        ({"kind__exact": "drift"}, 1),
        ({"kind__exact": "line"}, 0),
        ({"severity__exact": "critical"}, 1),
        ({"q": "drift"}, 1),
        ({"q": "nothing"}, 0),
    ):
        assert len(desk.get(EVENTS, query).context["cl"].result_list) == found, query
    page = desk.get(f"{EVENTS}{event.pk}/change/").content.decode()
    for text in ("over", "ops", "sessions counted too many or too few: 0"):
        assert text in page
    assert desk.get(f"{EVENTS}add/").status_code == 403
    assert desk.post(f"{EVENTS}{event.pk}/change/", {"rule_name": "x"}).status_code == 403
    assert desk.post(f"{EVENTS}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert AlertEvent.objects.get().rule_name == "drift"


@pytest.mark.parametrize("page", [CHANNELS, RULES, EVENTS])
def test_strangers_see_nothing(client: Client, page: str) -> None:
    client.force_login(user_register(username="someone", password="a long enough pass"))
    assert client.get(page).status_code == 302


@pytest.mark.parametrize("page", [CHANNELS, f"{CHANNELS}add/", RULES, f"{RULES}add/", EVENTS])
def test_the_desk_speaks_korean(desk: Client, page: str) -> None:
    assert desk.get(page, headers={"Accept-Language": "ko"}).status_code == 200
