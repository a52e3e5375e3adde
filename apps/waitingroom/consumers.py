"""Entrances of the waiting room: /traffic/* over HTTP, /ws/zones/{zone}/ over a socket. Parse, ask the keeper, send."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from apps.realtime.close_codes import (
    FORBIDDEN,
    GONE,
    NORMAL,
    NOT_FOUND,
    TOO_MANY_FRAMES,
    TRY_AGAIN_LATER,
    UNAUTHORIZED,
)
from apps.realtime.consumers import LeanWebsocketConsumer
from apps.realtime.http_consumer import Answer, Header, LeanHttpConsumer, Refusal
from apps.realtime.metrics import REJECTED
from apps.realtime.outbox import Message
from apps.realtime.tokens import TokenError

from . import http
from .answers import line_frame, ticket_of
from .gatehouse import gatehouse
from .keeper import ZoneKeeper
from .openapi import DOCUMENT_BYTES
from .outcomes import NOWHERE, Outcome
from .tickets import TicketClaims

POSTS: Mapping[str, Callable[[bytes, http.Scope], Awaitable[bytes]]] = {
    "entry": http.entry,
    "wait": http.wait,
    "leave": http.leave,
    "redeem": http.redeem,
}
ZONES = "zones/"
DESCRIPTION = "openapi.json"
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-max-age", b"86400"),  # a day until they ask again
)


class TrafficConsumer(LeanHttpConsumer):
    """`/traffic/*`: one look into a dictionary, and http.py does the rest."""

    kind = "gate"
    # Pages of other sites may ask: nothing here looks at who is signed in.
    headers: ClassVar[tuple[Header, ...]] = (
        *LeanHttpConsumer.headers,
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"retry-after"),
    )

    async def respond(self) -> bytes | Answer:
        """Answer, after preflights were let pass and wrong methods refused."""
        path, method = self.scope["path_remaining"], self.scope["method"]
        operation = POSTS.get(path)
        if operation is not None and method == "POST":
            return await operation(await self.body(), self.scope)
        if operation is not None:
            allowed = b"POST, OPTIONS"
        elif path == DESCRIPTION or path.startswith(ZONES):
            allowed = b"GET, HEAD, OPTIONS"
        else:
            raise Refusal(404, "not_found", "There is nothing at this address.")
        if method == "OPTIONS":
            return Answer(204, (*_PREFLIGHT, (b"access-control-allow-methods", allowed), (b"allow", allowed)))
        if operation is not None or method not in ("GET", "HEAD"):
            detail = "This method is not allowed here."
            raise Refusal(405, "method_not_allowed", detail, headers=((b"allow", allowed),))
        return DOCUMENT_BYTES if path == DESCRIPTION else await http.status(path.removeprefix(ZONES))


class ZoneConsumer(LeanWebsocketConsumer):
    """`/ws/zones/{zone}/`: waits for its turn, is told its place every few seconds, and is let in.

    A seat of the turnstile. While it is open its place is heard of, so that silence never costs it.
    """

    kind = "zone"
    frame_types = frozenset({"ping", "leave"})
    claims: TicketClaims | None = None
    client = ""
    _token = ""
    _keeper: ZoneKeeper | None = None

    def connecting(self) -> None:
        """The browser's cookie is a header."""
        self.client = http.client_of(self.scope, "", "")

    def reconnect_message(self, within_ms: int) -> Message:
        """The page has its ticket: any server knows the place by it."""
        text = f'{{"type":"reconnect","within_ms":{within_ms}}}'
        return {"type": "websocket.send", "text": text}

    async def opened(self) -> None:
        """Look at the ticket, or ask for a place; then take a seat."""
        try:
            keeper = await http.zone_of(self.scope["url_route"]["kwargs"]["zone_id"])
            self._keeper = keeper
            outcome = await self._first(keeper)
        except ValueError as error:
            reason = error.reason if isinstance(error, TokenError) else "malformed"
            code = FORBIDDEN if reason == "other_zone" else UNAUTHORIZED
            return await self.reject(code, f"token_{reason}", "ask for a new place")
        except Refusal as refusal:
            code = {404: NOT_FOUND, 429: TOO_MANY_FRAMES}.get(refusal.status, TRY_AGAIN_LATER)
            return await self.reject(code, refusal.error, refusal.detail)
        self.show(outcome)
        if not self._closing:
            gatehouse().turnstile.add(keeper, self)
        return None

    async def _first(self, keeper: ZoneKeeper) -> Outcome:
        token = self.query("token")
        if not token:
            outcome = await http.join(keeper, self.client, self.scope)
            if outcome.place != NOWHERE:
                zone_id, place = keeper.rules.zone_id, outcome.place
                self.claims = TicketClaims(zone_id, outcome.epoch, place, outcome.joined_ms, outcome.client)
            return outcome
        self.claims = http.claims_of(token, keeper.rules.zone_id)
        self.client = self.claims.client
        self._token = token
        outcome_now = keeper.glance(self.claims)
        return await keeper.poll(self.claims) if outcome_now is None else outcome_now

    def show(self, outcome: Outcome) -> None:
        """Send where it stands; close when that ends the wait."""
        if self._keeper is None or self._closing:
            return
        if outcome.refused:
            REJECTED.labels(self.kind, outcome.refused).inc()
            self.dismiss(GONE, f"{outcome.refused}: ask for a new place")
            return
        rules = self._keeper.rules
        if not self._token:
            self._token = ticket_of(rules, outcome)
        self.outbox.push({"type": "websocket.send", "text": line_frame(rules, outcome, self._token)})
        if outcome.can_enter:
            self.dismiss(NORMAL, "entered")

    async def join(self) -> Outcome | None:
        """A place, now that the zone may give one; None if this address has taken too many of late."""
        if self._keeper is None:
            return None
        try:
            return await http.join(self._keeper, self.client, self.scope)
        except Refusal as refusal:
            REJECTED.labels(self.kind, refusal.error).inc()
            return None

    async def received(self, frame: dict[str, Any]) -> None:
        """`{"type": "leave"}`: the place is given up."""
        gatehouse().turnstile.remove(self)
        if self._keeper is not None and self.claims is not None:
            await self._keeper.leave(self.claims)
        await self.close(NORMAL, "left")

    def closed(self) -> None:
        """Give the seat up; the place is kept."""
        if self._keeper is not None:
            gatehouse().turnstile.remove(self)
