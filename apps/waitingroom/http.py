"""What /traffic/* does with a request, from its body to the bytes of the answer. No rule of the line is here."""

import json
import time
from collections.abc import Mapping
from functools import cache
from math import ceil
from typing import Any

from django.conf import settings

from apps.accounts.viewers import browser_id_read
from apps.realtime.http_consumer import Refusal
from apps.realtime.tokens import MAX_TOKEN_LENGTH, TokenError

from .answers import LEFT, line_answer, redeemed_answer, ticket_of, zone_answer
from .gatehouse import gatehouse
from .keeper import ZoneKeeper
from .limits import JoinLimit
from .outcomes import CLEARED, EVICTED, NOWHERE, SPENT, TOO_FAST, Outcome
from .passes import PassError, pass_verify
from .single_use import Use
from .tickets import TicketClaims, client_mark, ticket_verify

MAX_IP = 64
MAX_AGENT = 512
MAX_TOKEN = MAX_TOKEN_LENGTH
MAX_PASS = 512

# A process that has just started reads its zones within this time, or Redis is away.
READY_PATIENCE_S = 2.0

Scope = Mapping[str, Any]

EXPIRED = "expired"
# How each reason for which somebody is turned away is answered.
_REFUSALS: dict[str, tuple[int, str, str]] = {
    "malformed": (401, "malformed_token", "This is no token of ours."),
    "forged": (401, "forged", "This token was not made here."),
    "other_zone": (401, "other_zone", "This token is for another zone."),
    EXPIRED: (410, "expired", "This token is too old. Ask for a new place."),
    CLEARED: (410, "cleared", "The line was cleared. Ask for a new place."),
    EVICTED: (410, "evicted", "This place was given up. Ask for a new one."),
    SPENT: (410, "spent", "This place has been used. Ask for a new one."),
    TOO_FAST: (429, "too_fast", "Ask once every pollingPeriod."),
}
# A place that is gone, which is nobody's fault: who then asks for a new one gets it.
_GONE = frozenset({EXPIRED, CLEARED, EVICTED, SPENT})
_SOON = ((b"retry-after", b"1"),)
# In a slot of three seconds too many polls came: the next slot begins within that time.
_NEXT_SLOT = ((b"retry-after", b"3"),)


def refusal_of(reason: str) -> Refusal:
    """The error that answers this reason."""
    status, error, detail = _REFUSALS[reason]
    return Refusal(status, error, detail, headers=_NEXT_SLOT if reason == TOO_FAST else ())


@cache
def _join_limit() -> JoinLimit:
    return JoinLimit(settings.GATE_JOINS_PER_ADDRESS_S)


# --- what was asked -----------------------------------------------------------------------------------------------


_decode = json.JSONDecoder().raw_decode


def _asked(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        # What json.loads does besides, for the white space around, costs as much again.
        asked, end = _decode(text) if text.startswith("{") else (None, -1)
        if end != len(text):
            asked = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "malformed", "The body is not JSON.") from None
    if type(asked) is not dict:
        raise _invalid("The body is a JSON object.")
    return asked


def _invalid(detail: str) -> Refusal:
    return Refusal(422, "invalid", detail)


def _text(asked: dict[str, Any], name: str, longest: int) -> str:
    """An optional field; null is as good as none."""
    value = asked.get(name)
    if value is None:
        return ""
    if type(value) is not str or len(value) > longest:
        raise _invalid(f"{name}: a string of at most {longest} characters.")
    return value


async def _zone(asked: dict[str, Any]) -> ZoneKeeper:
    zone_id = asked.get("zoneId")
    if type(zone_id) is not str:
        raise _invalid("zoneId: a string is needed.")
    return gatehouse().zone(zone_id) or await zone_of(zone_id)


async def zone_of(zone_id: str) -> ZoneKeeper:
    """The zone's keeper. Refusal: there is no such zone, or this process has not read its zones yet."""
    house = gatehouse()
    if not await house.wait_ready(READY_PATIENCE_S):
        raise Refusal(503, "unavailable", "The zones cannot be read now.", headers=_SOON)
    zone = house.zone(zone_id)
    if zone is None:
        raise Refusal(404, "unknown_zone", "There is no such zone.")
    return zone


def _token(asked: dict[str, Any]) -> str:
    if "token" not in asked:
        raise _invalid("token: a string is needed.")
    return _text(asked, "token", MAX_TOKEN)


def claims_of(token: str, zone_id: str) -> TicketClaims:
    """What the ticket says, of this zone; ValueError with the reason as its text."""
    claims = ticket_verify(token)
    if claims.zone_id != zone_id:
        raise TokenError("other_zone")
    return claims


