"""What tasks count can be asked of the worker."""

import re
import urllib.request
from collections.abc import Callable

import pytest

from apps.analytics.tasks import partitions
from tests.services.process import free_port
from tests.services.waiting import eventually
from tests.services.worker import Worker


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_with_an_address_serves_what_its_tasks_counted(worker: Callable[..., Worker]) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = worker(env={"WORKER_METRICS_BIND": address})
    partitions.delay()

    def page() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def ready_until() -> float:
        pattern = r'^fullhouse_partitions_ready_until_seconds\{table="user_sessions"\} (\S+)$'
        found = re.search(pattern, page(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    assert eventually(ready_until, deadline=30) > 1_700_000_000
    assert re.search(r'^fullhouse_partition_unplaced_rows\{table="user_sessions"\} 0\.0$', page(), re.MULTILINE)
    assert f"Metrics of this worker: http://{address}/metrics" in process.log()
