"""A rule that is changed to watch less lets go of what is still there, and says nothing untrue of it."""

import pytest

from apps.operations.models import AlertEvent, AlertRule, AlertState
from apps.waitingroom.services import zone_delete
from tests.operations.alert_stage import channel_make, events, gate_tells, look, notices, rule_make
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_rule_that_is_narrowed_in_a_storm_tells_no_end_that_there_is_not() -> None:
    zones = [zone_make(name, app=app, mode="queue-all", per_minute=0) for name, app in (("aa", "shop"), ("bb", "game"))]
    for zone, waiting in zip(zones, (20, 50), strict=True):
        crowd_join(zone, waiting)
    rule = rule_make(channel_make(), name="lines", kind="line", limit=0)
    gate_tells(*zones)
    look(0)
    told = [("ops", "trouble", "waiting")] * 2
    assert notices() == told
    AlertRule.objects.filter(pk=rule.pk).update(app="shop")
    gate_tells(*zones, at_s=15)
    look(15)
    assert events() == [("aa", 0, None, 20, 20), ("bb", 0, 15, 50, 50)]
    assert not AlertEvent.objects.filter(is_gone=True).exists()
    assert list(AlertState.objects.values_list("subject", flat=True)) == ["aa"]
    # One that is gone from the house is gone, and that is told.
    zone_delete(zone_id="aa")
    gate_tells(zones[1], at_s=30)
    look(30)
    assert notices() == [*told, ("ops", "recovery", "waiting")]
    assert AlertEvent.objects.get(subject="aa").is_gone
