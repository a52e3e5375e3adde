"""uvicorn's two connection protocols, made lean for many idle WebSockets."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class LeanHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol."""


class LeanWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol."""
