"""Jobs say when they succeeded; whoever looks says which are late."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.analytics.tasks import rankings
from apps.operations import job_store, jobs
from apps.operations.jobs import JobState, jobs_health
from apps.realtime.redis import run_now
from config.celery import app as celery
from tests.services.both import on_both
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.worker import Worker

SWEEP, DAILY = "apps.audience.tasks.sweep", "apps.analytics.tasks.partitions"
# 04:20 in Seoul is 19:20 the day before in UTC.
DAILY_RUN = datetime(2026, 3, 1, 19, 20, 5, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def state(name: str, told: dict[tuple[str, str], int], now: datetime) -> JobState:
    return {job.name: job.state for job in jobs_health(told, now=now)}[name]


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0, JobState.OK), (24, JobState.OK), (25, JobState.LATE), (86_400, JobState.LATE)]
)
def test_a_job_of_every_few_seconds_is_late_after_three_turns_and_some(age_s: int, expected: JobState):
    told = {(SWEEP, job_store.OK): ms(DAILY_RUN)}
    assert state("audience-sweep", told, DAILY_RUN + timedelta(seconds=age_s)) == expected


@pytest.mark.parametrize(("age_s", "expected"), [(0, JobState.OK), (895, JobState.OK), (896, JobState.LATE)])
def test_a_job_of_the_clock_is_late_when_its_time_has_passed(age_s: int, expected: JobState):
    """It came five seconds after a fifth minute, and is due at the next one, give or take ten minutes."""
    told = {("apps.analytics.tasks.snapshot", job_store.OK): ms(DAILY_RUN)}
    assert state("analytics-snapshot", told, DAILY_RUN + timedelta(seconds=age_s)) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=23), JobState.OK),
        (timedelta(hours=24, minutes=39), JobState.OK),
        (timedelta(hours=24, minutes=40), JobState.LATE),
    ],
)
def test_one_that_waits_behind_others_has_half_an_hour_more(age: timedelta, expected: JobState):
    told = {(DAILY, job_store.OK): ms(DAILY_RUN)}
    assert state("analytics-partitions", told, DAILY_RUN + age) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(minutes=20), JobState.OK),
        (timedelta(minutes=31), JobState.OK),
        (timedelta(minutes=31, seconds=1), JobState.LATE),
    ],
)
def test_what_is_due_every_few_seconds_waits_out_a_long_one_before_it(age: timedelta, expected: JobState):
    told = {("apps.analytics.tasks.rankings", job_store.OK): ms(DAILY_RUN)}
    assert state("analytics-rankings", told, DAILY_RUN + age) == expected


def test_every_entry_of_the_timetable_is_there():
    jobs = jobs_health({}, now=DAILY_RUN)
    assert [job.name for job in jobs] == list(celery.conf.beat_schedule)
    assert {job.state for job in jobs} == {JobState.NEW}


def test_a_failure_shows_until_the_next_success():
    failed = {(SWEEP, job_store.FAILED): ms(DAILY_RUN)}
    before = failed | {(SWEEP, job_store.OK): ms(DAILY_RUN) - 1}
    after = failed | {(SWEEP, job_store.OK): ms(DAILY_RUN) + 1}
    now = DAILY_RUN + timedelta(seconds=1)
    assert [state("audience-sweep", told, now) for told in (failed, before, after)] == [
        JobState.FAILING,
        JobState.FAILING,
        JobState.OK,
    ]


def told() -> dict[tuple[str, str], int]:
    return dict(job_store.jobs_read(run_now([job_store.jobs()])[0]))


@on_both
def test_what_is_written_is_read(redis_url: str):
    run_now([job_store.job_put(task=SWEEP, outcome=job_store.OK, at_ms=5)])
    run_now([job_store.job_put(task=SWEEP, outcome=job_store.FAILED, at_ms=6)])
    assert told() == {(SWEEP, "ok"): 5, (SWEEP, "failed"): 6}


def test_a_task_of_a_real_worker_says_so(worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch):
    started = ms(datetime.now(UTC))
    worker()
    rankings.delay()

    def ended() -> dict[tuple[str, str], int]:
        found = told()
        assert ("apps.analytics.tasks.rankings", "ok") in found
        return found

    found = eventually(ended, deadline=20)
    assert found["apps.analytics.tasks.rankings", "ok"] >= started
    assert not [name for name in found if name[1] == "failed"]


class Task:
    """As far as signals tell of it."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A process whose tasks all could be told of, and whose clock a test sets."""

    def show(at_ms: int) -> None:
        monkeypatch.setattr(jobs, "epoch_ms", lambda: at_ms)

    monkeypatch.setattr(jobs, "_untold", jobs._Untold())
    show(0)
    return show


def test_a_job_is_done_although_nobody_could_be_told_and_is_noted_later(
    private_redis: RedisServer,
    use_redis: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    clock: Callable[[int], None],
):
    use_redis(private_redis.url)
    private_redis.stop()
    clock(1_000)
    jobs._on_success(sender=Task(DAILY))
    assert f"cannot note that {DAILY} ended" in caplog.text
    private_redis.start()
    clock(30_999)
    jobs._on_failure(sender=Task(SWEEP))  # Redis may hang, and is not asked again so soon
    assert told() == {}
    clock(31_000)
    jobs._on_success(sender=Task(SWEEP))
    assert told() == {(DAILY, "ok"): 1_000, (SWEEP, "failed"): 30_999, (SWEEP, "ok"): 31_000}
    private_redis.flush()
    clock(32_000)
    jobs._on_success(sender=Task(SWEEP))
    assert told() == {(SWEEP, "ok"): 32_000}  # what was told once is done with


@on_both
def test_what_is_noted_late_takes_nothing_back(redis_url: str):
    for at_ms, now_ms, known in ((5_000, 5_000, 5_000), (4_000, 6_000, 5_000), (7_000, 7_000, 7_000)):
        run_now([job_store.job_put(task=SWEEP, outcome=job_store.OK, at_ms=at_ms, now_ms=now_ms)])
        assert told() == {(SWEEP, "ok"): known}
    # A clock that was set back: what lies ahead of it is no later.
    run_now([job_store.job_put(task=SWEEP, outcome=job_store.OK, at_ms=6_000)])
    assert told() == {(SWEEP, "ok"): 6_000}


def test_signals_are_heard_in_every_process_of_ours(monkeypatch: pytest.MonkeyPatch):
    from celery import signals

    heard: list[Any] = [uid for uid, _ in signals.task_success.receivers or []]
    assert any("operations.jobs" in str(uid) for uid in heard)
