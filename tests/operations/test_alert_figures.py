"""What rules about the house look at, read from real stores: every kind at its limit, and the unknown stays unknown."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client import REGISTRY

from apps.audience import house_store as audience_store
from apps.audience.metrics import failures
from apps.audience.models import CurrentViewers
from apps.operations import alert_figures
from apps.operations.alert_figures import house_read, readings
from apps.operations.alert_readings import Reading
from apps.operations.models import AlertRule
from apps.realtime import redis
from apps.realtime.metrics import REDIS_FAILURES
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start
from apps.waitingroom import board_store
from tests.operations.alert_stage import NOON, drift_is
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.web import WebServer
from tests.waitingroom.zones import ask, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def rule(kind: str, **fields: Any) -> AlertRule:
    return AlertRule(name=kind, kind=kind, **fields)


def read(kind: str, memories: dict[str, Any] | None = None, *, at_s: float = 0) -> dict[str, Reading] | None:
    house = house_read(kinds={kind}, now_ms=NOON + int(at_s * 1000))
    return readings(rule(kind), house, memories or {})


def figures(kind: str, *, at_s: float = 0) -> dict[str, float | None]:
    found = read(kind, at_s=at_s)
    assert found is not None
    return {subject: reading.value for subject, reading in found.items()}


def test_drift() -> None:
    assert read("drift") is None
    drift_is(42)
    assert figures("drift", at_s=180) == {"": 42}
    assert read("drift", at_s=181) is None


def test_the_age_of_the_last_snapshot() -> None:
    now = datetime.fromtimestamp(NOON / 1000, tz=UTC)
    CurrentViewers.objects.create(stream_id=99, captured_at=now - timedelta(hours=9))
    assert figures("late") == {"": 0}  # nothing is live, so nothing is late
    stream = stream_start(
        broadcaster=broadcaster_ensure(name="Jun", slug="jun"),
        category=category_ensure(slug="talk", name="Talk"),
        title="A talk",
    )
    type(stream).objects.update(started_at=now - timedelta(seconds=60))
    assert figures("late") == {"": 60}  # it has not missed one yet
    type(stream).objects.update(started_at=now - timedelta(days=1))
    CurrentViewers.objects.update(captured_at=now - timedelta(seconds=299))
    assert figures("late") == {"": 299}


def report(server: str, *, at_s: float = 0, **about: Any) -> None:
    told = {"host": "web-1", "pid": 7, "role": "all", "failures": 0, **about}
    redis.ask_now(audience_store.server_report(server=server, now_ms=NOON + int(at_s * 1000), about=told))


def test_a_server_that_stopped_reporting() -> None:
    report("a")
    report("b", pid=8, at_s=-45)
    report("c", pid=9, at_s=-601)  # long off the register
    assert read("silent") == {
        "web-1 (all)": Reading(45, "web-1:8 (all)", "web-1:8 (all)"),  # the other is there
    }


def test_a_gate_is_a_server_and_one_that_is_both_is_one() -> None:
    report("a", failures=3, at_s=-10)
    for gate, pid, role in (("g", 7, "all"), ("h", 9, "gate")):
        about: dict[str, str | int] = {"host": "web-1", "pid": pid, "role": role, "failures": 5}
        ask(board_store.gate_report(gate=gate, sockets={}, now_ms=NOON - 40_000))
        redis.ask_now(board_store.gate_about(gate=gate, about=about))
    house = house_read(kinds={"silent"}, now_ms=NOON)
    assert house.servers == [
        alert_figures.Server("web-1:7", "all", NOON - 40_000, 8),
        alert_figures.Server("web-1:9", "gate", NOON - 40_000, 5),
    ]


def test_one_that_said_goodbye_is_not_missed() -> None:
    report("a", at_s=-45)
    redis.ask_now(audience_store.server_gone("a"))
    assert figures("silent") == {}


def test_errors_of_all_servers_in_the_last_minute() -> None:
    report("a", failures=100)
    report("b", failures=7, pid=8)
    first = read("errors")[""]  # type: ignore[index]
    report("a", failures=103)
    report("b", failures=8, pid=8)
    assert (first.value, read("errors", {"": first.memory}, at_s=60)[""].value) == (0, 4)  # type: ignore[index]


def test_a_process_counts_what_went_wrong_in_it() -> None:
    before = failures()
    REDIS_FAILURES.labels("audience_board").inc(2)
    REDIS_FAILURES.labels("gate_pulse").inc()  # its gate's, which speaks for itself
    assert failures() == before + 2


@pytest.mark.slow
def test_a_real_gate_says_what_it_is(web: Callable[..., WebServer]) -> None:
    server = web(role="gate")
    with pytest.raises(HTTPError), urlopen(f"http://127.0.0.1:{server.port}/traffic/zones/none", timeout=5):
        pass  # the first question wakes the gate

    def servers() -> list[alert_figures.Server] | None:
        return house_read(kinds={"silent"}, now_ms=int(datetime.now(UTC).timestamp() * 1000)).servers or None

    eventually(servers)
    (found,) = servers() or []
    assert (found.name.partition(":")[0], found.role, found.failures) == (socket.gethostname(), "gate", 0)


@pytest.mark.slow
def test_what_a_real_gate_tells_of_a_line_is_what_rules_look_at(web: Callable[..., WebServer]) -> None:
    zone_make(mode="queue-all", per_minute=0)
    server = web(role="gate")
    for client in range(3):
        wanted = json.dumps({"zoneId": "concert", "clientIp": f"192.0.2.{client}"}).encode()
        json_told = {"Content-Type": "application/json"}
        with urlopen(Request(f"http://127.0.0.1:{server.port}/traffic/wait", wanted, json_told), timeout=5) as answer:
            assert not json.load(answer)["canEnter"]

    def line() -> bool:
        house = house_read(kinds={"line"})
        found = readings(rule("line"), house, {}) or {}
        return found["concert"].value == 3

    eventually(line)
    waits = readings(rule("wait"), house_read(kinds={"wait"}), {})
    assert waits is not None
    assert waits["concert"].value == 86_400


@pytest.mark.parametrize("kind", ["drift", "silent", "errors"])
def test_without_redis_the_house_is_unknown(
    kind: str, private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    private_redis.stop()

    def unread() -> float:
        return REGISTRY.get_sample_value("fullhouse_alert_figures_unread_total", {"kind": kind}) or 0

    before = unread()
    assert read(kind) is None
    assert unread() == before + 1
