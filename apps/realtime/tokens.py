"""Signed tokens: short strings that a client holds and no server needs to store.

Form: `field.field.....expiry.mac`. The MAC is keyed BLAKE2b (RFC 7693) of 16 bytes over everything before it, with one
key a purpose derived from SECRET_KEY, so that a token made for one use is worth nothing in another. Comparison takes
constant time. `SECRET_KEY_FALLBACKS` keeps older tokens good while a key is being replaced.
"""

import functools
import hashlib
import hmac
import re
import time
from binascii import b2a_base64

from django.conf import settings

MAC_BYTES = 16
MAX_TOKEN_LENGTH = 512
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class TokenError(ValueError):
    """The token cannot be trusted; `reason` is one word: malformed, forged or expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@functools.lru_cache(maxsize=64)
def _keyed(secret: str, purpose: str) -> hashlib.blake2b:
    """The MAC of a purpose before its first byte: copies go on from there, so that the key is hashed only once."""
    key = hashlib.blake2b(secret.encode(), digest_size=64, person=purpose.encode()[:16]).digest()
    return hashlib.blake2b(digest_size=MAC_BYTES, key=key)


def _mac(secret: str, purpose: str, body: str) -> bytes:
    mac = _keyed(secret, purpose).copy()
    mac.update(body.encode())
    return b2a_base64(mac.digest(), newline=False).translate(_URL_SAFE, b"=")


def token_sign(*, purpose: str, fields: list[str], expires_at: int) -> str:
    """A token of these fields (letters, digits, - and _; at most 64 each), good until `expires_at` (epoch seconds)."""
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise ValueError(f"a token field is 1 to 64 letters, digits, - or _, not {field!r}")
    body = ".".join([*fields, str(expires_at)])
    return f"{body}.{_mac(settings.SECRET_KEY, purpose, body).decode()}"


def token_verify(*, purpose: str, token: str, now: float | None = None) -> list[str]:
    """The fields of a token that we signed for this purpose and that has not expired; else TokenError."""
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise TokenError("malformed")
    body, dot, mac = token.rpartition(".")
    fields, dot2, expiry = body.rpartition(".")
    if not (dot and dot2 and expiry.isdigit()):
        raise TokenError("malformed")
    presented = mac.encode()
    if not hmac.compare_digest(presented, _mac(settings.SECRET_KEY, purpose, body)) and not any(
        hmac.compare_digest(presented, _mac(secret, purpose, body)) for secret in settings.SECRET_KEY_FALLBACKS
    ):
        raise TokenError("forged")
    if int(expiry) <= (time.time() if now is None else now):
        raise TokenError("expired")
    return fields.split(".")
