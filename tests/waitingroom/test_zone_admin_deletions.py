"""The trace of a zone that was deleted says why."""

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom.models import Zone
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
ZONES = "/admin/waitingroom/zone/"


@pytest.fixture
def desk(client: Client, transactional_db: None) -> Client:
    client.force_login(operator_ensure(username="root", password="a long enough pass"))
    return client


@pytest.mark.parametrize(("reason", "told"), [("  Sold out ", "Deleted. Sold out"), ("[1]", "Deleted. [1]"), ("", "")])
@pytest.mark.parametrize("is_listed", [True, False])
def test_the_reason_is_in_the_trace(desk: Client, reason: str, told: str, is_listed: bool) -> None:
    zone = zone_make()
    answer = {"post": "yes", "confirmed": "yes", "reason": reason, "seen": f"concert:{zone.version}"}
    if is_listed:
        answered = desk.post(ZONES, {**answer, "action": "delete_selected", "_selected_action": ["concert"]})
    else:
        answered = desk.post(f"{ZONES}concert/delete/", answer)
    assert (answered.status_code, Zone.objects.exists()) == (302, False)
    entry = LogEntry.objects.get(action_flag=DELETION)
    assert (entry.object_id, entry.get_change_message()) == ("concert", told)
    assert told in desk.get("/admin/admin/logentry/").content.decode()
