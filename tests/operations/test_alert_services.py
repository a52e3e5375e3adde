"""Evaluation: what is written down, once, however often and by whom it runs."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from prometheus_client import REGISTRY

from apps.operations import alert_figures, alert_services
from apps.operations.alert_services import events_forget, rules_evaluate
from apps.operations.models import AlertEvent, AlertNotice, AlertRule, AlertState
from apps.waitingroom.services import zone_clear, zone_delete
from config.celery import app
from tests.operations.alert_stage import NOON, channel_make, drift_is, events, gate_tells, look, notices, rule_make
from tests.services.both import on_both
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_trouble_and_its_end_are_written_down_and_told() -> None:
    rule_make(channel_make(), channel_make(name="chat"), channel_make(name="off", enabled=False))
    assert [look(0, 100), look(15, 101), look(30, 250), look(45, 120), look(60, 80)] == [0, 2, 0, 0, 2]
    assert events() == [("", 15, 60, 80, 250)]
    assert notices() == [
        ("chat", "trouble", "waiting"),
        ("ops", "trouble", "waiting"),
        ("chat", "recovery", "waiting"),
        ("ops", "recovery", "waiting"),
    ]
    assert list(AlertNotice.objects.order_by("pk").values_list("value", flat=True)) == [101, 101, 80, 80]


def test_an_event_keeps_the_words_of_its_rule() -> None:
    rule = rule_make(severity="critical")
    look(0, 200)
    AlertRule.objects.filter(pk=rule.pk).update(name="another", severity="info", limit=7)
    look(15, 200)
    event = AlertEvent.objects.get()
    assert (event.rule, event.rule_name, event.kind, event.severity, event.limit) == (
        rule,
        "drift",
        "drift",
        "critical",
        100,
    )


def test_subjects_at_rest_leave_no_row() -> None:
    rule_make(repeat_minutes=1)
    look(0, 5)
    assert AlertState.objects.count() == 0
    look(15, 200)
    look(30, 5)
    assert AlertState.objects.count() == 1  # it was told of a moment ago, which is to be remembered
    look(76, 5)
    assert AlertState.objects.count() == 0


@on_both
def test_every_zone_is_a_subject_of_its_own(redis_url: str) -> None:
    zones = [zone_make(name, app=name[:4], mode="queue-all", per_minute=0) for name in ("shop1", "shop2", "live1")]
    rule_make(name="all", kind="line", limit=10)
    rule_make(name="shop", kind="line", limit=10, app="shop")
    rule_make(name="one", kind="line", limit=10, zone=zones[2])
    for zone, crowd in zip(zones, (11, 10, 12), strict=True):
        crowd_join(zone, crowd)
    gate_tells(*zones)
    look(0)
    assert sorted(AlertEvent.objects.values_list("rule_name", "subject", "place", "last_value")) == [
        ("all", "live1", "Live1 (live1)", 12),
        ("all", "shop1", "Shop1 (shop1)", 11),
        ("one", "live1", "Live1 (live1)", 12),
        ("shop", "shop1", "Shop1 (shop1)", 11),
    ]
    zone_clear(actor=None, zone_id="shop1")
    gate_tells(*zones, at_s=15)
    look(15)
    assert sorted(AlertEvent.objects.filter(closed_at=None).values_list("rule_name", flat=True)) == ["all", "one"]


def test_a_zone_that_goes_is_in_trouble_no_more() -> None:
    zone = zone_make(mode="queue-all", per_minute=0)
    rule_make(name="all", kind="line", limit=0)
    rule_make(name="one", kind="line", limit=0, zone=zone)
    crowd_join(zone, 3)
    gate_tells(zone)
    look(0)
    zone_delete(zone_id=zone.pk)
    look(15)
    assert AlertEvent.objects.get(rule_name="all").is_gone
    assert [(event.rule_name, event.closed_at is not None) for event in AlertEvent.objects.order_by("rule_name")] == [
        ("all", True),
        ("one", True),
    ]
    assert list(AlertRule.objects.values_list("name", flat=True)) == ["all"]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_what_nobody_looks_after_is_closed_and_nobody_told(is_deleted: bool) -> None:
    rule = rule_make(channel_make())
    look(0, 200)
    if is_deleted:
        rule.delete()
    else:
        AlertRule.objects.filter(pk=rule.pk).update(enabled=False)
    assert look(15, 200) == 0
    assert events() == [("", 0, 15, 200, 200)]
    assert notices() == [("ops", "trouble", "waiting")]
    assert AlertState.objects.count() == 0


def test_without_redis_nothing_is_known_and_nothing_changes(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    zone = zone_make(mode="queue-all", per_minute=0)
    rule_make(channel_make())
    rule_make(name="line", kind="line", limit=0)
    crowd_join(zone, 3)
    gate_tells(zone)
    look(0, 200)
    before, states = events(), list(AlertState.objects.order_by("rule", "subject").values())
    private_redis.stop()
    assert [look(15), look(30)] == [0, 0]
    assert events() == before
    assert list(AlertState.objects.order_by("rule", "subject").values()) == states
    private_redis.start()
    assert look(45, 200) == 0


def test_drift_that_nobody_measures_any_more_is_unknown() -> None:
    rule_make()
    drift_is(200)
    look(181)
    assert events() == []
    look(180)
    assert events() == [("", 180, None, 200, 200)]


def test_a_rule_that_is_told_to_nobody_keeps_its_history() -> None:
    rule_make()
    assert (look(0, 200), look(15, 0)) == (0, 0)
    assert events() == [("", 0, 15, 0, 200)]


def test_quiet_hours_hold_notices_and_keep_the_history() -> None:
    # Noon is 21:00 in Seoul.
    rule_make(channel_make(), quiet_from=time(21, 0), quiet_to=time(21, 1))
    assert [look(0, 200), look(15, 0), look(30, 200), look(45, 200)] == [0, 0, 0, 0]
    assert events() == [("", 0, 15, 0, 200), ("", 30, None, 200, 200)]
    assert look(60, 200) == 1
    assert AlertNotice.objects.get().event == AlertEvent.objects.get(closed_at=None)


# --- twice, late, at once ---------------------------------------------------------------------------------------------


def test_an_evaluation_that_runs_twice_or_late_changes_nothing() -> None:
    rule_make(channel_make())
    look(30, 200)
    before, rows = events(), list(AlertState.objects.values())
    for at_s in (30, 29, 0, -30):
        assert look(at_s, 0) == 0
    assert (events(), list(AlertState.objects.values())) == (before, rows)


def test_a_clock_that_was_set_back_is_believed() -> None:
    rule_make(channel_make())
    look(0, 200)
    assert look(-3_600, 200) == 0
    assert look(-3_585, 0) == 1
    (event,) = AlertEvent.objects.all()
    # It ended before it began, by that clock; the history says that it took no time.
    assert event.closed_at == event.opened_at


@contextmanager
def hasty(rule_id: int) -> Iterator[AlertRule | None]:
    """What an evaluation without the lock would do. Kept to show what the lock prevents."""
    yield AlertRule.objects.filter(pk=rule_id, enabled=True).first()


@pytest.mark.parametrize("is_guarded", [False, True], ids=["without the guard", "with it"])
def test_two_beats_at_once(is_guarded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rule_make(channel_make())
    drift_is(200)
    looked = threading.Barrier(2)
    readings = alert_figures.readings

    def together(*args: Any) -> Any:
        found = readings(*args)
        if not is_guarded:  # with the guard the other one is not here yet
            looked.wait(10)
        return found

    def evaluate(at_ms: int) -> int:
        try:
            return rules_evaluate(now_ms=at_ms)
        finally:
            connections.close_all()

    if not is_guarded:
        monkeypatch.setattr(alert_services, "_held", hasty)
    monkeypatch.setattr(alert_figures, "readings", together)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(evaluate, (NOON, NOON + 1)))
    assert sorted(made) == ([0, 1] if is_guarded else [1, 1])
    assert (AlertEvent.objects.count(), AlertNotice.objects.count()) == ((1, 1) if is_guarded else (2, 2))


def test_many_at_once_tell_each_thing_once() -> None:
    rule_make(channel_make(), repeat_minutes=1)

    def evaluate(at_ms: int) -> None:
        rules_evaluate(now_ms=at_ms)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for number, value in enumerate([200, 200, 0, 200, 200, 200, 200, 0]):
            drift_is(value, at_s=15 * number)
            list(pool.map(evaluate, [NOON + 15_000 * number + jitter for jitter in range(4)]))
    assert [kind for _channel, kind, _state in notices()] == ["trouble", "recovery", "trouble", "recovery"]
    assert AlertEvent.objects.count() == 2


# --- many, and measured -----------------------------------------------------------------------------------------------


def test_five_hundred_zones_cost_a_few_statements(django_assert_max_num_queries: Any) -> None:
    zones = [zone_make(f"z{number:03}", mode="queue-all", per_minute=0) for number in range(40)]
    for zone in zones:
        crowd_join(zone, 3)
    rule_make(channel_make(), name="still", kind="still")
    gate_tells(*zones)
    look(0)
    gate_tells(*zones, at_s=15)
    with django_assert_max_num_queries(20):  # as many for 40 zones as for 500
        look(15)
    assert AlertState.objects.count() == 40
    assert AlertEvent.objects.count() == 0


def test_metrics_say_what_fires_and_when_rules_were_looked_at() -> None:
    rule_make()
    look(15, 200)
    assert REGISTRY.get_sample_value("fullhouse_alerts_firing", {"kind": "drift"}) == 1
    assert REGISTRY.get_sample_value("fullhouse_alerts_firing", {"kind": "line"}) == 0
    assert REGISTRY.get_sample_value("fullhouse_alerts_evaluated_seconds") == NOON / 1000 + 15
    look(30, 0)
    assert REGISTRY.get_sample_value("fullhouse_alerts_firing", {"kind": "drift"}) == 0


def test_the_night_forgets_what_is_long_over(settings: Any) -> None:
    rule_make(channel_make())
    look(0, 200)
    look(15, 0)
    AlertState.objects.all().delete()
    look(30, 200)
    end = datetime.fromtimestamp(NOON / 1000 + 15, tz=UTC)
    settings.ALERTS_KEPT_DAYS = 0
    assert events_forget(now=end + timedelta(days=4_000)) == 0
    settings.ALERTS_KEPT_DAYS = 10
    assert events_forget(now=end + timedelta(days=10)) == 0
    assert events_forget(now=end + timedelta(days=10, seconds=1)) == 1
    assert [closed for _subject, _opened, closed, _last, _worst in events()] == [None]  # what is open stays
    assert AlertNotice.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"kind": "drift", "app": "shop"}, "kind"),
        ({"limit": -1}, "limit"),
        ({"limit": float("nan")}, "limit"),
        ({"quiet_from": time(1)}, "quiet_to"),
        ({"quiet_from": time(1), "quiet_to": time(1)}, "quiet_to"),
        ({"time_zone": "Asia/Soul"}, "time_zone"),
        ({"repeat_minutes": 0}, "repeat_minutes"),
        ({"hold_s": 86_401}, "hold_s"),
        ({"kind": "weather"}, "kind"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: dict[str, Any], blamed: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        rule_make(**fields)
    assert list(refusal.value.message_dict) == [blamed]
    assert AlertRule.objects.count() == 0


def test_a_zone_and_an_app_are_too_much() -> None:
    with pytest.raises(ValidationError) as refusal:
        rule_make(kind="line", zone=zone_make(), app="shop")
    assert list(refusal.value.message_dict) == ["app"]


@pytest.mark.parametrize(("name", "task"), [("alerts", "alerts"), ("alerts-send", "alerts_send")])
def test_the_timetable(name: str, task: str) -> None:
    entry = app.conf.beat_schedule[f"operations-{name}"]
    assert (entry["task"], entry["schedule"]) == (f"apps.operations.tasks.{task}", 15.0)
    assert entry["options"] == {"expires": 120}
