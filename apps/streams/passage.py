"""Streams behind a waiting room: who has come through it, and where the others go.

Somebody who was let in arrives with a pass in the address. It is checked once and exchanged for a cookie that says the
same for this browser alone; with every token that the cookie fetches it lasts another hour.
"""

import hashlib
import hmac
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from apps.accounts.viewers import ViewerIdentity
from apps.realtime.tokens import TokenError, token_sign, token_verify
from apps.waitingroom.passes import PassClaims, PassError, pass_verify
from apps.waitingroom.tickets import client_mark

from .models import Stream

PURPOSE = "passage"
# As long as a viewer token, which is renewed together with it.
PASSAGE_SECONDS = 3600
PARAMETER = "pass"


def cookie_name(zone_id: str) -> str:
    """The cookie that says that this browser came through the zone."""
    return f"fullhouse_pass_{zone_id}"


def waiting_address(stream: Stream) -> str:
    """The waiting page of the stream's zone, which comes back to the stream."""
    # Spelled here, because a tier without the waiting room must know it, too.
    return f"/wait/{stream.zone_id}/?{urlencode({'next': stream.get_absolute_url()}, safe='/')}"


def _browser_mark(browser_id: str) -> str:
    return hashlib.blake2b(browser_id.encode(), digest_size=8, person=PURPOSE.encode()).hexdigest()


def passage_has(request: HttpRequest, stream: Stream, identity: ViewerIdentity) -> bool:
    """Whether this browser may watch: the stream is open to everybody, or it came through the stream's zone."""
    if not stream.is_protected:
        return True
    zone_id = str(stream.zone_id)
    try:
        fields = token_verify(purpose=PURPOSE, token=request.COOKIES.get(cookie_name(zone_id), ""))
    except TokenError:
        return False
    return fields[0] == zone_id and hmac.compare_digest(fields[1], _browser_mark(identity.browser_id))


def passage_give(response: HttpResponseBase, stream: Stream, identity: ViewerIdentity, *, now: float) -> None:
    """Let this browser watch for another hour; nothing for a stream that is open to everybody."""
    if not stream.is_protected:
        return
    zone_id = str(stream.zone_id)
    response.set_cookie(
        cookie_name(zone_id),
        token_sign(
            purpose=PURPOSE,
            fields=[zone_id, _browser_mark(identity.browser_id)],
            expires_at=int(now) + PASSAGE_SECONDS,
        ),
        max_age=PASSAGE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def pass_read(request: HttpRequest, stream: Stream, identity: ViewerIdentity) -> PassClaims:
    """What the pass in the address says. PassError if it is no good for this stream's zone, or not this client's.

    The waiting page marks a pass with the browser's cookie; an app that asks for its user, with address and agent.
    """
    claims = pass_verify(request.GET.get(PARAMETER, ""), zone_id=str(stream.zone_id))
    address, agent = request.META.get("REMOTE_ADDR", ""), request.headers.get("User-Agent", "")
    marks = client_mark(identity.browser_id), client_mark(f"{address}\n{agent}")
    if claims.client not in marks:
        raise PassError("other_client")
    return claims
