"""An alert rule about one zone goes with the zone: the question says so, and it leaves a trace."""

from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client

from apps.accounts.services import user_register
from apps.operations.models import AlertRule
from apps.waitingroom.manager_models import Role
from apps.waitingroom.models import ZoneManager
from tests.operations.alert_stage import channel_make, rule_make
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIST = "/admin/waitingroom/zone/"
WARNING = "These alert rules are deleted as well: Lines &lt;of&gt; one, Waits of one."


def rules_of(zone: Any) -> None:
    for name, kind in (("Lines <of> one", "line"), ("Waits of one", "wait")):
        rule_make(channel_make(name=name), name=name, kind=kind, limit=None, hold_s=None, zone=zone)
    rule_make(name="All lines", kind="line")
    kim = user_register(username="kim", password="a long enough pass")
    ZoneManager.objects.create(user=kim, zone=zone, role=Role.OWNER)


def traces() -> set[tuple[str, str]]:
    entries = LogEntry.objects.filter(action_flag=DELETION).select_related("content_type")
    return {(entry.content_type.model, entry.object_repr) for entry in entries if entry.content_type}


@pytest.mark.parametrize("in_bulk", [False, True])
def test_what_goes_with_a_zone_is_named_before_and_traced_after(desk: Client, in_bulk: bool) -> None:
    zone = zone_make("one")
    rules_of(zone)
    chosen = {"action": "delete_selected", "_selected_action": ["one"]}
    page = desk.post(LIST, chosen) if in_bulk else desk.get(f"{LIST}one/delete/")
    assert WARNING in page.content.decode()
    assert "People who lose their role there: kim." in page.content.decode()
    answer = {"confirmed": "yes", "post": "yes", "seen": f"one:{zone.version}"}
    desk.post(LIST, {**chosen, **answer}) if in_bulk else desk.post(f"{LIST}one/delete/", answer)
    assert list(AlertRule.objects.values_list("name", flat=True)) == ["All lines"]
    assert {name for model, name in traces() if model == "alertrule"} == {"Lines <of> one", "Waits of one"}
    assert {model for model, _name in traces()} == {"zone", "alertrule", "zonemanager"}


def test_of_many_rules_some_are_named_and_the_rest_counted(desk: Client) -> None:
    zone = zone_make("one")
    for number in range(13):
        rule_make(name=f"Rule {number:02}", kind="line", zone=zone)
    page = desk.get(f"{LIST}one/delete/").content.decode()
    assert "Rule 08, Rule 09 +3." in page
