"""A page of metrics for a Celery worker, at WORKER_METRICS_BIND. Without that there is none.

Tasks run in children of the worker, which share their figures through a folder. prometheus_client decides for a folder
when it is first imported, so this comes before all else that a worker imports.
"""

import logging
import os
import shutil
import sys
import tempfile
from typing import Any

from celery import signals

logger = logging.getLogger(__name__)


def worker_metrics_prepare() -> None:
    """In a worker that has been given an address: make the folder, and serve the page once it is ready."""
    address = os.environ.get("WORKER_METRICS_BIND", "")
    if not address or "worker" not in sys.argv[1:]:
        return
    folder = tempfile.mkdtemp(prefix="fullhouse-worker-metrics-")
    os.environ.update(PROMETHEUS_MULTIPROC_DIR=folder)

    def serve(**_: Any) -> None:
        from prometheus_client import CollectorRegistry, multiprocess, start_http_server

        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        host, _colon, port = address.rpartition(":")
        start_http_server(int(port), host or "0.0.0.0", registry)  # noqa: S104  as asked for
        logger.info("Metrics of this worker: http://%s/metrics", address)

    def tidy(**_: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    signals.worker_ready.connect(serve, weak=False)
    signals.worker_shutdown.connect(tidy, weak=False)
