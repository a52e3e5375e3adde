"""The list of alert rules, and the page of one."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.operations.models import AlertEvent, AlertRule
from tests.operations.alert_stage import rule_make
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
RULES = "/admin/operations/alertrule/"


def happened(rule: AlertRule, count: int, *, is_over: bool) -> None:
    now = timezone.now()
    figures = {"limit": 0, "last_value": 1, "worst_value": 1, "opened_at": now - timedelta(minutes=5)}
    words = {"rule_name": rule.name, "kind": rule.kind, "severity": rule.severity}
    AlertEvent.objects.bulk_create(
        AlertEvent(rule=rule, subject=f"z{number}", closed_at=now if is_over else None, **figures, **words)
        for number in range(count)
    )


def test_open_alerts_are_counted_and_the_history_is_not_looked_through(desk: Client) -> None:
    calm, firing = rule_make(name="calm"), rule_make(name="firing")
    for rule, count in ((calm, 30), (firing, 20)):
        happened(rule, count, is_over=True)
    happened(firing, 3, is_over=False)
    with CaptureQueriesContext(connection) as asked:
        rows = desk.get(RULES).context["cl"].result_list
    assert [(rule.name, rule.open_events) for rule in rows] == [("calm", 0), ("firing", 3)]
    told = [query["sql"].replace('"', "`") for query in asked.captured_queries]
    of_events = [sql for sql in told if "`alert_events`" in sql]
    assert of_events
    assert [sql for sql in of_events if "WHERE `alert_events`.`closed_at` IS NULL" not in sql or "JOIN" in sql] == []


def rule_form(**fields: Any) -> dict[str, Any]:
    usual = {"name": "lines", "kind": "line", "severity": "warning", "enabled": "on", "calm_s": 60}
    return {**usual, "repeat_minutes": 30, "time_zone": "Asia/Seoul", **fields}


@pytest.mark.parametrize(("app", "is_warned"), [("shop", False), ("Shop", True), ("", False)])
def test_an_app_that_no_zone_has_is_pointed_out(desk: Client, app: str, is_warned: bool) -> None:
    zone_make(app="shop")
    response = desk.post(f"{RULES}add/", rule_form(app=app))
    assert AlertRule.objects.get().app == app
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert (f"No zone belongs to the app {app} now, so this rule watches nothing." in said) is is_warned
