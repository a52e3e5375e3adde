"""What accounts needs from the floor above it: sockets that are closed by hand. The audience app registers itself here.

Arrows between apps point down only, so accounts may not import audience; audience imports this file.
"""

from typing import Protocol

# What a close frame has room for, less the word before it; in bytes of UTF-8.
REASON_BYTES = 100


class SocketsUnavailable(Exception):
    """Servers cannot be told now; nothing was closed."""


class SocketsPort(Protocol):
    """Sockets of viewers, wherever they are held."""

    def viewer_disconnect(self, *, viewer_id: str, stream_id: int | None, reason: str) -> None:
        """Close every socket of a viewer, on one stream or (None) on all. SocketsUnavailable if none can be told."""
        ...


_registered: SocketsPort | None = None


def register_sockets(port: SocketsPort | None) -> SocketsPort | None:
    """Make `port` the one that closes; None takes it away. Returns the one before it."""
    global _registered
    previous, _registered = _registered, port
    return previous


def sockets() -> SocketsPort:
    """The registered port."""
    if _registered is None:
        raise SocketsUnavailable("nothing is registered")
    return _registered
