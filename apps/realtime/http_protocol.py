"""uvicorn's HTTP protocol with a limit on silence, which hands WebSockets over without parsing their request again."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .handshake import accept_key_of
from .http_cycle import LeanCycle, outgoing_of
from .protocol import LeanWebSocketProtocol

# A connection that has not finished its first request's headers by then is dropped: it holds a file and says nothing.
HEADER_SECONDS = 30.0
# Who connected just before the server leaves has sent a request that is still on its way: it is awaited this long.
FIRST_REQUEST_SECONDS = 1.0


class LeanHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with a limit on silence and without a reference cycle after an upgrade."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request."""
        super().connection_made(transport)
        self.outgoing = outgoing_of(self.loop)
        self.app = self.outgoing.guarded(self.app)
        self.header_timer = self.loop.call_later(HEADER_SECONDS, transport.abort)

    def on_headers_complete(self) -> None:
        """The first request is whole: stop the clock."""
        self.header_timer.cancel()
        super().on_headers_complete()
        if type(self.cycle) is RequestResponseCycle:  # it was made just now
            LeanCycle.take(self.cycle, self.outgoing)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, which would otherwise keep the connection in memory."""
        self.header_timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Leave after the request in flight, also when nothing of it has arrived yet."""
        if not self._was_asked():
            self.loop.call_later(FIRST_REQUEST_SECONDS, self._close_unless_asked)
        else:
            self.outgoing.flush()  # uvicorn closes a connection whose answer is complete
            super().shutdown()

    def _was_asked(self) -> bool:
        return getattr(self, "cycle", None) is not None  # set when the first request's headers are whole

    def _close_unless_asked(self) -> None:
        if not self._was_asked():  # else its answer said `connection: close`
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, and let go of the parser, which refers back to this object."""
        accept_key = accept_key_of(self.scope["method"], self.scope["http_version"], self.url, self.headers)
        protocol_class = self.ws_protocol_class
        if accept_key is None or protocol_class is None or not issubclass(protocol_class, LeanWebSocketProtocol):
            super().handle_websocket_upgrade()
        else:
            self.connections.discard(self)
            protocol = protocol_class(self.config, self.server_state, self.app_state, self.loop)
            protocol.connection_made(self.transport)
            protocol.handshake_read(self.url, self.headers, accept_key)
            self.transport.set_protocol(protocol)
        self.parser = None  # type: ignore[assignment]  # as uvicorn does when the connection is lost
