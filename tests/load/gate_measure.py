"""What a gate, its Redis and the client did while virtual users polled."""

import time
from typing import Any

from .figures import Window, events_per_cpu_second, percentile
from .house import House
from .virtual_users import Stretch, VirtualUsers


def ms(seconds: float) -> float:
    """Seconds as milliseconds, for people."""
    return round(seconds * 1000, 2)


def measured(house: House, users: VirtualUsers, seconds: float) -> tuple[Stretch, dict[str, Any]]:
    """A stretch, and what the server, the client and Redis did meanwhile."""
    before = house.redis_info("stats")
    server, redis, client_cpu = house.server_meter(), house.redis_meter(), time.process_time()
    stretch = users.go_on(seconds)
    client_cpu = time.process_time() - client_cpu
    at_server, at_redis = server.window(stretch.polls), redis.window()
    after = house.redis_info("stats")
    return stretch, {
        "server": at_server,
        "client_cpu_share": round(client_cpu / stretch.seconds, 3),
        "redis_cpu_share": round(at_redis.cpu_share, 4),
        # Inner commands of scripts count, too; a few are our own questions.
        "redis_commands_per_second": round(
            (after["total_commands_processed"] - before["total_commands_processed"]) / at_server.seconds, 1
        ),
        "redis_round_trips_per_second": round(
            (after["total_reads_processed"] - before["total_reads_processed"]) / at_server.seconds, 1
        ),
    }


def stretch_figures(stretch: Stretch, measured: dict[str, Any], *, latency: bool = True) -> dict[str, Any]:
    """One stretch as figures. Without `latency` where more was asked than could be answered: its waits say nothing."""
    server: Window = measured["server"]
    figures = {
        "seconds": round(stretch.seconds, 1),
        "polls_per_second": round(stretch.polls / stretch.seconds),
        "polls_per_server_cpu_second": round(events_per_cpu_second(server)),
        "server_cpu_share": round(server.cpu_share, 3),
        **{name: value for name, value in measured.items() if name != "server"},
    }
    if latency:
        figures |= {
            "p50_ms": ms(percentile(stretch.waits, 0.5)),
            "p95_ms": ms(percentile(stretch.waits, 0.95)),
            "max_ms": ms(max(stretch.waits)),
            "behind": stretch.behind,
        }
    return figures
