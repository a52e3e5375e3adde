"""The viewer token: bound to a stream, a viewer, a tab and a browser; renewable by that browser alone."""

import time

import pytest

from apps.audience.tokens import (
    TOKEN_SECONDS,
    ViewerClaims,
    viewer_token_make,
    viewer_token_read,
    viewer_token_renewable,
)
from apps.realtime.tokens import MAX_TOKEN_LENGTH, TokenError, token_sign

NOW = 1_800_000_000
BROWSER, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
CLAIMS = ViewerClaims(stream_id=7, viewer_id="u42", session_id="aa11")


def made(*, stream_id: int = 7, now: float | None = NOW) -> str:
    return viewer_token_make(stream_id=stream_id, viewer_id="u42", session_id="aa11", browser_id=BROWSER, now=now)


def refusal(token: str, *, browser_id: str = BROWSER, now: float | None = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        viewer_token_read(token=token, browser_id=browser_id, now=now)
    return caught.value.reason


def test_a_token_says_what_it_was_made_for() -> None:
    assert viewer_token_read(token=made(), browser_id=BROWSER, now=NOW) == CLAIMS


def test_a_token_made_now_is_good_now() -> None:
    assert viewer_token_read(token=made(now=None), browser_id=BROWSER) == CLAIMS


def test_it_is_good_for_an_hour() -> None:
    assert TOKEN_SECONDS == 3600
    assert viewer_token_read(token=made(), browser_id=BROWSER, now=NOW + 3599.9) == CLAIMS
    assert refusal(made(), now=NOW + 3600) == "expired"


def test_another_browser_cannot_use_it() -> None:
    assert refusal(made(), browser_id=OTHER) == "foreign"
    assert refusal(made(), browser_id="") == "foreign"
    assert refusal(made(), browser_id="é") == "foreign"


def test_the_cookie_is_not_in_it() -> None:
    assert BROWSER not in made()


def test_an_expired_token_is_renewable_by_its_browser_alone() -> None:
    old = made(now=time.time() - 10 * 24 * 3600)
    assert viewer_token_renewable(token=old, browser_id=BROWSER) == CLAIMS
    with pytest.raises(TokenError, match="foreign"):
        viewer_token_renewable(token=old, browser_id=OTHER)
    with pytest.raises(TokenError, match="forged"):
        viewer_token_renewable(token=old[:-1] + "!", browser_id=BROWSER)


@pytest.mark.parametrize("place", range(6), ids=["stream", "viewer", "tab", "browser", "expiry", "mac"])
def test_a_forged_part_is_noticed(place: int) -> None:
    parts = made().split(".")
    assert len(parts) == 6
    parts[place] = ("9" if parts[place][0] != "9" else "8") + parts[place][1:]
    assert refusal(".".join(parts)) == "forged"


def test_a_token_for_another_stream_says_so_and_cannot_be_turned_into_ours() -> None:
    other = made(stream_id=8)
    assert viewer_token_read(token=other, browser_id=BROWSER, now=NOW).stream_id == 8
    assert refusal("7" + other[1:]) == "forged"


def test_a_token_signed_for_something_else_is_forged() -> None:
    fields = made().split(".")[:4]
    assert refusal(token_sign(purpose="pass", fields=fields, expires_at=NOW + 60)) == "forged"


@pytest.mark.parametrize("fields", [["7"], ["7", "u42", "aa11"], ["x", "u42", "aa11", "m"], ["7", "u", "s", "m", "n"]])
def test_what_we_signed_in_another_form_is_malformed(fields: list[str]) -> None:
    assert refusal(token_sign(purpose="viewer", fields=fields, expires_at=NOW + 60)) == "malformed"


def test_the_longest_token_that_is_made_can_be_read() -> None:
    longest = viewer_token_make(
        stream_id=2**63 - 1, viewer_id="a" + BROWSER, session_id="f" * 16, browser_id=BROWSER, now=NOW
    )
    assert len(longest) < MAX_TOKEN_LENGTH / 2
    assert viewer_token_read(token=longest, browser_id=BROWSER, now=NOW).stream_id == 2**63 - 1
