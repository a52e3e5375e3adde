"""Alerts on a stage: an endpoint that takes notices as a test wants it to, and a figure that a test sets."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apps.audience import house_store
from apps.operations.alert_address import address_seal
from apps.operations.alert_services import rules_evaluate
from apps.operations.models import AlertChannel, AlertEvent, AlertNotice, AlertRule
from apps.realtime import redis
from apps.waitingroom import board_store
from apps.waitingroom.bearing import Bearing
from apps.waitingroom.models import Zone
from tests.waitingroom.zones import line_of

NOON = 1_798_113_600_000  # 2026-12-24 12:00 UTC, 21:00 in Seoul


class Endpoint:
    """A webhook on this machine. `answer` is the status that it gives, or a function of the connection's own."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answer: int | Callable[[BaseHTTPRequestHandler], None] = 200
        self.asked = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.paths.append(self.path)
                endpoint.asked.set()
                if callable(endpoint.answer):
                    endpoint.answer(self)
                    return
                if endpoint.answer == 200:
                    endpoint.taken.append(json.loads(body))
                self.send_response(endpoint.answer)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    @property
    def url(self) -> str:
        """Its address, with a secret in it."""
        return f"json://127.0.0.1:{self.port}/s3cr3t-path"

    @property
    def titles(self) -> list[str]:
        """What it was told, as headlines."""
        return [message["title"] for message in self.taken]


@contextmanager
def endpoint_open() -> Iterator[Endpoint]:
    """An endpoint that listens, until the test ends."""
    endpoint = Endpoint()
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()
    thread.join()


def channel_make(url: str = "json://127.0.0.1:9/s3cr3t-path", **fields: Any) -> AlertChannel:
    """A channel as the admin makes one."""
    told = {"name": "ops", "sealed": address_seal(url), "shown": "json://127.0.0.1…", **fields}
    return AlertChannel.objects.create(**told)


def rule_make(*channels: AlertChannel, **fields: Any) -> AlertRule:
    """A rule as the admin makes one; about drift above 100, at once and over at once, unless told otherwise."""
    usual = {"name": "drift", "kind": "drift", "limit": 100, "hold_s": 0, "calm_s": 0, "repeat_minutes": 30}
    rule = AlertRule(**{**usual, **fields})
    rule.full_clean()
    rule.save()
    rule.channels.set(channels)
    return rule


def drift_is(value: int, *, at_s: float = 0) -> None:
    """What reconciliation found, so many seconds after noon."""
    at_ms = NOON + int(at_s * 1000)
    redis.ask_now([house_store.reconciled_put(at_ms=at_ms, streams=1, drift=value, asked=0, repaired=0)])


def look(at_s: float, value: int | None = None) -> int:
    """Evaluate all rules so many seconds after noon, with this drift; how many notices came of it."""
    if value is not None:
        drift_is(value, at_s=at_s)
    return rules_evaluate(now_ms=NOON + int(at_s * 1000))


def events() -> list[tuple[str, float, float | None, float, float]]:
    """Subject, opened and closed (seconds after noon), last and worst value of every event, oldest first."""
    return [
        (
            event.subject,
            event.opened_at.timestamp() - NOON / 1000,
            None if event.closed_at is None else event.closed_at.timestamp() - NOON / 1000,
            event.last_value,
            event.worst_value,
        )
        for event in AlertEvent.objects.order_by("pk")
    ]


def notices() -> list[tuple[str, str, str]]:
    """Channel, kind and state of every notice, oldest first."""
    return list(AlertNotice.objects.order_by("pk").values_list("channel_name", "kind", "state"))


def gate_reports(*, at_s: float = 0) -> None:
    """A gate says that it is there, so many seconds after noon; lines that it tells nothing of are empty."""
    redis.ask_now([board_store.gate_report(gate="g1", sockets={}, now_ms=NOON + int(at_s * 1000))])


def gate_tells(*zones: Zone, at_s: float = 0, **changes: Any) -> None:
    """A gate says how these lines stand, as it reads them in Redis; `changes` are of what it says."""
    at_ms = NOON + int(at_s * 1000)
    told = {}
    for zone in zones:
        line = line_of(zone.pk)
        assert line is not None
        figures = {"epoch": line.epoch, "version": zone.version, "waiting": line.waiting, "front": line.front}
        unused = {"called": 0, "eta": None, "moved": at_ms, "grown": 0, "since": 0}
        told[zone.pk] = Bearing(**{"at": at_ms, "entering": 0, **figures, **unused, **changes}).to_json()
    redis.ask_now(board_store.lines_tell(told))
    gate_reports(at_s=at_s)
