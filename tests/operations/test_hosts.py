"""The names that embedded mode answers to: this machine's own, and no others."""

import contextlib
import ipaddress
import socket
from pathlib import Path

import pytest
from django.http.request import validate_host

from config import hosts
from config.hosts import machine_names


def test_this_machine_is_known_by_its_names() -> None:
    names = machine_names()
    assert names[:3] == ["localhost", "127.0.0.1", "[::1]"]
    for name in ("localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()):
        assert validate_host(name, names)
    assert len(names) == len(set(names)) <= 5


def addresses() -> list[ipaddress.IPv4Address]:
    """The names that are addresses of the old kind."""
    found = []
    for name in machine_names():
        with contextlib.suppress(ValueError):
            found.append(ipaddress.IPv4Address(name))
    return found


def test_its_address_is_one_that_it_really_has() -> None:
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    has_network = any(destination == "00000000" for _interface, destination, *_ in routes)
    # 127.0.0.1, and that of the default route where there is one.
    assert len(addresses()) == 1 + has_network
    for address in addresses():
        with socket.socket() as probe:
            probe.bind((str(address), 0))  # refused for an address that is not ours


def test_without_a_network_it_has_its_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "ANYWHERE", ("255.255.255.255", 9))  # the kernel refuses to choose for that
    assert machine_names() == ["localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()]


@pytest.mark.parametrize("stranger", ["evil.example", "a.localhost.evil.example", "192.0.2.1", "*"])
def test_no_other_name_is_accepted(stranger: str) -> None:
    names = machine_names()
    assert not validate_host(stranger, names)
    assert not [name for name in names if name.startswith(".") or "*" in name]
