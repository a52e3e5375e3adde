"""The jobs of the waiting room: what each does, that twice is as good as once, and that Celery knows them."""

import time
from collections.abc import Callable

import pytest
from redis.exceptions import RedisError

from apps.waitingroom import services, store
from apps.waitingroom.models import Zone, ZoneStatistic
from apps.waitingroom.tasks import evict, publish, statistics, statistics_forget
from config.celery import app
from tests.services.both import on_both
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.worker import Worker
from tests.waitingroom.zones import ask, crowd_join, crowd_seen, line_of, told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

NOON_MS = 1_798_113_600_000


def waiting(zone: Zone) -> int:
    line = line_of(zone.pk)
    assert line is not None
    return line.waiting


def listened_to(zone: Zone, seconds: range) -> None:
    """A gate keeps asking, and hears of nobody."""
    for second in seconds:
        crowd_seen(zone, [], now_ms=NOON_MS + second * 1_000)


@on_both
def test_the_silent_are_put_out_of_every_line(redis_url: str) -> None:
    zones = [zone_make(f"z{number}", mode="queue-all", per_minute=0, idle_s=10 + 20 * number) for number in range(3)]
    for zone in zones:
        crowd_join(zone, 100, now_ms=NOON_MS)
        listened_to(zone, range(13))
    # The last pulse finds everybody heard of within 10 s, by slots of 10 s; the job a moment later nobody.
    listened_to(zones[0], range(13, 20))
    assert waiting(zones[0]) == 100
    assert services.zones_evict(now_ms=NOON_MS + 20_000) == 100
    assert [waiting(zone) for zone in zones] == [0, 100, 100]
    assert services.zones_evict(now_ms=NOON_MS + 20_000) == 0


def test_the_job_puts_out_whom_no_pulse_has() -> None:
    zone = zone_make(mode="queue-all", per_minute=0, idle_s=10)
    crowd_join(zone, 100, now_ms=NOON_MS)
    # The last pulse finds everybody heard of within the idle limit, the job a moment later nobody.
    listened_to(zone, range(20))
    assert waiting(zone) == 100
    assert services.zones_evict(now_ms=NOON_MS + 20_000) == 100
    assert waiting(zone) == 0


def test_nobody_is_put_out_for_silence_that_nobody_could_have_broken() -> None:
    zone = zone_make(mode="queue-all", per_minute=0, idle_s=10)
    crowd_join(zone, 100, now_ms=NOON_MS)
    assert services.zones_evict(now_ms=NOON_MS + 600_000) == 0
    assert waiting(zone) == 100


def test_a_line_that_is_lost_or_broken_keeps_no_other_from_moving() -> None:
    lost, broken, fine = (zone_make(name, mode="queue-all", per_minute=0, idle_s=10) for name in ("a", "b", "c"))
    crowd_join(fine, 5, now_ms=NOON_MS)
    listened_to(fine, range(20))
    ask(("DEL", "line:{a}"))
    ask(("DEL", "line:{b}"))
    ask(("SET", "line:{b}", "not a hash"))
    assert services.zones_evict(now_ms=NOON_MS + 20_000) == 5
    assert (line_of(lost.pk), waiting(fine)) == (None, 0)
    assert ask(("GET", f"line:{{{broken.pk}}}")) == b"not a hash"


def test_without_zones_there_is_nothing_to_do() -> None:
    for task in (evict, publish, statistics):
        task()
    assert (told(), ZoneStatistic.objects.count()) == ({}, 0)


def test_the_jobs_fail_aloud_without_redis(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    zone_make()
    private_redis.kill()
    for task in (evict, publish, statistics):
        with pytest.raises(RedisError):
            task()


def test_the_tasks_do_their_services_work() -> None:
    zone = zone_make()
    minute = int(time.time()) // 60 - 2
    ask(("HSET", f"line:{{concert}}:stats:{minute}", "joins", 3))
    ask(("DEL", store.CATALOG))
    for _ in range(2):
        publish()
        statistics()
        evict()
    assert told() == {"concert": zone.rules()}
    (row,) = ZoneStatistic.objects.all()
    assert (row.zone_id, row.minute.timestamp(), row.joins) == ("concert", minute * 60, 3)


@pytest.mark.parametrize(("task", "seconds"), [("evict", 30.0), ("publish", 30.0), ("statistics", 60.0)])
def test_the_timetable(task: str, seconds: float) -> None:
    entry = app.conf.beat_schedule[f"waitingroom-{task}"]
    assert (entry["task"], entry["schedule"]) == (f"apps.waitingroom.tasks.{task}", seconds)
    assert entry["options"]["expires"] == seconds


def test_the_night_forgets() -> None:
    entry = app.conf.beat_schedule["waitingroom-statistics-forget"]
    assert (entry["task"], entry["options"]) == (statistics_forget.name, {"expires": 3600})
    statistics_forget()
    assert ZoneStatistic.objects.count() == 0


@pytest.mark.slow
def test_a_worker_knows_the_tasks(worker: Callable[..., Worker]) -> None:
    zone = zone_make()
    ask(("DEL", store.CATALOG))
    celery = worker()
    for task in (evict, publish, statistics):
        task.delay()
    eventually(lambda: celery.log().count("succeeded in") == 3, deadline=30)
    assert told() == {"concert": zone.rules()}
