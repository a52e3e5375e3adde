"""The timetable names tasks that exist, on the clock's marks, and nothing piles up."""

import pytest
from celery.schedules import crontab

from apps.analytics.daily import COUNTED_AT
from config.celery import app

SECONDS = {
    "apps.audience.tasks.sweep": 3.0,
    "apps.audience.tasks.reindex": 30.0,
    "apps.audience.tasks.reconcile": 30.0,
    "apps.analytics.tasks.sessions": 2.0,
    "apps.analytics.tasks.rankings": 15.0,
}


def test_every_task_of_the_timetable_exists() -> None:
    app.loader.import_default_modules()
    named = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {*SECONDS, "apps.analytics.tasks.snapshot"} <= named
    assert named - set(app.tasks) == set()


def test_the_snapshot_is_due_on_every_fifth_minute_of_the_clock() -> None:
    schedule = app.conf.beat_schedule["analytics-snapshot"]["schedule"]
    assert isinstance(schedule, crontab)
    assert schedule.minute == set(range(0, 60, 5))
    assert schedule.hour == set(range(24))


def test_the_day_is_counted_when_no_snapshot_is_being_taken() -> None:
    counted, taken = (app.conf.beat_schedule[f"analytics-{name}"]["schedule"].minute for name in ("daily", "snapshot"))
    assert counted == set(COUNTED_AT) == {12, 42}
    assert {(minute - mark) % 60 for minute in counted for mark in taken} & {0, 1} == set()


@pytest.mark.parametrize("task", SECONDS)
def test_frequent_tasks_expire_when_they_are_due_again(task: str) -> None:
    (entry,) = (entry for entry in app.conf.beat_schedule.values() if entry["task"] == task)
    assert (entry["schedule"], entry["options"]["expires"]) == (SECONDS[task], SECONDS[task])


def test_a_snapshot_expires_before_the_next_mark() -> None:
    assert app.conf.beat_schedule["analytics-snapshot"]["options"]["expires"] < 300
