"""Outcomes in words: the JSON that apps, pages and sockets are sent.

One answer is made for every poll, so it is put together from ready parts: what a zone says of a state is encoded once
for as long as its rules stand. Everything else in an answer is a number, or a token of our own letters.
"""

import json
from typing import Any

from .keeper import Overview
from .outcomes import ADMITTED, NOWHERE, Outcome
from .passes import pass_sign
from .rules import ZoneRules
from .tickets import TicketClaims, ticket_sign


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class _Words:
    """What one zone's answers end in, by state."""

    __slots__ = ("_by_state", "rules")

    def __init__(self, rules: ZoneRules) -> None:
        self.rules = rules
        self._by_state: dict[tuple[str, bool, int | None], str] = {}

    def of(self, state: str, slowed: bool, opens_at_ms: int | None) -> str:
        """From the state to the closing brace."""
        key = (state, slowed, opens_at_ms)
        return self._by_state.get(key) or self._make(key)

    def _make(self, key: tuple[str, bool, int | None]) -> str:
        state, slowed, opens_at_ms = key
        said: dict[str, Any] = {"state": state, "message": self.rules.message}
        if self.rules.message_ko:
            said["messageKo"] = self.rules.message_ko
        if slowed:
            said["slowed"] = True
        if opens_at_ms is not None:
            said["opensAt"] = opens_at_ms
        if self.rules.over and state != ADMITTED:
            said["over"] = self.rules.over
        words = self._by_state[key] = _json(said)[1:]
        return words


# By zone, for the rules that stand: as many as there are zones.
_words: dict[str, _Words] = {}


def _words_of(rules: ZoneRules) -> _Words:
    words = _words.get(rules.zone_id)
    if words is None or words.rules is not rules:
        words = _words[rules.zone_id] = _Words(rules)
    return words


def ticket_of(rules: ZoneRules, outcome: Outcome) -> str:
    """The ticket of whoever was given this outcome, "" if they have no place."""
    if outcome.place == NOWHERE:
        return ""
    return ticket_sign(TicketClaims(rules.zone_id, outcome.epoch, outcome.place, outcome.joined_ms, outcome.client))


def _line(rules: ZoneRules, outcome: Outcome, token: str) -> str:
    """An answer without its opening brace."""
    state, can_enter, _place, _epoch, _joined, _client, rank, total, eta_s, polling_ms, *_rest = outcome
    words = _words_of(rules).of(state, outcome.slowed, outcome.opens_at_ms)
    if can_enter:
        return (
            f'"canEnter":true,"token":"{token}","waiting":{{"rank":0,"total":{total},"behind":0,"etaSeconds":0,'
            f'"pollingPeriod":{polling_ms}}},"pass":"{_pass(rules, outcome)}",'
            f'"passExpiresAt":{outcome.entered_ms // 1000 + rules.pass_s},{words}'
        )
    behind = total - rank if rank else 0
    return (
        f'"canEnter":false,"token":"{token}","waiting":{{"rank":{rank},"total":{total},"behind":{behind},'
        f'"etaSeconds":{"null" if eta_s is None else eta_s},"pollingPeriod":{polling_ms}}},{words}'
    )


def _pass(rules: ZoneRules, outcome: Outcome) -> str:
    return pass_sign(
        zone_id=rules.zone_id,
        epoch=outcome.epoch,
        place=max(0, outcome.place),
        client=outcome.client,
        issued_ms=outcome.entered_ms,
        pass_s=rules.pass_s,
    )


def line_answer(rules: ZoneRules, outcome: Outcome, token: str) -> bytes:
    """The body that answers /traffic/wait and /traffic/entry."""
    return ("{" + _line(rules, outcome, token)).encode()


def line_frame(rules: ZoneRules, outcome: Outcome, token: str) -> str:
    """The same, as a frame of type "line" on a socket."""
    return '{"type":"line",' + _line(rules, outcome, token)


LEFT = {True: b'{"left":true}', False: b'{"left":false}'}


def redeemed_answer(*, single_use: bool, place: int) -> bytes:
    """The body that answers /traffic/redeem."""
    return _json({"redeemed": True, "singleUse": single_use, "place": place}).encode()


def zone_answer(rules: ZoneRules, seen: Overview) -> bytes:
    """The body that answers /traffic/zones/{id}."""
    return _json(
        {
            "zoneId": rules.zone_id,
            "name": rules.name,
            "nameKo": rules.name_ko,
            "mode": rules.mode,
            "state": seen.state,
            "perMinute": rules.per_minute,
            "waiting": seen.waiting,
            "enteringPerMinute": seen.entering,
            "etaSeconds": seen.eta_s,
            "opensAt": seen.opens_at_ms,
            "message": rules.message,
            "messageKo": rules.message_ko,
            "stale": seen.stale,
        }
    ).encode()
