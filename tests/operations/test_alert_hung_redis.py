"""A Redis that accepts and never answers, as of a machine that froze: it is told all the same.

Every task that asks it hangs for two timeouts, in a worker that takes one task at a time.
"""

from collections.abc import Callable

import pytest

from apps.operations.alert_services import usual_add
from apps.operations.models import AlertEvent, AlertRule
from tests.operations.alert_stage import channel_make, endpoint_open
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.worker import Worker

APP = "tests.operations.hurried_house"
HASTE = 10


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_that_redis_hangs_is_told_by_a_worker_of_one_task_at_a_time(
    private_redis: RedisServer, use_redis: Callable[[str], str], worker: Callable[..., Worker]
) -> None:
    use_redis(private_redis.url)
    with endpoint_open() as endpoint:
        channel_make(endpoint.url)
        usual_add()
        AlertRule.objects.filter(kind="unread").update(limit=60 / HASTE, calm_s=0)

        def is_looked_at() -> bool:
            return AlertRule.objects.get(kind="unread").evaluated_ms > 0

        for kind in ("worker", "beat"):
            worker(kind=kind, app=APP, env={"HOUSE_HASTE": str(HASTE)})
        eventually(is_looked_at, deadline=30)
        private_redis.pause()

        def is_told() -> bool:
            return any("Redis does not answer" in message["message"] for message in endpoint.taken)

        eventually(is_told, deadline=40)
        private_redis.resume()

        def is_over() -> bool:
            return not AlertEvent.objects.filter(subject="redis", closed_at=None).exists()

        eventually(is_over, deadline=30)
