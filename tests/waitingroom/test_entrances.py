"""/traffic/*, asked in this process with a real Redis: what is answered, and that a refusal touches nothing."""

import time
from typing import Any

import pytest

from apps.accounts.viewers import BROWSER_COOKIE
from apps.waitingroom import http
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.limits import JoinLimit
from apps.waitingroom.passes import pass_verify
from apps.waitingroom.rules import Mode
from apps.waitingroom.tickets import TicketClaims, client_mark, ticket_sign, ticket_verify
from tests.services.waiting import eventually_async
from tests.waitingroom.gate import Reply, ask, line_of, refused, zone_change, zone_open

SOMEBODY = {"zoneId": "concert", "clientIp": "127.0.0.1", "clientAgent": "WEB"}
pytestmark = pytest.mark.usefixtures("house")


async def get_in_line(**changes: Any) -> Reply:
    """Somebody waits in a zone in which everybody does, and nobody is let in yet."""
    zone_open(**{"mode": Mode.QUEUE_ALL, "per_minute": 0, **changes})
    reply = await ask("wait", {**SOMEBODY, "zoneId": changes.get("zone_id", "concert")})
    assert (reply.status, reply.json["canEnter"]) == (200, False)
    return reply


def entry(reply: Reply, zone_id: str = "concert") -> dict[str, str]:
    return {"zoneId": zone_id, "token": reply.json["token"]}


async def test_who_finds_room_is_let_in_at_once_with_a_pass() -> None:
    zone_open(pass_s=120)
    reply = await ask("wait", SOMEBODY)
    assert (reply.status, reply.json["canEnter"], reply.json["state"]) == (200, True, "admitted")
    assert reply.waiting == {"rank": 0, "total": 0, "behind": 0, "etaSeconds": 0, "pollingPeriod": 3000}
    claims = pass_verify(reply.json["pass"], zone_id="concert", client=client_mark("127.0.0.1\nWEB"))
    assert claims.expires == reply.json["passExpiresAt"] == claims.issued + 120
    assert abs(claims.issued - time.time()) < 5
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cache-control"] == "no-store"


async def test_a_ticket_claimed_again_gives_the_same_pass() -> None:
    zone_open()
    first = await ask("wait", SOMEBODY)

    async def has_pass() -> bool:  # within the second after which every gate has read who entered
        return bool((await ask("entry", entry(first))).json["canEnter"])

    await eventually_async(has_pass, every=1)  # with those below not too fast, however long it takes
    for path in ("entry", "wait", "entry"):
        again = await ask(path, {**SOMEBODY, **entry(first)})
        assert (again.json["canEnter"], again.json["pass"]) == (True, first.json["pass"])
    assert (await line_of()).next == ticket_verify(first.json["token"]).place + 1


async def test_several_tabs_with_one_ticket_have_one_place() -> None:
    first = await get_in_line()
    assert first.waiting == {"rank": 1, "total": 1, "behind": 0, "etaSeconds": None, "pollingPeriod": 3000}
    for path in ("wait", "entry", "wait"):
        again = await ask(path, {**SOMEBODY, **entry(first)})
        assert again.json == first.json
    other = await ask("wait", SOMEBODY)
    assert ticket_verify(other.json["token"]).place == ticket_verify(first.json["token"]).place + 1
    assert (await line_of()).waiting == 2


async def test_an_empty_ticket_asks_for_a_place() -> None:
    await get_in_line()
    for token in ("", None):
        reply = await ask("entry", {"zoneId": "concert", "token": token})
        assert (reply.status, reply.json["state"]) == (200, "waiting")
    assert (await line_of()).waiting == 3


async def test_a_browser_is_known_by_its_cookie_and_anybody_else_by_what_the_app_says() -> None:
    zone_open()
    browser = "0123456789abcdef" * 2
    cookie = (b"cookie", f"a=b; {BROWSER_COOKIE}={browser}".encode())
    forged = (b"cookie", f"{BROWSER_COOKIE}=nobody".encode())
    for headers, identity in (([cookie], browser), ([forged], "127.0.0.1\nWEB"), ([], "127.0.0.1\nWEB")):
        reply = await ask("wait", SOMEBODY, headers=headers)
        assert ticket_verify(reply.json["token"]).client == client_mark(identity)
    reply = await ask("wait", {"zoneId": "concert"})
    assert ticket_verify(reply.json["token"]).client == client_mark("\n")


# --- tickets that are no good -------------------------------------------------------------------------------------


