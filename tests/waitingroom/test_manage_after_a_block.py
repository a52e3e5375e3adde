"""After a block: what it told people stays until somebody takes it away, and the page says so."""

import pytest

from apps.waitingroom.models import Role, ZoneMode
from tests.waitingroom.desks import Desk, act, fields_of, row
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
STILL = "still-told"


@pytest.mark.parametrize("mode", [ZoneMode.OPEN, ZoneMode.QUEUE_ALL, ZoneMode.PAUSED])
def test_whoever_ends_a_block_sees_that_its_message_still_stands(desk: Desk, mode: str) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    act(client, "block", message="Closed till 9", message_ko="9시까지 닫음")
    answer = client.get(act(client, "mode", mode=mode)["Location"]).content.decode()
    assert (row().mode, row().message) == (mode, "Closed till 9")
    begin = answer.index(STILL)
    form = answer[begin : answer.index("</form>", begin)]
    assert "Those who wait still read: “Closed till 9”" in form
    assert "Take the message away" in form
    taken = client.post("/manage/zones/concert/message/", fields_of(form))
    assert (taken.status_code, taken["Location"]) == (302, "/manage/zones/concert/")
    assert (row().message, row().message_ko, row().mode) == ("", "", mode)
    assert STILL not in client.get("/manage/zones/concert/?still_told=1").content.decode()


def test_nothing_is_said_where_nobody_is_told_anything(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    act(client, "block")
    assert act(client, "mode", mode=ZoneMode.OPEN)["Location"] == "/manage/zones/concert/"
    act(client, "message", message="Nearly there")
    assert act(client, "mode", mode=ZoneMode.PAUSED)["Location"] == "/manage/zones/concert/"
    act(client, "block")
    assert STILL not in client.get("/manage/zones/concert/?still_told=1").content.decode()  # closed again since
    act(client, "mode", mode=ZoneMode.OPEN)
    viewer = desk(Role.VIEWER, name="jun")
    assert STILL not in viewer.get("/manage/zones/concert/?still_told=1").content.decode()


def test_a_message_that_somebody_else_has_changed_is_not_taken_away_unseen(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    act(client, "block", message="Closed till 9")
    answer = client.get(act(client, "mode", mode=ZoneMode.OPEN)["Location"]).content.decode()
    begin = answer.index(STILL)
    act(desk(Role.OPERATOR, name="jun"), "message", message="Doors at 9")
    refused = client.post("/manage/zones/concert/message/", fields_of(answer[begin : answer.index("</form>", begin)]))
    assert (refused.status_code, row().message) == (409, "Doors at 9")
