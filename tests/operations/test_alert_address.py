"""Which addresses channels may have, and that nobody sees them again."""

import socket
from typing import Any

import pytest

from apps.operations.alert_address import (
    AddressRefused,
    AddressSealed,
    address_open,
    address_parse,
    address_reach,
    address_seal,
    without_secrets,
)

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/general"
SLACK_HOOK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS_HOOK = (
    "https://prod-01.koreacentral.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/manual/"
    "paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu-6Rj8aUKz7108W3wrNJZxFE5A"
)
MAIL = "mailtos://ops:hunter22@mail.example?to=night@shop.example"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host -> addresses, instead of asking a name server that tests do not have."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror("no such host")
        return [(None, None, None, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    ("url", "shown", "hosts"),
    [
        (SLACK, "slack://…", ()),
        (SLACK_HOOK, "slack://…", ()),
        (
            TEAMS_HOOK,
            "workflows://prod-01.koreacentral.logic.azure.com…",
            ("prod-01.koreacentral.logic.azure.com",),
        ),
        (MAIL, "mailtos://mail.example…", ("mail.example",)),
        (MAIL + "&smtp=relay.example", "mailtos://relay.example…", ("relay.example",)),
        ("jsons://user:hunter22@hooks.example/a/token?+X-Key=abcdef", "jsons://hooks.example…", ("hooks.example",)),
        ("  JSONS://hooks.example/x\n", "jsons://hooks.example…", ("hooks.example",)),
    ],
)
def test_addresses_that_are_taken(url: str, shown: str, hosts: tuple[str, ...]) -> None:
    address = address_parse(url)
    assert (address.shown, address.hosts) == (shown, hosts)
    assert address.service.redirects is False
    assert address.service.request_timeout == (4.0, 8.0)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "slack",
        "slack://",
        "slack://too/short",
        "file:///etc/passwd",
        "discord://1234/abcdef",
        "syslog://localhost",
        "xmls://hooks.example/x",
        "http://169.254.169.254/latest/meta-data",
        "https://hooks.example/anything",
        "https://discord.com/api/webhooks/123456789012345678/" + "a" * 68,
        "jsons://hooks.example/x?redirect=yes",
        "jsons://hooks.example/x?to=a;%72edirect=yes",
        "jsons://hooks.example/x?verify=no",
        "jsons://hooks.example/x?rto=900",
        "jsons://hooks.example/x?retry=9",
        "jsons://hooks.example/x?overflow=split",
        "workflows://h.example:443/abcdefghij/signature?template=file:///etc/passwd",
        f"{MAIL}&pgpprv=/etc/passwd",
        f"{MAIL}&+X-A=b",
        "jsons://hooks.example/x\x00",
        "jsons://hooks.example/x\r\nHost: y",
        "jsons://hooks.example/" + "x" * 2_000,
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        address_parse(url)
    assert "hunter22" not in str(refusal.value)
    assert "passwd" not in str(refusal.value)


def test_services_are_those_of_the_settings(settings: Any) -> None:
    settings.ALERT_SCHEMES = ["mailtos", "discord", "https"]  # some that nobody knows
    assert address_parse(MAIL).shown == "mailtos://mail.example…"
    for url in (SLACK, SLACK_HOOK, TEAMS_HOOK, "jsons://hooks.example/x", "discord://1/2", "https://a.example/x"):
        with pytest.raises(AddressRefused):
            address_parse(url)


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.1.2.3",  # what translators make of addresses of the old kind
        "64:ff9b::7f00:1",
        "2002:a01:203::1",
        "2002:7f00:1::",
    ],
)
def test_hosts_inside_are_refused_unless_they_are_named(
    inside: str, names: dict[str, list[str]], settings: Any
) -> None:
    settings.ALERT_INTERNAL_HOSTS = []
    address = address_parse("jsons://hooks.example/x")
    names["hooks.example"] = ["93.184.215.14"]
    address_reach(address)
    names["hooks.example"] = ["93.184.215.14", inside]  # one is enough
    with pytest.raises(AddressRefused):
        address_reach(address)
    settings.ALERT_INTERNAL_HOSTS = ["hooks.example"]
    address_reach(address)


@pytest.mark.parametrize("outside", ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e", "2002:5db8:d70e::1"])
def test_hosts_outside_are_taken_also_behind_a_translator(
    outside: str, names: dict[str, list[str]], settings: Any
) -> None:
    settings.ALERT_INTERNAL_HOSTS = []
    names["hooks.example"] = [outside]
    address_reach(address_parse("jsons://hooks.example/x"))


@pytest.mark.parametrize(
    "url", ["jsons://127.0.0.1/x", "jsons://[::1]/x", "jsons://2130706433/x", "jsons://localhost/x"]
)
def test_numbers_and_local_names_are_hosts_inside(url: str, settings: Any) -> None:
    settings.ALERT_INTERNAL_HOSTS = []
    with pytest.raises(AddressRefused):
        address_reach(address_parse(url))


def test_a_host_that_nobody_knows_is_refused(names: dict[str, list[str]]) -> None:
    with pytest.raises(AddressRefused, match=r"hooks\.example"):
        address_reach(address_parse("jsons://hooks.example/x"))


def test_services_with_a_host_of_their_own_need_no_name_server(names: dict[str, list[str]]) -> None:
    address_reach(address_parse(SLACK))


def test_an_address_is_kept_encrypted(settings: Any) -> None:
    sealed = address_seal(MAIL)
    assert "hunter22" not in sealed
    assert address_seal(MAIL) != sealed
    assert address_open(sealed) == MAIL
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert address_open(sealed) == MAIL
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(AddressSealed):
        address_open(sealed)


def test_errors_are_freed_of_secrets() -> None:
    url = "jsons://user:hunter22@hooks.example/a/token-123?+X-Key=abcdef"
    text = f"POST {url} failed: /a/token-123 at hooks.example:443 refused user:hunter22, X-Key abcdef"
    assert without_secrets(text, url) == "POST … failed: … at hooks.example:443 refused …, X-Key …"
    slack = "T1JJ3T3L2 A1BRTD4JD TIiajkdnlazkcOXrIdevi7FQ"
    assert without_secrets(f"no team {slack}", SLACK) == "no team … … …"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD",
            "With https only a whole webhook's address of Slack or",
        ),
        (
            "file:///etc/passwd",
            "file are not taken; these are: slack, workflow, workflows, mailto, mailtos, jsons, json",
        ),
    ],
)
def test_a_refusal_says_what_is_taken(url: str, said: str) -> None:
    with pytest.raises(AddressRefused, match=said):
        address_parse(url)
