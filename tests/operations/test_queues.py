"""What may take minutes does not stand before what is due every few seconds."""

from typing import Any

import pytest

from apps.audience.tasks import sweep
from apps.operations.tasks import alerts, alerts_send
from config.celery import app as celery
from tests.services.redis_server import RedisServer


def test_what_may_take_minutes_waits_in_a_queue_of_its_own() -> None:
    queue_of = {
        name: celery.amqp.router.route({}, entry["task"])["queue"].name
        for name, entry in celery.conf.beat_schedule.items()
    }
    assert set(celery.amqp.queues.consume_from) == {"celery", "bulk"}
    assert {name for name, queue in queue_of.items() if queue == "bulk"} == {
        "analytics-daily",
        "analytics-rankings",
        "analytics-partitions",
        "waitingroom-statistics-forget",
        "operations-alerts-forget",
    }
    assert set(queue_of.values()) == {"celery", "bulk"}


@pytest.mark.parametrize(("task", "key"), [(alerts, "celery"), (alerts_send, "celery"), (sweep, "celery\x06\x166")])
def test_alerts_stand_before_what_may_hang(task: Any, key: str, redis_server: RedisServer) -> None:
    """The broker's lists of one queue are looked through in the order of their priorities, 0 (without a mark) first."""
    task.delay()
    with redis_server.client() as client:
        assert list(client.scan_iter("celery*")) == [key.encode()]
    assert celery.conf.worker_prefetch_multiplier == 1


def test_no_task_may_hang_for_ever() -> None:
    celery.loader.import_default_modules()
    tasks = {entry["task"] for entry in celery.conf.beat_schedule.values()}
    assert {name for name in tasks if not celery.tasks[name].time_limit} == set()
