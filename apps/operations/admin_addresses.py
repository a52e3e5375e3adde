"""From where the admin can be reached. To everybody else there is no admin: 404, logged and counted.

Nor does what somebody may do there hold on the managers' pages, if they come from elsewhere: they have the roles that
they were given for zones, and no other.

The client's address is the peer's, or what a proxy said of it that FORWARDED_ALLOW_IPS names: the server decides that
before Django sees the request, and a header from anybody else changes nothing.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

from apps.accounts.house_addresses import is_allowed, networks_read
from apps.realtime.metrics import REJECTED

logger = logging.getLogger(__name__)

ADMIN = "/admin"
MANAGE = "/manage/"


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


@sync_only_middleware
def house_addresses(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Mark who comes to the managers' pages from an address that is not allowed. Sockets do so themselves."""
    networks = networks_read(settings.ADMIN_ALLOWED_ADDRESSES)
    if not networks:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(MANAGE):
            user: Any = request.user
            user.is_outside = not is_allowed(request.META.get("REMOTE_ADDR", ""), networks)
        return get_response(request)

    return middleware
