"""What is said of each outcome, letter by letter, and that it is JSON whatever a manager wrote."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, strategies

from apps.waitingroom.answers import line_answer, line_frame, redeemed_answer, ticket_of, zone_answer
from apps.waitingroom.keeper import Overview
from apps.waitingroom.outcomes import (
    ADMITTED,
    BEFORE,
    BLOCKED,
    HOLDING,
    NOWHERE,
    PAUSED,
    PREQUEUE,
    WAITING,
    Outcome,
)
from apps.waitingroom.passes import pass_verify
from apps.waitingroom.rules import MAX_MESSAGE, Mode, ZoneRules
from apps.waitingroom.tickets import TicketClaims, client_mark, ticket_verify

RULES = ZoneRules(zone_id="concert", name="The concert", per_minute=60, mode=Mode.OPEN, message="")
CLIENT = client_mark("somebody")
JOINED_MS = 1_700_000_000_000
WAITS = Outcome(WAITING, False, 40, 1, JOINED_MS, CLIENT, 12, 300, 42, 3_000)
AWAY = WAITS._replace(place=NOWHERE, rank=0, eta_s=None)


def said(outcome: Outcome, ticket: str = "T", **rules: Any) -> str:
    return line_answer(dataclasses.replace(RULES, **rules), outcome, ticket).decode()


def test_somebody_in_line_is_told_the_fields_that_apps_know() -> None:
    assert said(WAITS) == (
        '{"canEnter":false,"token":"T","waiting":{"rank":12,"total":300,"behind":288,"etaSeconds":42,'
        '"pollingPeriod":3000},"state":"waiting","message":""}'
    )


def test_somebody_who_may_enter_is_given_a_pass() -> None:
    outcome = WAITS._replace(state=ADMITTED, can_enter=True, rank=0, eta_s=0, entered_ms=JOINED_MS + 1_999)
    answer = json.loads(said(outcome, pass_s=90))
    ticket = answer.pop("pass")
    assert answer == {
        "canEnter": True,
        "token": "T",
        "waiting": {"rank": 0, "total": 300, "behind": 0, "etaSeconds": 0, "pollingPeriod": 3000},
        "passExpiresAt": JOINED_MS // 1000 + 1 + 90,
        "state": "admitted",
        "message": "",
    }
    claims = pass_verify(ticket, zone_id="concert", now=JOINED_MS / 1000 + 2, client=CLIENT)
    assert (claims.place, claims.epoch, claims.expires) == (40, 1, answer["passExpiresAt"])
    assert json.loads(said(outcome, pass_s=90))["pass"] == ticket


@pytest.mark.parametrize(
    ("outcome", "ends"),
    [
        (WAITS._replace(state=PAUSED, eta_s=None), '"rank":12,"total":300,"behind":288,"etaSeconds":null,'),
        (WAITS._replace(state=BLOCKED, eta_s=None), '"rank":12,"total":300,"behind":288,"etaSeconds":null,'),
        (AWAY._replace(state=BLOCKED, total=300), '"rank":0,"total":300,"behind":0,"etaSeconds":null,'),
        (WAITS._replace(state=HOLDING), '"rank":12,"total":300,"behind":288,"etaSeconds":42,'),
        (AWAY._replace(state=HOLDING, total=0), '"rank":0,"total":0,"behind":0,"etaSeconds":null,'),
    ],
)
def test_somebody_who_may_not_enter_for_now_is_told_the_state(outcome: Outcome, ends: str) -> None:
    assert said(outcome, message="Back at noon") == (
        f'{{"canEnter":false,"token":"T","waiting":{{{ends}"pollingPeriod":3000}},'
        f'"state":"{outcome.state}","message":"Back at noon"}}'
    )


@pytest.mark.parametrize("state", [BEFORE, PREQUEUE])
def test_before_it_opens_the_moment_is_told(state: str) -> None:
    outcome = AWAY._replace(state=state, total=5, opens_at_ms=JOINED_MS)
    assert said(outcome, "") == (
        '{"canEnter":false,"token":"","waiting":{"rank":0,"total":5,"behind":0,"etaSeconds":null,'
        f'"pollingPeriod":3000}},"state":"{state}","message":"","opensAt":{JOINED_MS}}}'
    )


def test_a_slower_line_says_so() -> None:
    assert said(WAITS._replace(slowed=True)).endswith('"state":"waiting","message":"","slowed":true}')
    assert said(WAITS).endswith('"state":"waiting","message":""}')


def test_what_is_over_is_told_to_those_who_wait() -> None:
    over = ("/live/7/", "/live/5/")
    assert json.loads(said(WAITS, over=over))["over"] == [*over]
    assert "over" not in json.loads(said(WAITS._replace(state=ADMITTED, can_enter=True), over=over))
    assert "over" not in json.loads(said(WAITS))


def test_new_rules_are_said_at_once() -> None:
    before = dataclasses.replace(RULES, message="one")
    after = dataclasses.replace(RULES, message="two", message_ko="둘")
    assert json.loads(line_answer(before, WAITS, "T"))["message"] == "one"
    answer = json.loads(line_answer(after, WAITS, "T"))
    assert (answer["message"], answer["messageKo"]) == ("two", "둘")
    assert "messageKo" not in json.loads(line_answer(before, WAITS, "T"))


def test_a_socket_is_sent_the_same() -> None:
    frame = json.loads(line_frame(RULES, WAITS, "T"))
    assert frame.pop("type") == "line"
    assert frame == json.loads(said(WAITS))


def test_the_ticket_says_what_the_outcome_says_and_who_has_no_place_has_none() -> None:
    claims = ticket_verify(ticket_of(RULES, WAITS), now=JOINED_MS / 1000)
    assert claims == TicketClaims("concert", 1, 40, JOINED_MS, CLIENT)
    assert ticket_of(RULES, AWAY) == ""


words = strategies.text(strategies.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=MAX_MESSAGE)


@given(message=words, message_ko=words)
def test_whatever_a_manager_wrote_is_json(message: str, message_ko: str) -> None:
    rules = dataclasses.replace(RULES, message=message, message_ko=message_ko)
    for answer in (json.loads(line_answer(rules, WAITS, "T")), json.loads(line_frame(rules, WAITS, "T"))):
        assert (answer["message"], answer.get("messageKo", "")) == (message, message_ko)
        assert answer["waiting"]["rank"] == 12


def test_a_zone_and_a_used_pass() -> None:
    rules = dataclasses.replace(RULES, name_ko="공연", message="soon")
    seen = Overview(state="waiting", waiting=7, entering=58, eta_s=None, opens_at_ms=None, stale=False)
    assert json.loads(zone_answer(rules, seen)) == {
        "zoneId": "concert",
        "name": "The concert",
        "nameKo": "공연",
        "mode": "open",
        "state": "waiting",
        "perMinute": 60,
        "waiting": 7,
        "enteringPerMinute": 58,
        "etaSeconds": None,
        "opensAt": None,
        "message": "soon",
        "messageKo": "",
        "stale": False,
    }
    assert redeemed_answer(single_use=True, place=4) == b'{"redeemed":true,"singleUse":true,"place":4}'
