"""The viewer token that a live page embeds, so that its socket needs no database and no session look-up.

It binds a viewer to one stream, one session (a tab) and one browser: the socket's cookie must be the one that the page
was made for, so a token copied from elsewhere is worth nothing.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass

from apps.realtime.tokens import TokenError, token_sign, token_verify

PURPOSE = "viewer"
TOKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class ViewerClaims:
    """What a viewer token says: which stream, who, which tab."""

    stream_id: int
    viewer_id: str
    session_id: str


def _browser_mark(browser_id: str) -> str:
    """A short mark of the browser's cookie; the cookie itself does not appear in an address."""
    return hashlib.blake2b(browser_id.encode(), digest_size=8).hexdigest()


def viewer_token_make(
    *, stream_id: int, viewer_id: str, session_id: str, browser_id: str, now: float | None = None
) -> str:
    """A token for this viewer, stream, tab and browser, good for an hour."""
    expires_at = int(time.time() if now is None else now) + TOKEN_SECONDS
    fields = [str(stream_id), viewer_id, session_id, _browser_mark(browser_id)]
    return token_sign(purpose=PURPOSE, fields=fields, expires_at=expires_at)


def viewer_token_read(*, token: str, browser_id: str, now: float | None = None) -> ViewerClaims:
    """What the token says. TokenError: malformed, forged, expired, or `foreign` when another browser presents it."""
    fields = token_verify(purpose=PURPOSE, token=token, now=now)
    if len(fields) != 4 or not fields[0].isdigit():
        raise TokenError("malformed")
    stream_id, viewer_id, session_id, mark = fields
    if not hmac.compare_digest(mark, _browser_mark(browser_id)):
        raise TokenError("foreign")
    return ViewerClaims(int(stream_id), viewer_id, session_id)


def viewer_token_renewable(*, token: str, browser_id: str) -> ViewerClaims:
    """What a token of this browser says even after it expired, so that its tab can be given a new one."""
    return viewer_token_read(token=token, browser_id=browser_id, now=0.0)