def client_of(scope: Scope, address: str, agent: str) -> str:
    """Whom a place is given to: a browser that we have seen before, else whoever the app says it is."""
    for name, value in scope["headers"]:
        if name == b"cookie" and (browser := browser_id_read(value.decode("latin-1"))):
            return client_mark(browser)
    return client_mark(f"{address}\n{agent}")


# --- what is done -------------------------------------------------------------------------------------------------


async def entry(body: bytes, scope: Scope) -> bytes:
    """`POST /traffic/entry`: who holds a ticket asks again. Without one it is a join."""
    asked = _asked(body)
    zone_id = asked.get("zoneId")
    zone = gatehouse().zone(zone_id) if type(zone_id) is str else None
    if zone is None:
        zone = await _zone(asked)
    token = _token(asked)
    if not token:
        return await _join(zone, asked, scope)
    try:
        claims = claims_of(token, zone.rules.zone_id)
    except TokenError as error:
        raise refusal_of(error.reason) from None
    outcome = zone.poll_now(claims)
    if outcome is None:
        outcome = await zone.poll(claims)
    if outcome.refused:
        raise refusal_of(outcome.refused)
    return line_answer(zone.rules, outcome, token)


async def wait(body: bytes, scope: Scope) -> bytes:
    """`POST /traffic/wait`: a place, or entry at once. A ticket that is still good keeps its place."""
    asked = _asked(body)
    zone = await _zone(asked)
    token = _text(asked, "token", MAX_TOKEN)
    if not token:
        return await _join(zone, asked, scope)
    try:
        claims = claims_of(token, zone.rules.zone_id)
    except TokenError as error:
        if error.reason in _GONE:
            return await _join(zone, asked, scope)
        raise refusal_of(error.reason) from None
    outcome = zone.poll_now(claims)
    if outcome is None:
        outcome = await zone.poll(claims)
    if outcome.refused in _GONE:
        return await _join(zone, asked, scope)
    if outcome.refused:
        raise refusal_of(outcome.refused)
    return line_answer(zone.rules, outcome, token)


async def _join(zone: ZoneKeeper, asked: dict[str, Any], scope: Scope) -> bytes:
    client = client_of(scope, _text(asked, "clientIp", MAX_IP), _text(asked, "clientAgent", MAX_AGENT))
    outcome = await join(zone, client, scope)
    return line_answer(zone.rules, outcome, ticket_of(zone.rules, outcome))


async def join(zone: ZoneKeeper, client: str, scope: Scope) -> Outcome:
    """A place for a newcomer; Refusal if this address has taken too many of late."""
    address = scope["client"][0] if scope.get("client") else ""
    if wait_s := _join_limit().wait_s(address, time.monotonic()):
        detail = "Too many places were asked for from this address."
        raise Refusal(429, "too_fast", detail, headers=((b"retry-after", b"%d" % ceil(wait_s)),))
    outcome = await zone.join(client)
    if outcome.place == NOWHERE:
        _join_limit().give_back(address)  # those who wait for a zone to open ask again and again
    return outcome


async def leave(body: bytes, scope: Scope) -> bytes:
    """`POST /traffic/leave`: give a place up. One that is gone already is no fault."""
    asked = _asked(body)
    zone = await _zone(asked)
    try:
        claims = claims_of(_token(asked), zone.rules.zone_id)
    except TokenError as error:
        if error.reason in _GONE:
            return LEFT[False]
        raise refusal_of(error.reason) from None
    return LEFT[await zone.leave(claims)]


async def redeem(body: bytes, scope: Scope) -> bytes:
    """`POST /traffic/redeem`: check a pass, and in a zone of single-use passes use it up."""
    asked = _asked(body)
    zone = await _zone(asked)
    if type(asked.get("pass")) is not str:
        raise _invalid("pass: a string is needed.")
    try:
        claims = pass_verify(_text(asked, "pass", MAX_PASS), zone_id=zone.rules.zone_id)
    except PassError as error:
        raise refusal_of(error.reason) from None
    use = await zone.redeem(claims)
    if use is Use.UNKNOWN:
        raise Refusal(503, "unavailable", "Passes cannot be used up now.", headers=_SOON)
    if use is Use.AGAIN:
        raise Refusal(409, "replayed", "This pass was used before.")
    return redeemed_answer(single_use=use is Use.FIRST, place=claims.place)


async def status(zone_id: str) -> bytes:
    """`GET /traffic/zones/{id}`: the line as this process last saw it."""
    zone = await zone_of(zone_id)
    return zone_answer(zone.rules, await zone.overview())
