"""From where those who run the house are let do so: ADMIN_ALLOWED_ADDRESSES, or everywhere if it is empty."""

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

Network = IPv4Network | IPv6Network


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


def is_outside(address: str) -> bool:
    """Whether a client at this address is not let run the house."""
    networks = _networks(tuple(settings.ADMIN_ALLOWED_ADDRESSES))
    return bool(networks) and not is_allowed(address, networks)


@cache
def _networks(addresses: tuple[str, ...]) -> list[Network]:
    return networks_read(addresses)
