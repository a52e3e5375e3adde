"""A job that is late or fails is an alert of its own. Partitions: test_alert_partitions.py."""

from collections.abc import Callable

import pytest
from django.db.models import QuerySet

from apps.operations import job_store
from apps.operations.alert_services import rules_evaluate
from apps.operations.models import AlertEvent, AlertNotice
from apps.realtime.redis import run_now
from config.celery import app as celery
from tests.operations.alert_stage import NOON, channel_make, rule_make
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SWEEP, PARTITIONS = "apps.audience.tasks.sweep", "apps.analytics.tasks.partitions"


def ended(*tasks: str, at_s: float = 0, outcome: str = job_store.OK) -> None:
    """These tasks, or all of the timetable, ended so many seconds after noon."""
    named = tasks or tuple({entry["task"] for entry in celery.conf.beat_schedule.values()})
    run_now([job_store.job_put(task=task, outcome=outcome, at_ms=NOON + int(at_s * 1000)) for task in named])


def look(*seconds: float) -> None:
    for at_s in seconds:
        rules_evaluate(now_ms=NOON + int(at_s * 1000))


def everything_but(task: str) -> set[str]:
    return {entry["task"] for entry in celery.conf.beat_schedule.values()} - {task}


def events() -> QuerySet[AlertEvent]:
    """Of jobs: a database with partitions may lack those of the day after a noon to come."""
    return AlertEvent.objects.exclude(subject__startswith="partition:")


def firing() -> list[tuple[str, str]]:
    return list(events().filter(closed_at=None).order_by("subject").values_list("subject", "place"))


def rule() -> None:
    rule_make(channel_make(), name="jobs", kind="job", limit=None, hold_s=None)


def test_a_job_that_does_not_come_is_told_of_and_so_is_its_return() -> None:
    rule()
    ended()
    look(0, 15)
    for at_s in range(30, 120, 15):  # every three seconds, it is late from 24 s on, and must be so for a minute
        ended(*everything_but(SWEEP), at_s=at_s)
        look(at_s)
        assert firing() == ([("audience-sweep", "audience-sweep")] if at_s > 90 else []), at_s
    ended(at_s=120)
    look(120)
    assert firing() == []
    told = AlertNotice.objects.filter(event__in=events()).order_by("pk")
    assert list(told.values_list("kind", "value")) == [("trouble", 75), ("recovery", 0)]


def test_a_job_that_fails_fires_until_it_succeeds() -> None:
    rule()
    ended()
    ended(PARTITIONS, at_s=1, outcome=job_store.FAILED)
    for at_s in range(15, 105, 15):
        ended(*everything_but(PARTITIONS), at_s=at_s)
        look(at_s)
    assert firing() == [("analytics-partitions", "analytics-partitions")]
    ended(at_s=105)
    look(105)
    assert firing() == []


def test_one_failure_between_successes_is_no_trouble() -> None:
    rule()
    for at_s in range(0, 120, 15):
        ended(at_s=at_s)
        if at_s == 45:
            ended(SWEEP, at_s=at_s + 1, outcome=job_store.FAILED)
        look(at_s + 2)
    assert events().count() == 0


def test_a_job_that_never_comes_is_late_when_its_time_has_passed() -> None:
    """As after a first start or a wiped Redis, when no success is known."""
    rule()
    for at_s in range(0, 120, 15):
        ended(*everything_but(SWEEP), at_s=at_s)
        look(at_s)
        assert firing() == ([("audience-sweep", "audience-sweep")] if at_s > 84 else []), at_s


def test_without_redis_nobody_says_that_jobs_are_late(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    rule()
    ended()
    look(0)
    private_redis.stop()
    look(60, 120, 180)
    assert events().count() == 0
