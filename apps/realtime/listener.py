"""The listening socket, made here and not by the server, so that its options are ours.

Every connection inherits the options of the socket that accepted it; buffer sizes must stand before ``listen``, because
the TCP window scale is agreed in the handshake.
"""

import ctypes
import resource
import socket
import struct
import sys
from dataclasses import dataclass

SO_ATTACH_FILTER = 26  # Linux; Python has no name for it
# Classic BPF over the TCP header (linux/filter.h): SYN without ACK is dropped, all else passes. Each instruction is
# (code, jump if true, jump if false, operand).
DROP_SYN = (
    (0x30, 0, 0, 13),  # load byte 13
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


class PortTaken(Exception):
    """Somebody else listens on the address."""


class BadAddress(ValueError):
    """The address is not HOST:PORT, or the host does not resolve here."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the kernel choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every interface)."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise BadAddress(f"{text!r} is not HOST:PORT")
        return cls(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  asked for by leaving the host out

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _bound(address: Address, *, share: bool) -> socket.socket:
    """A TCP socket bound to ``address``; ``share`` sets SO_REUSEPORT."""
    try:
        family, kind, protocol, _name, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise BadAddress(f"{address.host!r} is not an address of this machine: {error.strerror}") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(where)
    except OSError as error:
        sock.close()
        if isinstance(error, PermissionError):
            raise PortTaken(f"this user may not listen on {address}") from error
        raise PortTaken(f"{address} cannot be used: {error.strerror}") from error
    return sock


def port_reserve(address: Address, *, share: bool = False) -> tuple[socket.socket, Address]:
    """Bind without listening, and say which port it became.

    Two servers of one user may share a port through SO_REUSEPORT without either noticing, and the kernel would then
    split the visitors between them. So unless sharing was asked for, a first bind without it must succeed: it fails
    when anyone listens. The reservation receives no connections; it keeps the port ours while workers restart.
    """
    if not share:
        trial = _bound(address, share=False)
        try:
            trial.listen(1)  # SO_REUSEADDR lets a bind pass beside one that does not listen yet; a listen settles it
        except OSError as error:
            raise PortTaken(f"{address} cannot be used: {error.strerror}") from error
        finally:
            trial.close()
    reserved = _bound(address, share=True)
    return reserved, Address(address.host, reserved.getsockname()[1])


def listener_create(address: Address, *, backlog: int, buffer_bytes: int | None = None) -> socket.socket:
    """A listening socket of this process alone; the kernel spreads connections over all that share the port.

    ``buffer_bytes`` fixes both kernel buffers (Linux doubles the figure for its own book-keeping) and thereby switches
    their automatic growth off: right for tiers that only push small frames, wrong for one that serves large pages.
    """
    sock = _bound(address, share=True)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def handshakes_refuse(listener: socket.socket) -> bool:
    """Let nobody begin to connect any more, while those who have begun still get through; False where it can't be done.

    Closing a listening socket resets whoever is in the middle of the handshake, even if another socket shares the port.
    A dropped SYN is sent again a second later instead, and then goes to the other one.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in DROP_SYN))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(DROP_SYN), ctypes.addressof(code)))
    return True


def file_limit_raise() -> int:
    """Raise the soft limit of open files to the hard one (a socket is a file); return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
