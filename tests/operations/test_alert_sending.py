"""Notices reach a real endpoint: once, in one message, after trouble on the way, and never for ever."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connections
from prometheus_client import REGISTRY

from apps.operations import alert_delivery, alert_sending
from apps.operations.alert_sending import ATTEMPTS, KEPT_S, RESTS_S, channel_test, channels_send, sending_begin
from apps.operations.models import AlertChannel, AlertNotice
from apps.operations.tasks import alerts, alerts_send
from tests.operations.alert_stage import NOON, Endpoint, channel_make, drift_is, look, notices, rule_make
from tests.services.process import free_port
from tests.services.waiting import eventually
from tests.services.worker import Worker

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

START = datetime.fromtimestamp(NOON / 1000, tz=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def row(name: str = "ops") -> AlertChannel:
    return AlertChannel.objects.get(name=name)


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("fullhouse_alert_notices_total", {"result": result}) or 0


def trouble(*channels: AlertChannel, **fields: Any) -> None:
    """A notice of trouble waits for each of these channels."""
    rule_make(*channels, **fields)
    look(0, 200)


def test_a_notice_arrives(endpoint: Endpoint) -> None:
    trouble(channel_make(endpoint.url))
    before = counted("sent")
    assert channels_send(now=at(0)) == 1
    (message,) = endpoint.taken
    assert message["title"] == "Fullhouse: [warning] Viewer counts drift from what servers hold"
    assert message["message"].splitlines() == [
        "[warning] Viewer counts drift from what servers hold",
        "Since 2026-12-24 21:00:00 KST",
        "sessions counted too many or too few: 200 (limit 100, worst 200)",
        "Rule: drift",
    ]
    assert message["type"] == "warning"
    assert notices() == [("ops", "trouble", "sent")]
    assert (row().failures, row().busy_until, row().next_at, row().last_error) == (0, None, None, "")
    assert row().last_sent_at is not None
    assert counted("sent") == before + 1
    assert channels_send(now=at(0)) == 0
    assert len(endpoint.taken) == 1


def test_what_waits_goes_out_as_one_message_a_channel(endpoint: Endpoint) -> None:
    one, two = channel_make(endpoint.url), channel_make(endpoint.url, name="korean", language="ko")
    for number in range(3):
        rule_make(one, two, name=f"rule {number}", limit=number)
    look(0, 200)
    assert channels_send(now=at(0)) == 2
    assert endpoint.titles[0] == "Fullhouse: 3 alerts"
    assert [endpoint.taken[0]["message"].count(f"Rule: rule {number}") for number in range(3)] == [1, 1, 1]
    assert len(endpoint.taken) == 2


@pytest.mark.parametrize("status", [500, 404, 429, 302])
def test_an_endpoint_that_refuses_is_tried_again_and_not_for_ever(endpoint: Endpoint, status: int) -> None:
    trouble(channel_make(endpoint.url))
    endpoint.answer = status
    given_up, failed = counted("given_up"), counted("failed")
    now = 0.0
    for attempt in range(1, ATTEMPTS + 1):
        assert channels_send(now=at(now)) == 1
        notice = AlertNotice.objects.get()
        assert (notice.attempts, row().failures) == (attempt, attempt)
        assert str(status) in notice.last_error
        assert row().last_error == notice.last_error
        rest = RESTS_S[min(attempt, len(RESTS_S)) - 1]
        assert row().next_at == at(now + rest)
        assert channels_send(now=at(now + rest - 0.1)) == 0
        now += rest
    assert notices() == [("ops", "trouble", "given-up")]
    assert channels_send(now=at(now + 86_400)) == 0
    assert len(endpoint.paths) == ATTEMPTS
    assert (counted("given_up"), counted("failed")) == (given_up + 1, failed + ATTEMPTS - 1)


def test_an_endpoint_that_comes_back_gets_all_of_it_at_once(endpoint: Endpoint) -> None:
    trouble(channel_make(endpoint.url))
    endpoint.answer = 503
    channels_send(now=at(0))
    look(15, 0)  # over, meanwhile
    endpoint.answer = 200
    assert channels_send(now=at(14)) == 0
    assert channels_send(now=at(15)) == 1
    assert endpoint.titles == ["Fullhouse: 2 alerts"]
    assert [(kind, state) for _name, kind, state in notices()] == [("trouble", "sent"), ("recovery", "sent")]
    assert (row().failures, row().next_at) == (0, None)
    assert "503" in row().last_error  # still to be read, with the time


def test_nobody_listens() -> None:
    trouble(channel_make(f"json://127.0.0.1:{free_port()}/s3cr3t-path"))
    assert channels_send(now=at(0)) == 1
    assert row().last_error
    assert "s3cr3t" not in row().last_error


def test_no_secret_is_logged_or_kept(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger=""):
        trouble(channel_make(endpoint.url))
        endpoint.answer = 500
        channels_send(now=at(0))
    assert endpoint.paths == ["/s3cr3t-path"]
    assert "Notices to ops could not be sent" in caplog.text
    kept = [*AlertChannel.objects.values(), *AlertNotice.objects.values()]
    assert "s3cr3t" not in caplog.text + str(kept)


def test_an_endpoint_without_an_end_is_given_up(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not over.wait(0.05):  # every byte is in time, and they never end
            try:
                request.wfile.write(b".")
                request.wfile.flush()
            except OSError:
                return

    monkeypatch.setattr(alert_delivery, "SEND_S", 0.5)
    endpoint.answer = drip
    trouble(channel_make(endpoint.url))
    assert channels_send(now=at(0)) == 1
    over.set()
    assert (row().last_error, row().failures, row().busy_until) == ("no answer within 0.5 s", 1, None)


def test_a_channel_that_fails_keeps_no_other_waiting(endpoint: Endpoint) -> None:
    dead = channel_make(f"json://127.0.0.1:{free_port()}/x", name="dead")
    trouble(dead, channel_make(endpoint.url))
    assert channels_send(now=at(0)) == 2
    assert sorted(notices()) == [("dead", "trouble", "waiting"), ("ops", "trouble", "sent")]


def test_a_channel_out_of_use_is_left_alone(endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url)
    trouble(channel)
    AlertChannel.objects.update(enabled=False)
    assert channels_send(now=at(0)) == 0
    AlertChannel.objects.update(enabled=True)
    assert channels_send(now=at(KEPT_S)) == 1
    assert len(endpoint.taken) == 1


def test_what_is_old_is_news_no_more(endpoint: Endpoint) -> None:
    trouble(channel_make(endpoint.url))
    assert channels_send(now=at(KEPT_S + 1)) == 0
    assert (notices(), endpoint.paths, row().busy_until) == ([("ops", "trouble", "given-up")], [], None)


@pytest.mark.parametrize("changes", [{"enabled": False}, {"busy_until": at(KEPT_S + 30)}, None])
def test_so_it_is_whatever_became_of_its_channel(endpoint: Endpoint, changes: dict[str, Any] | None) -> None:
    trouble(channel_make(endpoint.url))
    if changes:
        AlertChannel.objects.update(**changes)
    else:
        AlertChannel.objects.all().delete()
    before = counted("given_up")
    assert channels_send(now=at(KEPT_S)) == 0
    assert notices() == [("ops", "trouble", "waiting")]
    assert channels_send(now=at(KEPT_S + 1)) == 0
    assert notices() == [("ops", "trouble", "given-up")]
    assert (counted("given_up"), endpoint.paths) == (before + 1, [])


def test_an_address_that_may_not_be_spoken_to_any_more_is_not(endpoint: Endpoint, settings: Any) -> None:
    trouble(channel_make(endpoint.url))
    settings.ALERT_INTERNAL_HOSTS = []
    assert channels_send(now=at(0)) == 1
    assert endpoint.paths == []
    assert row().last_error.startswith("127.0.0.1 is not a public host")
    settings.SECRET_KEY = "another" * 10
    assert channels_send(now=at(15)) == 1
    assert row().last_error == "the key that this address was encrypted with is gone"


# --- at once, killed, other clocks ----------------------------------------------------------------------------------


def unclaimed(channel_id: int, now: datetime) -> tuple[AlertChannel, list[AlertNotice]]:
    """What a sender without a claim would do. Kept to show what the claim prevents."""
    channel = AlertChannel.objects.get(pk=channel_id)
    return channel, list(AlertNotice.objects.filter(channel=channel, state="waiting").select_related("event"))


@pytest.mark.parametrize("is_guarded", [False, True], ids=["without the guard", "with it"])
def test_two_senders_at_once(endpoint: Endpoint, is_guarded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble(channel_make(endpoint.url))
    if not is_guarded:
        monkeypatch.setattr(alert_sending, "_claim", unclaimed)
        both = threading.Barrier(2)

        def together(request: BaseHTTPRequestHandler) -> None:
            both.wait(10)
            request.send_response(200)
            request.end_headers()

        endpoint.answer = together

    def send(_number: int) -> int:
        try:
            return channels_send(now=at(0))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(send, range(2)))
    assert (sorted(sent), len(endpoint.paths)) == (([0, 1], 1) if is_guarded else ([1, 1], 2))


def test_a_sender_that_dies_is_replaced_and_its_attempt_counts(endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url)
    trouble(channel)
    for attempt in range(ATTEMPTS):
        assert alert_sending._claim(channel.pk, at(61 * attempt)) is not None  # and nothing more is heard of it
        assert channels_send(now=at(61 * attempt + 60 - 0.1)) == 0
    assert AlertNotice.objects.get().attempts == ATTEMPTS
    endpoint.answer = 500
    assert channels_send(now=at(61 * ATTEMPTS)) == 1
    assert notices() == [("ops", "trouble", "given-up")]


def test_a_clock_that_is_set_back_holds_up_nobody(endpoint: Endpoint) -> None:
    trouble(channel_make(endpoint.url))
    AlertChannel.objects.update(next_at=at(86_400), busy_until=at(86_400))
    assert channels_send(now=at(0)) == 1
    assert notices() == [("ops", "trouble", "sent")]


# --- beside ---------------------------------------------------------------------------------------------------------


def test_sending_goes_on_beside_its_caller(endpoint: Endpoint) -> None:
    go_on = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(10)
        request.send_response(200)
        request.end_headers()

    endpoint.answer = slow
    rule_make(channel_make(endpoint.url))
    look(0, 200)
    AlertNotice.objects.update(made_at=datetime.now(UTC))
    assert sending_begin()
    assert endpoint.asked.wait(10)
    assert not sending_begin()  # once in a process
    assert look(15, 0) == 1  # nothing is held up
    AlertNotice.objects.update(made_at=datetime.now(UTC))
    go_on.set()
    # What came meanwhile goes out, too, before it ends.
    eventually(lambda: [state for _name, _kind, state in notices()] == ["sent", "sent"])
    assert len(endpoint.paths) == 2
    eventually(lambda: not alert_sending._sending.locked())


def test_with_nothing_to_send_nobody_is_spoken_to(endpoint: Endpoint) -> None:
    rule_make(channel_make(endpoint.url))
    alerts_send()
    eventually(lambda: not alert_sending._sending.locked())
    assert endpoint.paths == []


@pytest.mark.slow
def test_a_slow_endpoint_holds_up_no_evaluation(endpoint: Endpoint, worker: Callable[..., Worker]) -> None:
    """A real worker with one process: trouble is seen to end while the endpoint still thinks about its beginning."""
    go_on = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(15)
        request.send_response(200)
        request.end_headers()

    endpoint.answer = slow
    rule_make(channel_make(endpoint.url))
    drift_now(200)
    worker()
    alerts.delay()
    assert endpoint.asked.wait(30)
    drift_now(0)
    alerts.delay()
    eventually(lambda: [kind for _name, kind, _state in notices()] == ["trouble", "recovery"], deadline=10)
    assert [state for _name, _kind, state in notices()] == ["waiting", "waiting"]
    go_on.set()
    eventually(lambda: [state for _name, _kind, state in notices()] == ["sent", "sent"])


def drift_now(value: int) -> None:
    drift_is(value, at_s=datetime.now(UTC).timestamp() - NOON / 1000)


# --- tests of a channel ---------------------------------------------------------------------------------------------


def test_a_test_notice(endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url, failures=3, next_at=at(10**6))
    assert channel_test(channel) is None
    assert endpoint.titles == ["Fullhouse: Test notice"]
    assert (row().failures, row().next_at) == (0, None)
    endpoint.answer = 500
    error = channel_test(channel)
    assert error is not None
    assert row().last_error == error
    assert row().failures == 0  # the outbox has not failed
