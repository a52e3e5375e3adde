"""Signed tokens: what we signed reads back, anything else is refused with one word."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.realtime.tokens import MAX_TOKEN_LENGTH, TokenError, token_sign, token_verify

FIELD_LETTERS = string.ascii_letters + string.digits + "-_"
FIELDS = st.lists(st.text(FIELD_LETTERS, min_size=1, max_size=64), min_size=1, max_size=5)
NOW = 1_800_000_000


def signed(*fields: str, purpose: str = "viewer", expires_at: int = NOW + 60) -> str:
    return token_sign(purpose=purpose, fields=list(fields), expires_at=expires_at)


def refusal(token: str, *, purpose: str = "viewer", now: float | None = NOW) -> str:
    """The word with which a token is refused."""
    with pytest.raises(TokenError) as caught:
        token_verify(purpose=purpose, token=token, now=now)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def test_a_token_reads_back_and_has_the_promised_form() -> None:
    token = signed("7", "u1", "tab_A-1")
    assert token_verify(purpose="viewer", token=token, now=NOW) == ["7", "u1", "tab_A-1"]
    *body, mac = token.split(".")
    assert body == ["7", "u1", "tab_A-1", str(NOW + 60)]
    assert len(mac) == 22


def test_the_clock_is_asked_when_no_time_is_given() -> None:
    now = int(time.time())
    assert token_verify(purpose="viewer", token=signed("7", expires_at=now + 60)) == ["7"]
    assert refusal(signed("7", expires_at=now - 1), now=None) == "expired"


@given(fields=FIELDS, seconds=st.integers(1, 10**9))
def test_whatever_is_signed_reads_back(fields: list[str], seconds: int) -> None:
    token = signed(*fields, expires_at=NOW + seconds)
    assert token_verify(purpose="viewer", token=token, now=NOW) == fields


@given(data=st.data(), fields=FIELDS)
def test_no_changed_character_ever_verifies(data: st.DataObject, fields: list[str]) -> None:
    token = signed(*fields)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters().filter(lambda each: each != token[place]))
    assert refusal(token[:place] + letter + token[place + 1 :]) in ("forged", "malformed")


@pytest.mark.parametrize("part", [0, 1, 2, 3], ids=["first field", "last field", "expiry", "mac"])
def test_each_part_is_protected(part: int) -> None:
    parts = signed("7", "u1").split(".")
    parts[part] = ("8" if parts[part][0] != "8" else "9") + parts[part][1:]
    assert refusal(".".join(parts)) == "forged"


def test_fields_cannot_be_moved_joined_or_dropped() -> None:
    seven, one, expiry, mac = signed("7", "u1").split(".")
    for forged in ([one, seven, expiry, mac], [seven + one, expiry, mac], [seven, expiry, mac], [seven, one, mac]):
        assert refusal(".".join(forged)) in ("forged", "malformed")


def test_a_token_is_good_until_its_second_and_not_at_it() -> None:
    token = signed("7", expires_at=NOW)
    assert token_verify(purpose="viewer", token=token, now=NOW - 0.001) == ["7"]
    assert refusal(token, now=NOW) == "expired"
    assert refusal(token, now=NOW + 1) == "expired"


def test_a_forged_token_is_called_forged_also_after_its_time() -> None:
    assert refusal(signed("7", expires_at=NOW - 60)[:-1] + "!") == "forged"


def test_a_token_is_worth_nothing_for_another_purpose() -> None:
    assert refusal(signed("7", purpose="viewer"), purpose="pass") == "forged"


def test_a_replaced_key_is_good_while_it_is_a_fallback(settings) -> None:
    old = settings.SECRET_KEY
    token = signed("7")
    settings.SECRET_KEY = "a new key, which has signed nothing so far, for the time from now on"
    assert refusal(token) == "forged"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert token_verify(purpose="viewer", token=token, now=NOW) == ["7"]
    newer = signed("7")
    settings.SECRET_KEY_FALLBACKS = []
    assert token_verify(purpose="viewer", token=newer, now=NOW) == ["7"]  # it was signed with the new key alone


def test_the_longest_token_is_read_and_a_longer_one_is_not() -> None:
    fields = ["x" * 64] * 7
    rest = MAX_TOKEN_LENGTH - len(signed(*fields)) - 1
    longest = signed(*fields, "y" * rest)
    assert len(longest) == MAX_TOKEN_LENGTH
    assert token_verify(purpose="viewer", token=longest, now=NOW) == [*fields, "y" * rest]
    assert refusal(signed(*fields, "y" * (rest + 1))) == "malformed"
    assert refusal("x" * 1_000_000) == "malformed"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "7", "7.1", "a.b.c", "7.-1.mac", "7.1e9.mac", "é.1.mac", "7.٣.mac", "\ud800.1.mac", "7.1 .m"],
)
def test_what_has_not_the_form_is_malformed(token: str) -> None:
    assert refusal(token) == "malformed"


@pytest.mark.parametrize("field", ["", "a.b", "a b", "é", "x" * 65, "a\n"])
def test_a_field_that_could_be_misread_is_not_signed(field: str) -> None:
    with pytest.raises(ValueError, match="a token field is 1 to 64 letters"):
        signed("7", field)
