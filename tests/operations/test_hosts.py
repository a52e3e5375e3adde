"""The names that embedded mode answers to: this machine's own, and no others."""

import ipaddress
import socket

import pytest
from django.http.request import validate_host

from config.hosts import machine_names


def test_this_machine_is_known_by_its_names() -> None:
    names = machine_names()
    assert names[:3] == ["localhost", "127.0.0.1", "[::1]"]
    for name in ("localhost", "127.0.0.1", "[::1]", socket.gethostname().lower()):
        assert validate_host(name, names)
    assert len(names) == len(set(names)) <= 5


def test_its_address_is_one_that_it_really_has() -> None:
    for name in machine_names():
        try:
            address = ipaddress.IPv4Address(name)
        except ValueError:
            continue
        with socket.socket() as probe:
            probe.bind((str(address), 0))  # refused for an address that is not ours


@pytest.mark.parametrize("stranger", ["evil.example", "a.localhost.evil.example", "192.0.2.1", "*"])
def test_no_other_name_is_accepted(stranger: str) -> None:
    names = machine_names()
    assert not validate_host(stranger, names)
    assert not [name for name in names if name.startswith(".") or "*" in name]