def turned(token: str) -> str:
    """The token with another first letter in its mac."""
    body, _, mac = token.rpartition(".")
    return f"{body}.{'A' if mac[0] != 'A' else 'B'}{mac[1:]}"


async def test_forged_altered_and_foreign_tickets_are_refused_and_touch_nothing() -> None:
    first = await get_in_line()
    zone_open(zone_id="other", mode=Mode.QUEUE_ALL)
    token = first.json["token"]
    claims = ticket_verify(token)
    front = ticket_sign(claims._replace(place=claims.place - 1)).rpartition(".")[0]
    cases = {
        turned(token): (401, "forged"),
        f"{front}.{token.rpartition('.')[2]}": (401, "forged"),
        "nonsense": (401, "malformed_token"),
        "é": (401, "malformed_token"),
        ".".join("abc"): (401, "malformed_token"),
        ticket_sign(claims._replace(zone_id="other")): (401, "other_zone"),
    }
    before = await line_of()
    for path in ("entry", "wait", "leave"):
        for bad, expected in cases.items():
            counted = refused(expected[1])
            reply = await ask(path, {**SOMEBODY, "token": bad})
            assert reply.error == expected, (path, bad)
            assert refused(expected[1]) == counted + 1
    after = await line_of()
    assert (after.waiting, after.next) == (before.waiting, before.next) == (1, before.next)


async def test_an_expired_ticket_is_gone_and_a_new_place_is_given_for_the_asking() -> None:
    first = await get_in_line()
    day_ago = int(time.time() * 1000) - 24 * 3_600_000 - 1
    old = ticket_sign(ticket_verify(first.json["token"])._replace(joined_ms=day_ago))
    assert (await ask("entry", {"zoneId": "concert", "token": old})).error == (410, "expired")
    assert (await ask("leave", {"zoneId": "concert", "token": old})).json == {"left": False}
    assert (await line_of()).waiting == 1
    assert (await ask("wait", {**SOMEBODY, "token": old})).waiting["rank"] == 2


async def test_a_ticket_of_a_cleared_line_is_gone() -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=0)
    first = await ask("wait", SOMEBODY)
    zone_change(rules, epoch=2)

    async def is_cleared() -> bool:
        return (await ask("entry", entry(first))).status != 200

    await eventually_async(is_cleared, every=0.6)
    assert (await ask("entry", entry(first))).error == (410, "cleared")
    assert (await ask("leave", entry(first))).json == {"left": False}
    again = await ask("wait", {**SOMEBODY, **entry(first)})
    assert again.waiting["rank"] == 1
    assert ticket_verify(again.json["token"]).epoch == 2


async def test_who_left_is_out_and_those_behind_move_up() -> None:
    first = await get_in_line()
    second = await ask("wait", SOMEBODY)
    assert (await ask("leave", entry(first))).json == {"left": True}
    assert (await ask("leave", entry(first))).json == {"left": False}

    async def has_moved_up() -> bool:
        return (await ask("entry", entry(second))).waiting["rank"] == 1

    await eventually_async(has_moved_up, every=0.6)
    assert (await ask("entry", entry(first))).error == (410, "evicted")
    assert (await line_of()).waiting == 1


async def test_a_client_that_asks_a_hundred_times_a_second_is_slowed_down_and_gains_no_place() -> None:
    first = await get_in_line()
    counted = refused("too_fast")
    replies = [await ask("entry", entry(first)) for _ in range(100)]
    answered = sum(reply.status == 200 for reply in replies)
    assert 5 <= answered <= 11  # joining was the first of six; the slot of three seconds may have turned once
    assert {reply.error for reply in replies if reply.status != 200} == {(429, "too_fast")}
    assert {reply.headers["retry-after"] for reply in replies if reply.status != 200} == {"3"}
    assert refused("too_fast") == counted + 100 - answered
    line = await line_of()
    assert (line.waiting, line.next) == (1, ticket_verify(first.json["token"]).place + 1)


async def test_one_address_takes_so_many_places_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = JoinLimit(0.5)
    monkeypatch.setattr(http, "_join_limit", lambda: limit)
    await get_in_line()
    for _ in range(4):
        assert (await ask("wait", SOMEBODY)).status == 200
    reply = await ask("wait", SOMEBODY)
    assert reply.error == (429, "too_fast")
    assert reply.headers["retry-after"] == "2"
    assert (await line_of()).waiting == 5


