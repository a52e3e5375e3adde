"""The names under which this machine is reached, for the mode that nobody configures."""

import contextlib
import socket

# TEST-NET-1: nothing is sent there, the kernel only picks the address it would send from.
ANYWHERE = ("192.0.2.1", 9)


def machine_names() -> list[str]:
    """localhost, the host name, and the IPv4 address that the network of the default route knows this machine by.

    Never a wildcard: these are also the origins from which sockets are accepted, and the names that a page elsewhere
    could otherwise point at this machine.
    """
    names = ["localhost", "127.0.0.1", "[::1]"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ANYWHERE)
        names.append(probe.getsockname()[0])
    # A leading dot would mean all names below it.
    names.append(socket.gethostname().lstrip(".").lower())
    return list(dict.fromkeys(name for name in names if name))
