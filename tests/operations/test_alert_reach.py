"""Name servers that do not answer hold up a sending no longer than an endpoint that does not."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.translation import override

from apps.operations import alert_delivery
from apps.operations.alert_address import address_seal
from apps.operations.alert_delivery import DeliveryFailed, deliver

MESSAGE = {"title": "Test", "body": "Test", "severity": ""}


@pytest.fixture
def dead_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody answers who would know where hooks.example is, until the test ends."""
    over, known = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        if host == "hooks.example":
            over.wait(20)
        return known(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(alert_delivery, "SEND_S", 0.3)
    yield
    over.set()


def test_a_name_that_is_looked_up_for_long_is_given_up(dead_names: None) -> None:
    with pytest.raises(DeliveryFailed, match=r"^no answer within 0\.3 s$"):
        deliver(sealed=address_seal("jsons://hooks.example/s3cr3t-path"), **MESSAGE)


def test_why_an_address_is_refused_is_said_in_the_language_of_who_asked() -> None:
    with override("ko"), pytest.raises(DeliveryFailed, match="공개된 호스트가 아닙니다"):
        deliver(sealed=address_seal("jsons://10.0.0.1/s3cr3t-path"), **MESSAGE)


@pytest.mark.parametrize(
    ("name", "wanted"), [("ALERT_SCHEMES", ["slack", "mailtos"]), ("ALERT_INTERNAL_HOSTS", ["mail.corp", "hooks.corp"])]
)
def test_lists_may_be_written_with_spaces(name: str, wanted: list[str]) -> None:
    code = f"from config.settings import base; print(base.{name})"
    env = {**os.environ, name: " , ".join(wanted) + " ,"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(wanted)