# --- what a zone's state says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "token", "waiting", "said"),
    [
        (
            {"mode": Mode.PAUSED, "message": "Back at noon"},
            True,
            {"rank": 1, "total": 1, "behind": 0, "etaSeconds": None, "pollingPeriod": 3000},
            {"state": "paused", "message": "Back at noon"},
        ),
        (
            {"mode": Mode.BLOCKED, "message": "Closed", "message_ko": "닫힘"},
            False,
            {"rank": 0, "total": 0, "behind": 0, "etaSeconds": None, "pollingPeriod": 3000},
            {"state": "blocked", "message": "Closed", "messageKo": "닫힘"},
        ),
        (
            {"opens_at_ms": 4_000_000_000_000},
            False,
            {"rank": 0, "total": 0, "behind": 0, "etaSeconds": None, "pollingPeriod": 20000},
            {"state": "before", "message": "", "opensAt": 4_000_000_000_000},
        ),
        (
            {"opens_at_ms": 4_000_000_000_000, "prequeue_from_ms": 1, "seed": 7},
            True,
            {"rank": 0, "total": 1, "behind": 0, "etaSeconds": None, "pollingPeriod": 20000},
            {"state": "prequeue", "message": "", "opensAt": 4_000_000_000_000},
        ),
    ],
    ids=["paused", "blocked", "before", "prequeue"],
)
async def test_nobody_enters_and_everybody_is_told_why(
    rules: dict[str, Any], token: bool, waiting: dict[str, Any], said: dict[str, Any]
) -> None:
    zone_open(**rules)
    reply = await ask("wait", SOMEBODY)
    assert bool(reply.json["token"]) is token

    async def is_so() -> bool:
        again = await ask("entry", entry(reply))
        assert again.waiting == waiting
        assert {name: value for name, value in again.json.items() if name not in ("waiting", "token")} == {
            "canEnter": False,
            **said,
        }
        return True

    await eventually_async(is_so, every=0.6)


async def test_a_pass_for_a_single_use_is_used_once() -> None:
    zone_open(single_use=True)
    reply = await ask("wait", SOMEBODY)
    used = {"zoneId": "concert", "pass": reply.json["pass"]}
    place = ticket_verify(reply.json["token"]).place
    assert (await ask("redeem", used)).json == {"redeemed": True, "singleUse": True, "place": place}
    counted = refused("replayed")
    assert (await ask("redeem", used)).error == (409, "replayed")
    assert refused("replayed") == counted + 1
    assert (await ask("redeem", {**used, "pass": turned(used["pass"])})).error == (401, "forged")
    assert (await ask("redeem", {**used, "pass": "fp1.x"})).error == (401, "malformed_token")
    zone_open(zone_id="other")
    await eventually_async(lambda: is_known("other"), every=0.3)
    assert (await ask("redeem", {**used, "zoneId": "other"})).error == (401, "other_zone")
    free = await ask("wait", {**SOMEBODY, "zoneId": "other"})
    for _ in range(2):
        reply = await ask("redeem", {"zoneId": "other", "pass": free.json["pass"]})
        assert (reply.status, reply.json["singleUse"]) == (200, False)


async def is_known(zone_id: str) -> bool:
    return (await ask(f"zones/{zone_id}", method="GET")).status == 200


async def test_a_zone_at_a_glance() -> None:
    await get_in_line(per_minute=0, name_ko="공연")
    await ask("wait", SOMEBODY)

    async def is_seen() -> bool:
        status = await ask("zones/concert", method="GET")
        assert status.json == {
            "zoneId": "concert",
            "name": "The concert",
            "nameKo": "공연",
            "mode": "queue-all",
            "state": "waiting",
            "perMinute": 0,
            "waiting": 2,
            "enteringPerMinute": 0,
            "etaSeconds": None,
            "opensAt": None,
            "message": "",
            "messageKo": "",
            "stale": False,
        }
        return True

    await eventually_async(is_seen, every=0.3)
    assert (await ask("zones/nowhere", method="GET")).error == (404, "unknown_zone")
    assert (await ask("zones/", method="GET")).error == (404, "unknown_zone")


async def test_a_ticket_of_a_line_that_this_gate_has_not_heard_of_keeps_its_place(house: Gatehouse) -> None:
    first = await get_in_line()
    claims: TicketClaims = ticket_verify(first.json["token"])._replace(epoch=2)
    reply = await ask("entry", {"zoneId": "concert", "token": ticket_sign(claims)})
    assert (reply.status, reply.json["canEnter"], reply.json["token"]) == (200, False, ticket_sign(claims))
