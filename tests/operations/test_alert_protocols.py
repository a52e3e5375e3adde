"""Notices as Slack, Teams and a mail server get them: in each one's own protocol, over real sockets and TLS."""

import datetime
import email
import email.policy
import json
import smtplib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.operations.alert_sending import channel_test, channels_send
from tests.operations.alert_stage import NOON, channel_make, look, notices, rule_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SLACK, TEAMS = "hooks.slack.com", "prod-01.koreacentral.logic.azure.com"
SLACK_HOOK = f"https://{SLACK}/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS_HOOK = (
    f"https://{TEAMS}:443/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/"
    "paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=iGfWnFf0bN3sgnatur3"
)
HEADLINE = "[warning] Viewer counts drift from what servers hold"
AT_NOON = datetime.datetime.fromtimestamp(NOON / 1000, tz=datetime.UTC)
EVIL = "drift <!channel> <b>"  # a rule's name that would wake everybody in Slack


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- webhooks -----------------------------------------------------------------------------------------------------


class Hooks(socketserver.ThreadingTCPServer):
    """A proxy on the way out, behind which it is every webhook's host itself. Keeps (host, path, message)."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.context = context
        self.taken: list[tuple[str, str, Any]] = []


class _Hook(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(Hooks, self.server)
        host = self.rfile.readline().split()[1].decode().partition(":")[0]
        while self.rfile.readline().strip():
            pass  # headers for the proxy
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with server.context.wrap_socket(self.request, server_side=True) as secure, secure.makefile("rb") as asked:
            path = asked.readline().split()[1].decode().partition("?")[0]
            headers = email.message_from_bytes(b"".join(iter(asked.readline, b"\r\n")))
            message = json.loads(asked.read(int(headers["Content-Length"])))
            server.taken.append((host, path, message))
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Hooks]:
    """Whoever speaks to Slack or Teams speaks to this, through a proxy, as far as its certificate is believed."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks")])
    names = x509.SubjectAlternativeName([x509.DNSName(SLACK), x509.DNSName(TEAMS)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    believed, secret = tmp_path / "believed.pem", tmp_path / "secret.pem"
    believed.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(kind, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(believed, secret)
    settings.ALERT_INTERNAL_HOSTS = [TEAMS]  # so that nobody is asked for its address
    server = Hooks(context)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(believed))
    with serving(server):
        yield server


def test_slack_takes_a_notice_and_nobody_is_woken_by_a_name(hooks: Hooks) -> None:
    rule_make(channel_make(SLACK_HOOK), name=EVIL)
    look(0, 200)
    assert channels_send(now=AT_NOON) == 1
    ((host, path, message),) = hooks.taken
    assert (host, path) == (SLACK, "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    said = json.dumps(message, ensure_ascii=False)
    assert HEADLINE in said
    assert "Rule: drift (!channel) (b)" in said
    assert "<" not in said
    assert notices() == [("ops", "trouble", "sent")]


def test_teams_takes_a_card_with_the_notice(hooks: Hooks) -> None:
    rule_make(channel_make(TEAMS_HOOK), name=EVIL)
    look(0, 200)
    assert channels_send(now=AT_NOON) == 1
    ((host, path, message),) = hooks.taken
    assert (host, path) == (
        TEAMS,
        "/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/paths/invoke",
    )
    (card,) = [each["content"] for each in message["attachments"]]
    # A card's text is Markdown, in which a backslash makes a sign no more than a sign.
    said = json.dumps(card, ensure_ascii=False).replace("\\", "")
    assert card["type"] == "AdaptiveCard"
    assert HEADLINE in said
    assert "Rule: drift (!channel) (b)" in said
    assert notices() == [("ops", "trouble", "sent")]


def test_whoever_shows_another_certificate_is_told_nothing(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert channel_test(channel_make(SLACK_HOOK)) is not None
    assert hooks.taken == []


# --- mail ---------------------------------------------------------------------------------------------------------


class Mails(socketserver.ThreadingTCPServer):
    """A mail server that takes everything. Keeps (from, to, message); `busy` refuses for now."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.taken: list[tuple[str, list[str], EmailMessage]] = []
        self.busy = False

    @property
    def url(self) -> str:
        port = self.server_address[1]
        return f"mailto://127.0.0.1:{port}?from=fullhouse@shop.example&to=night@shop.example,day@shop.example"


class _Mail(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server, sender, to = cast(Mails, self.server), "", list[str]()
        self.wfile.write(b"220 mail\r\n")
        while line := self.rfile.readline().decode().strip():
            verb, _space, rest = line.partition(" ")
            answer = b"250 ok\r\n"
            if verb.upper() == "MAIL":
                sender = rest.partition("<")[2].partition(">")[0]
                answer = b"451 busy\r\n" if server.busy else answer
            elif verb.upper() == "RCPT":
                to.append(rest.partition("<")[2].partition(">")[0])
            elif verb.upper() == "DATA":
                self.wfile.write(b"354 go on\r\n")
                raw = b"".join(iter(self.rfile.readline, b".\r\n"))
                message = email.message_from_bytes(raw, policy=email.policy.default)
                server.taken.append((sender, to, message))
                to = []
            elif verb.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(answer)


@pytest.fixture
def mails() -> Iterator[Mails]:
    server = Mails()
    with serving(server):
        yield server


def test_a_mail_arrives_in_the_channels_language(mails: Mails) -> None:
    with smtplib.SMTP("127.0.0.1", mails.server_address[1]) as probe:
        assert probe.noop()[0] == 250  # it speaks as others do
    rule_make(channel_make(mails.url, language="ko"))
    look(0, 200)
    assert channels_send(now=AT_NOON) == 1
    assert sorted(to for _sender, each, _message in mails.taken for to in each) == [
        "day@shop.example",
        "night@shop.example",
    ]
    sender, _to, message = mails.taken[0]
    assert sender == "fullhouse@shop.example"
    assert message["Subject"] == "Fullhouse: [경고] 시청자 수가 서버와 어긋남"
    body = message.get_body(("plain", "html"))
    assert body is not None
    assert "규칙: drift" in body.get_content()
    assert notices() == [("ops", "trouble", "sent")]


def test_a_mail_server_that_is_busy_is_asked_again(mails: Mails) -> None:
    mails.busy = True
    channel = channel_make(mails.url)
    rule_make(channel)
    look(0, 200)
    assert channels_send(now=AT_NOON) == 1
    channel.refresh_from_db()
    assert (channel.failures, notices(), mails.taken) == (1, [("ops", "trouble", "waiting")], [])
    assert channel.last_error != ""
    mails.busy = False
    assert channel.next_at is not None
    assert channels_send(now=channel.next_at) == 1
    assert (notices(), len(mails.taken) > 0) == ([("ops", "trouble", "sent")], True)
