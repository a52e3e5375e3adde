"""Check a Fullhouse pass: that its holder came through a waiting room. Copy this file into the site to be protected.

It needs Python 3.9 and nothing else, and asks nobody: a pass is signed (HMAC-SHA256, RFC 2104) with the key of its
zone, which the operators of the waiting room print with `manage.py pass_key ZONE`. The key also makes passes: keep it
as you would a password.

    import os, fullhouse_pass

    try:
        claims = fullhouse_pass.verify(token, os.environ["FULLHOUSE_PASS_KEY"], "concert")
    except fullhouse_pass.PassError as error:
        ...  # send them to the waiting page; error.reason says why

A pass is fp1.<zone>.<epoch>.<place>.<client>.<issued>.<expires>.<mac>, times in seconds since 1970; the mac is over
everything before its dot, in base64url without padding. fullhouse_pass.mjs is the same in JavaScript.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from typing import NamedTuple

VERSION = "fp1"
KEY_BYTES = 32
_NUMBER = r"(0|[1-9][0-9]{0,14})"  # below 2^53, so that JavaScript reads the same number
# The last letter of a mac carries four bits and two that are nought: any other spelling of it is refused.
_FORM = re.compile(
    rf"({VERSION}\.([A-Za-z0-9_-]{{1,64}})\.{_NUMBER}\.{_NUMBER}\.([A-Za-z0-9_-]{{1,64}})\.{_NUMBER}\.{_NUMBER})"
    r"\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"
)


class PassError(ValueError):
    """The pass opens nothing; `reason`, the first that holds: malformed, other_zone, forged, expired, other_client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PassClaims(NamedTuple):
    """What a pass says."""

    zone: str
    epoch: int  # raised whenever the managers cleared the zone's line
    place: int  # unique within zone and epoch; 0 of one let in while the line could not be asked
    client: str  # mark of the client that it was given to
    issued: int  # seconds since 1970
    expires: int  # seconds since 1970; no longer good at this second


def sign(body: str, key: bytes) -> str:
    """The mac of a pass, base64url without padding."""
    digest = hmac.new(key, body.encode("ascii"), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def verify(token: str, key: str | bytes, zone: str, now: float | None = None, client: str | None = None) -> PassClaims:
    """What the pass says if it is good for this zone now, and for this client mark if one is given; else PassError.

    `key` is the zone's key as printed (64 hexadecimal digits) or its 32 bytes, ValueError if it is neither; `now` is in
    seconds since 1970, the clock by default.
    """
    raw_key = bytes.fromhex(key) if isinstance(key, str) else key
    if len(raw_key) != KEY_BYTES:  # an empty setting must not become a key that everybody knows
        raise ValueError("a zone's key is 64 hexadecimal digits, or 32 bytes")
    form = _FORM.fullmatch(token) if isinstance(token, str) else None
    if form is None:
        raise PassError("malformed")
    body, claimed_zone, epoch, place, claimed_client, issued, expires, mac = form.groups()
    if claimed_zone != zone:
        raise PassError("other_zone")
    if not hmac.compare_digest(mac, sign(body, raw_key)):
        raise PassError("forged")
    if not int(expires) > (time.time() if now is None else now):
        raise PassError("expired")
    if client is not None and claimed_client != client:
        raise PassError("other_client")
    return PassClaims(claimed_zone, int(epoch), int(place), claimed_client, int(issued), int(expires))
