"""What may take minutes does not stand before what is due every few seconds."""

from config.celery import app as celery


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
