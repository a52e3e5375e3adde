"""Passes: what somebody who was let in shows to the protected site, which checks it without asking us.

Every zone has a key of its own, derived from SECRET_KEY, so that a protected site which holds one zone's key can make
passes for that zone and no other. The form and the check are in fullhouse_pass.py, which is made to be copied.
"""

import functools
import hashlib
import hmac

from django.conf import settings

from .fullhouse_pass import VERSION, PassClaims, PassError, sign, verify

__all__ = ["PassClaims", "PassError", "pass_key", "pass_sign", "pass_verify"]


@functools.lru_cache(maxsize=1024)
def _key(secret: str, zone_id: str) -> bytes:
    return hmac.new(secret.encode(), f"fullhouse pass {zone_id}".encode(), hashlib.sha256).digest()


def pass_key(zone_id: str) -> bytes:
    """The 32 bytes that sign and check the passes of this zone; a protected site is given them in hexadecimal."""
    return _key(settings.SECRET_KEY, zone_id)


def pass_sign(*, zone_id: str, epoch: int, place: int, client: str, issued_ms: int, pass_s: int) -> str:
    """The pass of this place, good for `pass_s` seconds from `issued_ms` (epoch ms).

    It depends on nothing else, so a claim that is repeated gives the same bytes again.
    """
    issued_s = issued_ms // 1000
    body = f"{VERSION}.{zone_id}.{epoch}.{place}.{client}.{issued_s}.{issued_s + pass_s}"
    return f"{body}.{sign(body, pass_key(zone_id))}"


def pass_verify(token: str, *, zone_id: str, now: float | None = None, client: str | None = None) -> PassClaims:
    """What a pass of ours says; else PassError: malformed, other_zone, forged, expired or other_client.

    SECRET_KEY_FALLBACKS keep older passes good while the key is being replaced.
    """
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return verify(token, _key(secret, zone_id), zone_id, now, client)
        except PassError as error:
            if error.reason != "forged":
                raise
    raise PassError("forged")
