"""Addresses of alert channels: which are taken, where they lead, and how they are kept.

An address is an Apprise URL such as `slack://...` or `mailtos://...`, or the webhook's own https address as Slack and
Teams show it. It carries a password or a token, so it is stored encrypted under a key made of SECRET_KEY (older keys
are still tried) and shown nowhere: `shown` has the service and the host at most.

Whoever may add a channel makes our servers speak to an address of their choice. So only the services in ALERT_SCHEMES
are taken, only options from a list (others read files, fetch pages or follow redirects), and hosts only if every one of
their addresses is a public one, or if ALERT_INTERNAL_HOSTS names them. That is looked up when a channel is saved and
again before each sending.
"""

import base64
import hashlib
import ipaddress
import socket
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from apprise import NotifyBase

MAX_LENGTH = 2_000
# Webhooks as Slack and Teams show them.
NATIVE = "https"
# Services whose host is part of the address; the others have one of their own.
HOSTED = ("workflow", "workflows", "mailto", "mailtos", "json", "jsons")
OPTIONS = frozenset(
    (
        *("to", "from", "name", "reply", "cc", "bcc", "smtp", "user", "pass", "mode"),
        *("format", "image", "footer", "blocks", "method"),
        *("api-version", "sp", "sv", "sig", "pa", "route", "wrap"),
    )
)
# IPv6 addresses that lead to the IPv4 address in their last bits: translators of networks without IPv4.
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Put before a name, for json: a header, a parameter, a field of its own.
MARKS = "+-:"
SECRETS = 4  # shorter parts of an address are no secrets, and taking them out would make a text unreadable


class AddressRefused(ValueError):
    """Not an address that notices may be sent to; the text says why, in the active language, without the address."""


class AddressSealed(Exception):
    """The address was encrypted under a key that is not known any more."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that is taken."""

    url: str
    service: "NotifyBase"
    shown: str
    hosts: tuple[str, ...]  # that it leads to, if the address chooses them


def address_parse(url: str) -> Address:
    """What the address stands for; AddressRefused if it is not one of those that are taken. Looks nothing up."""
    from .alert_apprise import SERVICES, host_of, native_parse, parts_of, service_make

    url = url.strip()
    scheme, colon, _rest = url.partition("://")
    scheme = scheme.lower()
    if not colon or len(url) > MAX_LENGTH or not url.isprintable():
        raise AddressRefused(_("That is not an address."))
    parts = None
    if scheme == NATIVE:
        scheme, parts = native_parse(url) or (NATIVE, None)
        if parts is None:
            raise AddressRefused(
                _("With https only a whole webhook's address of Slack or Teams is taken. Copy it again, to its end.")
            )
    if scheme not in settings.ALERT_SCHEMES or scheme not in SERVICES:
        told = {"scheme": scheme[:20], "taken": ", ".join(one for one in settings.ALERT_SCHEMES if one in SERVICES)}
        raise AddressRefused(_("Addresses that begin with %(scheme)s are not taken; these are: %(taken)s") % told)
    parts = parts or parts_of(scheme, url)
    # As Apprise understood them: it is more generous than others in what it takes for an option.
    for name in parts["qsd"] if parts else ():
        if name not in OPTIONS and not (name[:1] in MARKS and scheme in ("json", "jsons")):
            raise AddressRefused(_("This option is not taken: %(name)s") % {"name": name[:20]})
    service = service_make(scheme, parts) if parts else None
    if service is None:
        raise AddressRefused(_("That is not a complete address of this kind."))
    host = host_of(service) if scheme in HOSTED else ""
    return Address(url, service, f"{scheme}://{host}…", (host,) if host else ())


def address_reach(address: Address) -> None:
    """Look up where the address leads; AddressRefused if that is not a public place."""
    for host in address.hosts:
        if host.lower() in settings.ALERT_INTERNAL_HOSTS:
            continue
        try:
            found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            raise AddressRefused(_("There is no such host: %(host)s") % {"host": host}) from error
        for text in found:
            if not _is_public(str(text).partition("%")[0]):
                raise AddressRefused(
                    _("%(host)s is not a public host; whoever runs this site may allow it in ALERT_INTERNAL_HOSTS.")
                    % {"host": host}
                )


def _is_public(text: str) -> bool:
    """Whether an address is a public one, and so is the one that it may stand for."""
    place = ipaddress.ip_address(text)
    if not place.is_global or place.is_multicast:
        return False
    if isinstance(place, ipaddress.IPv4Address):
        return True
    inside = ipaddress.IPv4Address(int(place) & 0xFFFFFFFF) if place in NAT64 else place.sixtofour or place.ipv4_mapped
    return inside is None or _is_public(str(inside))


# --- keeping ----------------------------------------------------------------------------------------------------------


@cache
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    digests = [hashlib.sha256(b"fullhouse alert channel " + key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def _keys() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def address_seal(url: str) -> str:
    """The address, encrypted."""
    return _cipher(_keys()).encrypt(url.strip().encode()).decode()


def address_open(sealed: str) -> str:
    """What was sealed; AddressSealed if no key fits."""
    try:
        return _cipher(_keys()).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise AddressSealed("the key that this address was encrypted with is gone") from error


def without_secrets(text: str, url: str) -> str:
    """A text about this address, such as an error, without anything of it that may be secret."""
    parts = urlsplit(url)
    who, _at, where = parts.netloc.rpartition("@")
    words = {url, who, *who.split(":"), parts.path, *parts.path.split("/"), parts.query}
    words |= {value for _name, value in parse_qsl(parts.query)}
    if parts.scheme.lower() not in (*HOSTED, "https"):
        words.add(where)
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= SECRETS:
            text = text.replace(word, "…")
    return text
