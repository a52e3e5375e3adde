"""The ticket: the signed token that carries a place in one zone's line, so that the line is held by those in it."""

import hashlib
from base64 import urlsafe_b64encode
from typing import NamedTuple

from apps.realtime.tokens import TokenError, token_sign, token_verify

PURPOSE = "ticket"
TICKET_SECONDS = 24 * 3600


class TicketClaims(NamedTuple):
    """What a ticket says: which zone's line, of which epoch, the place in it, when it was given, to whom."""

    zone_id: str
    epoch: int
    place: int
    joined_ms: int  # epoch ms on Redis's clock
    client: str  # client_mark of who it was given to


def client_mark(identity: str) -> str:
    """11 letters that stand for a client: its address and agent, or a browser's cookie. They do not tell which."""
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8, person=b"client").digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def ticket_sign(claims: TicketClaims) -> str:
    """The token of these claims, good for 24 h from joining; the same claims give the same token."""
    zone_id, epoch, place, joined_ms, client = claims
    return token_sign(
        purpose=PURPOSE,
        fields=[zone_id, str(epoch), str(place), str(joined_ms), client],
        expires_at=joined_ms // 1000 + TICKET_SECONDS,
    )


def ticket_verify(token: str, *, now: float | None = None) -> TicketClaims:
    """What a ticket of ours says; TokenError: malformed, forged, expired. Zone and epoch are the caller's to judge."""
    fields = token_verify(purpose=PURPOSE, token=token, now=now)
    try:
        zone_id, epoch, place, joined_ms, client = fields
        return TicketClaims(zone_id, int(epoch), int(place), int(joined_ms), client)
    except ValueError:  # signed by a version of ours with other fields
        raise TokenError("malformed") from None
