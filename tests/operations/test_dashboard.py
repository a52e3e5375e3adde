"""The admin's first page: how the house is, from a few reads, and what it says while they cannot be made."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client

from apps.accounts.services import operator_ensure, user_register
from apps.audience import house_store as audience_store
from apps.operations import dashboard, dashboard_views, job_store
from apps.operations.dashboard import dashboard_read
from apps.realtime.clock import epoch_ms
from apps.realtime.redis import run_now, sync_client
from apps.streams.models import Stream
from apps.streams.services import stream_update
from apps.waitingroom import board_store
from apps.waitingroom import services as zones
from tests.analytics.house import stream_make
from tests.operations.alert_stage import channel_make, look, rule_make
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
PASSWORD = "a long enough pass"
FIGURES = "/admin/dashboard/"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(operator_ensure(username="operator", password=PASSWORD))
    return client


def seat(stream: Stream, viewers: int) -> None:
    """As the sweep leaves it."""
    run_now([("SET", f"view:{{{stream.pk}}}:current", viewers), audience_store.rank(None, {stream.pk: viewers})])


def report(server: str, *, age_ms: int = 0, **about: Any) -> None:
    told = {"host": "web", "pid": 7, "role": "all", "sockets": 0, "sessions": 0, **about}
    run_now(audience_store.server_report(server=server, now_ms=epoch_ms() - age_ms, about=told))


def test_the_house_at_a_glance(redis_url: str):
    streams = [stream_make(f"S{n}") for n in range(12)]
    for number, stream in enumerate(streams):
        seat(stream, 10 * number)
    run_now([audience_store.house_put(660)])
    report("one", sockets=700, sessions=660)
    report("two", age_ms=60_000, pid=8, role="core")
    at = epoch_ms()
    run_now([audience_store.reconciled_put(at_ms=at, streams=12, drift=3, asked=1, repaired=0)])
    run_now([job_store.job_put(task="apps.audience.tasks.sweep", outcome="ok", at_ms=at)])
    zones.zone_create(actor=None, zone_id="door", name="Door", per_minute=60)
    run_now(
        [
            board_store.gate_report(gate="g1", sockets={"door": 7, "other": 2}),
            *board_store.gate_about(gate="g1", about={"host": "gate", "pid": 9}),
        ]
    )
    house = dashboard_read()
    assert house.gates is not None
    assert [(gate.place, gate.zones, gate.sockets) for gate in house.gates] == [("gate:9", 2, 9)]
    assert (house.viewers, house.streams, house.is_reachable) == (660, 12, True)
    assert house.top is not None
    assert [(one.title, one.viewers) for one in house.top] == [(f"S{n} speaks", 10 * n) for n in range(11, 1, -1)]
    assert house.servers is not None
    shown = [(server.place, server.role, server.sockets, server.sessions, server.is_silent) for server in house.servers]
    assert shown == [("web:8", "core", 0, 0, True), ("web:7", "all", 700, 660, False)]
    assert house.drift is not None
    assert (house.drift.drift, house.drift.asked, house.drift.repaired) == (3, 1, 0)
    assert house.jobs is not None
    states = {job.name: str(job.state) for job in house.jobs}
    assert (states["audience-sweep"], states["audience-reindex"]) == ("ok", "new")
    assert house.zones is not None
    assert house.zones.total == 1


def test_open_alerts_stand_worst_first_and_channels_that_fail_are_named(desk: Client, redis_url: str):
    bad = channel_make(name="night", failures=2, last_error="nobody listens")
    channel_make(name="day")
    channel_make(name="unused", enabled=False, failures=9, last_error="gone")
    rule_make(bad, name="small", limit=10)
    rule_make(name="large", limit=100, severity="critical")
    rule_make(name="calm", limit=1_000)
    look(0, 200)
    alerts = dashboard_read().alerts
    assert alerts is not None
    assert [(one.rule, one.severity, one.value) for one in alerts.worst] == [
        ("large", "critical", "200"),
        ("small", "warning", "200"),
    ]
    assert (alerts.total, dashboard_read().failing) == (2, [bad])
    page = desk.get("/admin/").content.decode()
    assert "Notices do not reach night: nobody listens" in page
    assert "gone" not in page
    look(15, 0)
    over = dashboard_read().alerts
    assert over is not None
    assert (over.total, over.worst) == (0, [])


def test_it_costs_a_few_commands_however_large_the_house(
    redis_url: str, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
):
    for number in range(15):
        seat(stream_make(f"S{number}"), number)
    for number in range(3):
        report(f"server{number}")
        zones.zone_create(actor=None, zone_id=f"door{number}", name="Door", per_minute=60)
    dashboard_read()
    client: Any = sync_client()
    before = client.info("stats")["total_commands_processed"]
    with django_assert_num_queries(4):
        dashboard_read()
    # 8 in the first call, 1 + 10 for the streams, 3 for the servers, 1 for the zones; and INFO itself. What two
    # scripts do inside of Redis is counted, too.
    assert client.info("stats")["total_commands_processed"] - before <= 24 + 16


def test_a_dash_and_not_a_zero_while_redis_is_away(
    desk: Client, private_redis: RedisServer, use_redis: Callable[[str], str]
):
    use_redis(private_redis.url)
    private_redis.stop()
    house = dashboard_read()
    assert (house.viewers, house.streams, house.top, house.servers, house.gates, house.jobs, house.drift) == (None,) * 7
    assert not house.is_reachable
    page = desk.get("/admin/").content.decode()
    assert "Redis cannot be read now." in page
    assert page.count("Cannot be read now.") == 3
    assert '<dd data-total="viewers">—</dd>' in page


def test_figures_are_made_once_a_moment_however_many_look(
    desk: Client, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    moment = LocMemCache("dashboard", {})
    monkeypatch.setattr(dashboard_views, "caches", {"moment": moment})
    reads: list[int] = []

    def counted(parts: Any) -> dashboard.Dashboard:
        reads.append(1)
        return dashboard_read(parts)

    monkeypatch.setattr(dashboard_views, "dashboard_read", counted)
    monkeypatch.setattr(dashboard_views, "KEPT_S", 60)
    assert len({desk.get(FIGURES).content for _ in range(50)}) == 1
    assert len(reads) == 1
    desk.get(FIGURES, headers={"accept-language": "ko"})
    assert len(reads) == 2


def test_only_operators_see_it(client: Client, redis_url: str):
    assert client.get(FIGURES).status_code == 302
    client.force_login(user_register(username="mina", password=PASSWORD))
    assert client.get(FIGURES).status_code == 302
    staff = user_register(username="helper", password=PASSWORD)
    staff.is_staff = True
    staff.save()
    client.force_login(staff)
    answer = client.get(FIGURES)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert client.post(FIGURES).status_code == 405


def test_titles_are_text_and_nothing_else(desk: Client, redis_url: str):
    stream = stream_make("one")
    stream_update(stream=stream, title="<script>alert(1)</script>", category=stream.category)
    seat(stream, 5)
    zones.zone_create(actor=None, zone_id="door", name="<b>Door</b>", per_minute=60)
    channel_make(name="<i>chat</i>", failures=1, last_error="<u>no</u>")
    rule_make(name="<s>drift</s>")
    look(0, 200)
    for path in (FIGURES, "/admin/"):
        page = desk.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>Door" not in page
        assert [tag for tag in ("<i>chat", "<u>no", "<s>drift") if tag in page] == []
        assert "&lt;i&gt;chat" in page
