"""Tickets: what was signed reads back for a day, anything else is refused with one word."""

import string
import time
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.realtime.tokens import MAX_TOKEN_LENGTH, TokenError, token_sign
from apps.waitingroom.tickets import PURPOSE, TICKET_SECONDS, TicketClaims, client_mark, ticket_sign, ticket_verify

JOINED_MS = 1_800_000_000_789
NOW = JOINED_MS / 1000
CLAIMS = TicketClaims("concert", 3, 123_456, JOINED_MS, client_mark("192.0.2.7\nAgent/1.0"))
NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=64)
EXACT = st.integers(0, 2**53)


def refusal(token: str, now: float = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        ticket_verify(token, now=now)
    return caught.value.reason


def altered(token: str, part: int) -> str:
    parts = token.split(".")
    parts[part] = ("8" if parts[part][0] != "8" else "9") + parts[part][1:]
    return ".".join(parts)


def test_a_ticket_has_this_form() -> None:
    *fields, mac = ticket_sign(CLAIMS).split(".")
    assert fields == ["concert", "3", "123456", str(JOINED_MS), CLAIMS.client, str(1_800_000_000 + 86_400)]
    assert len(mac) == 22


@given(zone_id=NAMES, epoch=EXACT, place=EXACT, joined_ms=EXACT, who=st.text())
def test_whatever_is_signed_reads_back(zone_id: str, epoch: int, place: int, joined_ms: int, who: str) -> None:
    claims = TicketClaims(zone_id, epoch, place, joined_ms, client_mark(who))
    token = ticket_sign(claims)
    assert ticket_verify(token, now=joined_ms / 1000) == claims
    assert ticket_sign(claims) == token
    assert len(token) < MAX_TOKEN_LENGTH / 2


@pytest.mark.parametrize("part", range(7), ids=["zone", "epoch", "place", "joined", "client", "expiry", "mac"])
def test_no_part_can_be_altered(part: int) -> None:
    assert refusal(altered(ticket_sign(CLAIMS), part)) == "forged"


def test_a_ticket_is_good_for_a_day_from_joining() -> None:
    token = ticket_sign(CLAIMS)
    end = JOINED_MS // 1000 + TICKET_SECONDS
    assert ticket_verify(token, now=end - 0.001) == CLAIMS
    assert refusal(token, now=end) == "expired"


def test_the_clock_is_asked_when_no_time_is_given() -> None:
    with pytest.raises(TokenError, match="expired"):
        ticket_verify(ticket_sign(CLAIMS._replace(joined_ms=1_000_000)))


def test_a_token_of_another_use_is_no_ticket() -> None:
    fields = ["concert", "3", "123456", str(JOINED_MS), CLAIMS.client]
    assert refusal(token_sign(purpose="viewer", fields=fields, expires_at=2_000_000_000)) == "forged"


@pytest.mark.parametrize(
    "fields",
    [
        ["concert", "3", "7", str(JOINED_MS)],
        ["concert", "3", "7", str(JOINED_MS), "client", "more"],
        ["concert", "three", "7", str(JOINED_MS), "client"],
        ["concert", "3", "7", "now", "client"],
        ["concert", "3", "-", str(JOINED_MS), "client"],
    ],
)
def test_our_own_signature_under_other_fields_is_malformed(fields: list[str]) -> None:
    assert refusal(token_sign(purpose=PURPOSE, fields=fields, expires_at=2_000_000_000)) == "malformed"


@pytest.mark.parametrize("token", ["", ".", "concert", "é.1.2.3", "x" * 1_000_000, "a." * 300, "\ud800.1.mac"])
def test_what_has_not_the_form_is_malformed(token: str) -> None:
    assert refusal(token) == "malformed"


@pytest.mark.parametrize("zone_id", ["", "a.b", "ß", "x" * 65])
def test_a_zone_that_could_be_misread_is_not_signed(zone_id: str) -> None:
    with pytest.raises(ValueError, match="a token field"):
        ticket_sign(CLAIMS._replace(zone_id=zone_id))


def test_a_replaced_key_is_good_while_it_is_a_fallback(settings) -> None:
    old = settings.SECRET_KEY
    token = ticket_sign(CLAIMS)
    settings.SECRET_KEY = "a new key, which has signed nothing so far, for the time from now on"
    assert refusal(token) == "forged"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert ticket_verify(token, now=NOW) == CLAIMS


@given(first=st.text(), second=st.text())
def test_a_mark_tells_clients_apart_and_is_eleven_letters(first: str, second: str) -> None:
    assert (client_mark(first) == client_mark(second)) == (first == second)
    assert set(client_mark(first)) <= set(string.ascii_letters + string.digits + "-_")
    assert len(client_mark(first)) == 11


def test_a_mark_stays_what_it_was() -> None:
    assert client_mark("192.0.2.7\nAgent/1.0") == "YKoUBW7F06I"
    assert client_mark("\ud800") != client_mark("?")  # what JSON may carry and UTF-8 may not


def test_verifying_costs_a_few_microseconds() -> None:
    token = ticket_sign(CLAIMS)
    runs = timeit.repeat(lambda: ticket_verify(token, now=NOW), timer=time.thread_time, number=2_000, repeat=15)
    # 2.5 us on a machine that does nothing else; twice that where two cores share one.
    assert min(runs) / 2_000 * 1e6 < 8
