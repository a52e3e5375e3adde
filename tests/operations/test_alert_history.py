"""The history of alerts in the admin, and what it costs when it is long."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.operations.models import AlertEvent, AlertNotice
from tests.operations.alert_stage import NOON, channel_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
EVENTS = "/admin/operations/alertevent/"


def event(number: int, **fields: Any) -> AlertEvent:
    at = datetime.fromtimestamp(NOON / 1000, tz=UTC) + timedelta(seconds=number)
    usual = {"rule_name": "Lines", "kind": "line", "severity": "warning", "subject": f"z{number}", "limit": 0}
    figures = {"place": f"Zone {number} (z{number})", "place_ko": f"구역 {number} (z{number})", "opened_at": at}
    return AlertEvent.objects.create(**{**usual, **figures, "last_value": 1, "worst_value": 1, **fields})


def listed(desk: Client, **query: str) -> list[str]:
    return [row.subject for row in desk.get(EVENTS, query).context["cl"].result_list]


def test_notices_are_counted_of_the_page_alone(desk: Client, django_assert_max_num_queries: Any) -> None:
    channel = channel_make()
    for number in range(60):
        made = event(number)
        AlertNotice.objects.bulk_create(
            AlertNotice(
                event=made,
                channel=channel,
                channel_name="ops",
                kind="trouble",
                value=1,
                made_at=made.opened_at,
                state=state,
            )
            for state in ("sent", "given-up", "sent")[: number % 4]
        )
    rows = desk.get(EVENTS).context["cl"]
    assert [row.told for row in rows.result_list[:4]] == [[2, 3], [1, 2], [1, 1], [0, 0]]
    assert len(rows.result_list) == 50
    page = desk.get(EVENTS).content.decode()
    assert "2/3" in page
    with django_assert_max_num_queries(9):
        desk.get(EVENTS)
    assert desk.get(f"{EVENTS}{AlertEvent.objects.latest('pk').pk}/change/").status_code == 200


def test_what_is_gone_has_no_last_value(desk: Client) -> None:
    gone = event(1, kind="silent", last_value=0, worst_value=585, is_gone=True)
    for path in (EVENTS, f"{EVENTS}{gone.pk}/change/"):
        page = desk.get(path).content.decode()
        assert "not there any more" in page
        assert "last heard of before" not in page
        assert "9 min 45 s" in page


def test_it_is_found_by_the_beginning_of_what_it_is_about(desk: Client) -> None:
    event(1)
    event(2, rule_name="Jobs", kind="job", subject="audience-sweep", place="audience-sweep", place_ko="audience-sweep")
    event(3, kind="later", subject="x")  # of another release
    assert listed(desk) == ["x", "audience-sweep", "z1"]
    assert listed(desk, q="z1") == listed(desk, q="zone 1") == listed(desk, q="구역 1") == ["z1"]
    assert listed(desk, q="jobs") == listed(desk, q="audience") == ["audience-sweep"]
    assert listed(desk, q="sweep") == []
    assert listed(desk, q=str(AlertEvent.objects.get(subject="z1").pk)) == ["z1"]
    assert desk.get(f"{EVENTS}{AlertEvent.objects.get(kind='later').pk}/change/").status_code == 200
