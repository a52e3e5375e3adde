"""The admin behind a list of addresses: for all others there is none, whatever their headers say."""

import http.client
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from apps.accounts.house_addresses import is_allowed, networks_read
from apps.realtime.metrics import REJECTED
from tests.services.web import WebServer

OFFICE = "10.1.0.0/16, 2001:db8::/32,192.0.2.7"


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8:1::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),  # IPv4 on a socket of both kinds
        ("::ffff:10.2.0.1", False),
        ("", False),
        ("unix", False),
        ("10.1.2.3, 10.1.2.4", False),
        ("10.1.2.3:1234", False),
    ],
)
def test_an_address_is_in_one_of_the_networks_or_it_is_not(address: str, allowed: bool):
    assert is_allowed(address, networks_read(OFFICE.split(","))) is allowed


def test_what_is_no_network_stops_the_start():
    with pytest.raises(ImproperlyConfigured, match="ADMIN_ALLOWED_ADDRESSES"):
        networks_read(["10.1.0.0/16", "office"])


@pytest.mark.django_db
class TestPages:
    """What is asked for from where; the middleware is made anew with the settings of the test."""

    def ask(self, path: str, **extra: Any) -> int:
        return Client().get(path, **extra).status_code

    def test_others_find_no_admin_and_it_is_logged_and_counted(self, settings: Any, caplog: pytest.LogCaptureFixture):
        settings.ADMIN_ALLOWED_ADDRESSES = OFFICE.split(",")
        counter = REJECTED.labels("admin", "address")
        before = counter._value.get()
        paths = ["/admin/", "/admin", "/admin/login/", "/admin/dashboard/", "/admin/accounts/user/", "/admin/none/"]
        with caplog.at_level(logging.WARNING, "apps.operations.admin_addresses"):
            assert [self.ask(path, REMOTE_ADDR="203.0.113.9") for path in paths] == [404] * len(paths)
        assert counter._value.get() - before == len(paths)
        ours = [one for one in caplog.records if one.name == "apps.operations.admin_addresses"]
        assert len(ours) == len(paths)
        assert "203.0.113.9" in caplog.text
        # A header that nobody trusted is nothing; the rest of the site is for everybody.
        spoofed = {"HTTP_X_FORWARDED_FOR": "10.1.2.3", "HTTP_X_REAL_IP": "10.1.2.3", "HTTP_FORWARDED": "for=10.1.2.3"}
        assert self.ask("/admin/login/", REMOTE_ADDR="203.0.113.9", **spoofed) == 404
        assert self.ask("/accounts/sign-in/", REMOTE_ADDR="203.0.113.9") == 200
        assert self.ask("/administration", REMOTE_ADDR="203.0.113.9") == 404
        assert self.ask("/admin/login/", REMOTE_ADDR="10.1.2.3") == 200
        assert self.ask("/admin/", REMOTE_ADDR="2001:db8::1") == 302

    def test_without_a_list_it_is_there_for_everybody(self, settings: Any):
        assert settings.ADMIN_ALLOWED_ADDRESSES == []
        assert self.ask("/admin/login/", REMOTE_ADDR="203.0.113.9") == 200


def status(server: WebServer, forwarded: str | None, path: str = "/admin/login/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={} if forwarded is None else {"X-Forwarded-For": forwarded})
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(web: Callable[..., WebServer]):
    """On a real server, behind its own handling of X-Forwarded-For."""
    behind = web(env={"ADMIN_ALLOWED_ADDRESSES": "10.1.0.0/16", "FORWARDED_ALLOW_IPS": "127.0.0.1"})
    assert status(behind, "10.1.2.3") == 200
    assert status(behind, "203.0.113.9") == 404
    assert status(behind, None) == 404
    # What the visitor wrote stands before what the proxy added.
    assert status(behind, "10.1.2.3, 203.0.113.9") == 404
    assert status(behind, "203.0.113.9", path="/admin//login/") == 404
    assert status(behind, "203.0.113.9", path="/%61dmin/login/") == 404
    alone = web(env={"ADMIN_ALLOWED_ADDRESSES": "10.1.0.0/16", "FORWARDED_ALLOW_IPS": "192.0.2.1"})
    assert status(alone, "10.1.2.3") == 404
    assert status(alone, "127.0.0.1, 10.1.2.3") == 404
    assert status(alone, None, path="/accounts/sign-in/") == 200
