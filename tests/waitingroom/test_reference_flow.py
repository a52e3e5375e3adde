"""The flow that existing apps follow, on a gate that has no database: wait, then entry every pollingPeriod until in."""

import time
from collections.abc import Callable, Iterator

import pytest

from apps.waitingroom.passes import pass_verify
from apps.waitingroom.rules import Mode
from apps.waitingroom.tickets import client_mark
from tests.services.web import WebServer
from tests.waitingroom.gate import Client, Reply, zone_open

ZONE = "TEST_ZONE"
SOMEBODY = {"zoneId": ZONE, "clientIp": "127.0.0.1", "clientAgent": "WEB"}


@pytest.fixture
def client(gate: Callable[..., WebServer]) -> Iterator[Callable[[], Client]]:
    """Factory of clients of one gate, started when the first is made: after the zone was published."""
    servers: list[WebServer] = []
    clients: list[Client] = []

    def connect() -> Client:
        if not servers:
            servers.append(gate())
        clients.append(Client(servers[0].port))
        return clients[-1]

    yield connect
    for one in clients:
        one.close()


def go_in(client: Client) -> list[Reply]:
    """One virtual user, as the reference's load script is one; all answers."""
    replies = [client.ask("wait", SOMEBODY)]
    token, can_enter = replies[0].json["token"], replies[0].json["canEnter"]
    while not can_enter:
        time.sleep(replies[-1].json["waiting"]["pollingPeriod"] / 1000)  # the client's side of the contract
        replies.append(client.ask("entry", {"zoneId": ZONE, "token": token}))
        can_enter = replies[-1].json["canEnter"]
    return replies


def test_there_is_room(client: Callable[[], Client]) -> None:
    zone_open(zone_id=ZONE, per_minute=60)
    replies = go_in(client())
    assert [reply.status for reply in replies] == [200]
    pass_verify(replies[0].json["pass"], zone_id=ZONE, client=client_mark("127.0.0.1\nWEB"))


def test_there_is_a_line(client: Callable[[], Client]) -> None:
    # Everybody stands in line here, and a window has room for sixty: called as soon as the line is read.
    zone_open(zone_id=ZONE, per_minute=600, mode=Mode.QUEUE_ALL, poll_ms=1000)
    began = time.monotonic()
    replies = go_in(client())
    assert {reply.status for reply in replies} == {200}
    assert len(replies) > 1
    first = replies[0].json
    assert (first["canEnter"], first["state"]) == (False, "waiting")
    assert (first["waiting"]["rank"], first["waiting"]["total"], first["waiting"]["behind"]) == (1, 1, 0)
    assert 1 <= first["waiting"]["etaSeconds"] <= 6
    assert all(1000 <= reply.json["waiting"]["pollingPeriod"] <= 20000 for reply in replies)
    assert {reply.json["token"] for reply in replies} == {first["token"]}
    assert time.monotonic() - began < 12
    pass_verify(replies[-1].json["pass"], zone_id=ZONE, client=client_mark("127.0.0.1\nWEB"))


def test_they_go_in_by_turns(client: Callable[[], Client]) -> None:
    # Ten a minute are one in a window of six seconds.
    zone_open(zone_id=ZONE, per_minute=10, mode=Mode.QUEUE_ALL, poll_ms=1000)
    one, two = client(), client()
    tokens = [each.ask("wait", SOMEBODY).json["token"] for each in (one, two)]
    entered: dict[int, float] = {}
    deadline = time.monotonic() + 25
    while len(entered) < 2 and time.monotonic() < deadline:
        for number, each in enumerate((one, two)):
            if number not in entered:
                reply = each.ask("entry", {"zoneId": ZONE, "token": tokens[number]})
                assert reply.status == 200
                if reply.json["canEnter"]:
                    entered[number] = pass_verify(reply.json["pass"], zone_id=ZONE).issued
        time.sleep(1)
    assert list(entered) == [0, 1]
    assert int(entered[0] // 6) < int(entered[1] // 6)
