"""From where the admin can be reached. To everybody else there is no admin: 404, logged and counted.

The client's address is the peer's, or what a proxy said of it that FORWARDED_ALLOW_IPS names: the server decides that
before Django sees the request, and a header from anybody else changes nothing.
"""

import logging
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

from apps.realtime.metrics import REJECTED

logger = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network
ADMIN = "/admin"


def networks_read(addresses: Iterable[str]) -> list[Network]:
    """Addresses and networks as ADMIN_ALLOWED_ADDRESSES has them; ImproperlyConfigured for what is neither."""
    try:
        return [ip_network(address.strip(), strict=False) for address in addresses]
    except ValueError as error:
        raise ImproperlyConfigured(f"ADMIN_ALLOWED_ADDRESSES: {error}") from error


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Whether a client's address lies in one of them; what is no address does not."""
    try:
        client = ip_address(address)
    except ValueError:
        return False
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return any(client in network for network in networks)


@sync_only_middleware
def admin_addresses(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Hide the admin from addresses that are not allowed. Without any that are, it is there for everybody."""
    networks = networks_read(settings.ADMIN_ALLOWED_ADDRESSES)
    if not networks:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path != ADMIN and not path.startswith(f"{ADMIN}/"):
            return get_response(request)
        address = request.META.get("REMOTE_ADDR", "")
        if is_allowed(address, networks):
            return get_response(request)
        REJECTED.labels("admin", "address").inc()
        logger.warning("the admin was asked for from %r, which is not in ADMIN_ALLOWED_ADDRESSES", address)
        raise Http404

    return middleware
