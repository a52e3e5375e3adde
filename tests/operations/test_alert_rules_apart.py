"""A rule that cannot be evaluated, or a notice that cannot be worded, holds up no other; and somebody is told of it."""

from datetime import UTC, datetime, time
from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.operations.alert_sending import channels_send
from apps.operations.alert_services import RulesFailed
from apps.operations.job_store import JOBS, jobs, jobs_read
from apps.operations.jobs import JobState, jobs_health
from apps.operations.models import AlertEvent, AlertNotice, AlertRule, AlertState
from apps.operations.tasks import alerts
from apps.realtime.redis import run_now
from tests.operations.alert_stage import NOON, Endpoint, channel_make, drift_is, look, rule_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
AT = datetime.fromtimestamp(NOON / 1000, tz=UTC)


def counted() -> float:
    return REGISTRY.get_sample_value("fullhouse_alert_rule_failures_total", {"kind": "drift"}) or 0


def broken(name: str) -> AlertRule:
    """A rule with a time zone that this machine does not know."""
    rule = rule_make(name=name, quiet_from=time(1), quiet_to=time(2))
    AlertRule.objects.filter(pk=rule.pk).update(time_zone="Asia/Atlantis")
    return rule


def test_rules_after_a_broken_one_are_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    broken("a")
    rule_make(channel_make(), name="b")
    broken("c")
    before = counted()
    with pytest.raises(RulesFailed, match="a, c") as failure:
        look(0, 200)
    assert failure.value.made == 1
    assert list(AlertEvent.objects.values_list("rule_name", flat=True)) == ["b"]
    assert AlertNotice.objects.count() == 1
    assert counted() == before + 2
    assert REGISTRY.get_sample_value("fullhouse_alerts_evaluated_seconds") == NOON / 1000
    assert "Asia/Atlantis" in caplog.text


def test_the_job_fails_which_is_seen_and_told() -> None:
    broken("a")
    rule_make(channel_make(), name="b")
    drift_is(200, at_s=(datetime.now(UTC) - AT).total_seconds())
    assert alerts.apply().state == "FAILURE"
    assert AlertNotice.objects.count() == 1
    states = {job.name: job.state for job in jobs_health(jobs_read(run_now([jobs()])[0]), now=datetime.now(UTC))}
    assert states["operations-alerts"] is JobState.FAILING
    AlertRule.objects.filter(name="a").delete()
    assert alerts.apply().state == "SUCCESS"


def test_figures_of_another_release_leave_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    rule_make(name="a", kind="job")
    rule_make(channel_make(), name="b")
    run_now([("HSET", JOBS, "sweep:ok", "just now")])
    with pytest.raises(RulesFailed, match="figures of the kind job"):
        look(0, 200)
    assert list(AlertEvent.objects.values_list("rule_name", flat=True)) == ["b"]
    assert "cannot be understood" in caplog.text


def test_a_kind_that_only_another_release_knows_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    later = rule_make(name="a")
    rule_make(name="b")
    AlertRule.objects.filter(pk=later.pk).update(kind="later")
    look(0, 200)
    assert list(AlertEvent.objects.values_list("rule_name", flat=True)) == ["b"]
    assert "'later'" in caplog.text


@pytest.mark.parametrize("memory", [{"of": "another release"}, [1, 2], "text", {"what": 1, "known": 2, "points": 3}])
@pytest.mark.parametrize("kind", ["errors", "job", "unread"])
def test_a_memory_that_only_another_release_understands_is_forgotten(kind: str, memory: Any) -> None:
    rule = rule_make(name="a", kind=kind)
    look(0, 0)
    AlertState.objects.update(memory=memory)
    AlertState.objects.get_or_create(
        rule=rule, subject="", defaults={"phase": "calm", "since_ms": 0, "is_told": False, "at_ms": 0, "memory": memory}
    )
    look(15, 0)
    look(30, 0)
    assert AlertRule.objects.get().evaluated_ms == NOON + 30_000
    assert memory not in list(AlertState.objects.values_list("memory", flat=True))


def test_a_notice_of_a_kind_of_another_release_is_sent_as_it_is_written(endpoint: Endpoint) -> None:
    rule_make(channel_make(endpoint.url))
    look(0, 200)
    AlertEvent.objects.update(kind="later")
    assert channels_send(now=AT) == 1
    assert endpoint.titles == ["Fullhouse: [warning] later"]
    assert "later: 200 (limit 100, worst 200)" in endpoint.taken[0]["message"]


def test_a_notice_without_words_holds_up_no_other_channel(endpoint: Endpoint) -> None:
    one, two = channel_make(endpoint.url, name="a"), channel_make(endpoint.url, name="b")
    rule_make(one, severity="warning", name="a")
    rule_make(two, name="b")
    look(0, 200)
    AlertEvent.objects.filter(rule_name="a").update(severity="dire")
    assert channels_send(now=AT) == 2
    assert len(endpoint.taken) == 1
    one.refresh_from_db()
    assert (one.failures, one.busy_until) == (1, None)
