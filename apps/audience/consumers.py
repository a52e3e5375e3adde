"""Sockets of the audience: parse, call the edge, send."""

from typing import Any

from django.http import parse_cookie

from apps.accounts.viewers import BROWSER_COOKIE
from apps.realtime.close_codes import BAD_FRAME, FORBIDDEN, REMOVED, TRY_AGAIN_LATER, UNAUTHORIZED
from apps.realtime.consumers import LeanWebsocketConsumer
from apps.realtime.outbox import Message
from apps.realtime.tokens import TokenError

from .directory import MAX_WATCHED
from .runtime import AudienceRuntime, audience_runtime
from .seats import text_message
from .sessions import Session
from .tokens import viewer_token_make, viewer_token_read


def _cookie(scope: dict[str, Any], name: str) -> str:
    for header, value in scope["headers"]:
        if header == b"cookie":
            return parse_cookie(value.decode("latin-1")).get(name, "")
    return ""


class _Returning(LeanWebsocketConsumer):
    """A socket that the edge may send elsewhere."""

    def reconnect_message(self, within_ms: int) -> Message:
        """Come back within so many ms, at a moment of your own."""
        return text_message({"type": "reconnect", "within_ms": within_ms})


class ViewerConsumer(_Returning):
    """`/ws/streams/{id}/`: a viewer watches a stream, is counted, and is sent its figures."""

    kind = "viewer"
    session: Session
    _runtime: AudienceRuntime | None = None

    def connecting(self) -> None:
        """The browser's cookie is a header."""
        self._browser_id = _cookie(self.scope, BROWSER_COOKIE)

    def reconnect_message(self, within_ms: int) -> Message:
        """With a new token: one that a page has held for an hour is over, and asking for it would cost a database."""
        token = viewer_token_make(
            stream_id=self.session.stream_id,
            viewer_id=self.session.viewer_id,
            session_id=self.session.session_id,
            browser_id=self._browser_id,
        )
        return text_message({"type": "reconnect", "within_ms": within_ms, "token": token})

    async def opened(self) -> None:
        """Check the token against address and browser, then take a seat."""
        stream_id = self.scope["url_route"]["kwargs"]["stream_id"]
        try:
            claims = viewer_token_read(token=self.query("token"), browser_id=self._browser_id)
        except ValueError as error:
            reason = error.reason if isinstance(error, TokenError) else "malformed"
            code = FORBIDDEN if reason == "foreign" else UNAUTHORIZED
            return await self.reject(code, f"token_{reason}", "ask for a new token")
        if claims.stream_id != stream_id:
            return await self.reject(FORBIDDEN, "token_other_stream", "this token is for another stream")
        runtime = audience_runtime()
        if runtime.removals.is_banned(claims.viewer_id):
            return await self.reject(REMOVED, "banned", "this account may not watch now")
        self._runtime = runtime
        self.session = self._runtime.edge.session_make(
            session_id=claims.session_id, viewer_id=claims.viewer_id, stream_id=stream_id
        )
        self._runtime.edge.join(self)
        return None

    def closed(self) -> None:
        """Give the seat up."""
        if self._runtime is not None:
            self._runtime.edge.leave(self)


class DirectoryConsumer(_Returning):
    """`/ws/directory/`: a listing says which streams it shows and is sent their counts as they move."""

    kind = "directory"
    frame_types = frozenset({"ping", "watch"})
    watched: frozenset[int] = frozenset()
    is_greeted = False

    async def opened(self) -> None:
        """Join the listings; nothing is sent before the first watch."""
        audience_runtime().directory.add(self)

    async def received(self, frame: dict[str, Any]) -> None:
        """`{"type": "watch", "ids": [...]}`: what the page shows now."""
        ids = frame.get("ids")
        if not isinstance(ids, list) or len(ids) > MAX_WATCHED or not all(_is_id(each) for each in ids):
            return await self.reject(BAD_FRAME, "bad_watch", f"ids is a list of at most {MAX_WATCHED} stream ids")
        if not audience_runtime().directory.watch(self, frozenset(ids)):
            return await self.reject(TRY_AGAIN_LATER, "full", "listings here show all the streams they may")
        return None

    def closed(self) -> None:
        """Leave the listings."""
        audience_runtime().directory.remove(self)


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value < 2**63
