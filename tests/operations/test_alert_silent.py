"""A server that has stopped reporting is told: once, however often it dies and comes again, and not after an outage."""

from collections import Counter

import pytest

from apps.audience import house_store
from apps.operations.alert_figures import house_read
from apps.operations.models import AlertEvent, AlertNotice
from apps.realtime import redis
from tests.operations.alert_stage import NOON, channel_make, look, notices, rule_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def rule(**fields: object) -> None:
    rule_make(channel_make(), **{"name": "silent", "kind": "silent", "limit": None, "hold_s": None, **fields})


def report(pid: int, *, at_s: float, host: str = "web-1", role: str = "all") -> None:
    about: dict[str, str | int] = {"host": host, "pid": pid, "role": role, "failures": 0}
    redis.ask_now(house_store.server_report(server=f"{host}-{pid}", now_ms=NOON + int(at_s * 1000), about=about))


def test_a_process_that_dies_again_and_again_is_one_trouble() -> None:
    rule(calm_s=60)
    for at_s in range(0, 2 * 3_600, 15):
        if at_s < 1_200:  # each lives for 20 seconds
            report(at_s // 20, at_s=at_s)
        look(at_s)
    # In twenty minutes of that, and ten until the last of them is off the register: told once, and its end once.
    assert Counter(notices()) == {("ops", "trouble", "waiting"): 1, ("ops", "recovery", "waiting"): 1}
    event = AlertEvent.objects.get()
    assert (event.subject, event.place, event.is_gone) == ("web-1 (all)", "web-1:0 (all)", True)


def test_machines_and_roles_are_told_each_by_itself() -> None:
    rule(hold_s=0)
    report(1, at_s=0)
    report(2, at_s=0, role="gate")
    report(3, at_s=0, host="web-2")
    for pid in (4, 5):
        report(pid, at_s=60)
    look(60)
    assert set(AlertEvent.objects.values_list("subject", "place")) == {
        ("web-1 (all)", "web-1:1 (all)"),
        ("web-1 (gate)", "web-1:2 (gate)"),
        ("web-2 (all)", "web-2:3 (all)"),
    }


def test_after_redis_was_away_nobody_is_called_silent_who_has_not_had_time_to_report() -> None:
    rule()
    for pid in range(8):
        report(pid, at_s=0, host=f"web-{pid}")
    look(0)
    look(47)  # it is back, and they have not told it yet
    for pid in range(8):
        report(pid, at_s=49, host=f"web-{pid}")
    look(62)
    assert AlertEvent.objects.count() == 0
    for pid in range(1, 8):
        report(pid, at_s=90, host=f"web-{pid}")
    for at_s in (77, 92, 107):
        look(at_s)
    assert list(AlertEvent.objects.values_list("place", flat=True)) == ["web-0:0 (all)"]
    assert AlertNotice.objects.count() == 1


@pytest.mark.parametrize("about", [{"machine": "web-1"}, {"host": "web-1", "pid": 7, "failures": "many"}])
def test_a_process_that_says_of_itself_what_nobody_understands_hides_no_other(about: dict[str, str | int]) -> None:
    redis.ask_now(house_store.server_report(server="later", now_ms=NOON - 45_000, about=about))
    report(8, at_s=0)
    house = house_read(kinds={"silent", "errors"}, now_ms=NOON)
    assert house.broken == ()
    assert {(server.name, server.failures) for server in house.servers or ()} == {
        ("web-1:7" if "pid" in about else "later", 0),
        ("web-1:8", 0),
    }
