"""The ASGI application: the waiting room and sockets by lean consumers, pages and API by Django, static files without a
thread. Which of them a process has is decided by its role.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
django_application = get_asgi_application()

from typing import Any  # noqa: E402  apps must be loaded first

from blacknoise import BlackNoise  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from apps.realtime import lifecycle  # noqa: E402
from apps.realtime.body_limit import BodyLimit  # noqa: E402
from apps.realtime.consumers import UnknownAddressConsumer  # noqa: E402
from apps.waitingroom.gatehouse import gatehouse  # noqa: E402

NOWHERE = re_path(r"", UnknownAddressConsumer.as_asgi())

pages = BlackNoise(django_application)
if settings.STATIC_ROOT.is_dir():
    pages.add(settings.STATIC_ROOT, settings.STATIC_URL)


def _house() -> ProtocolTypeRouter:
    """Everything but the waiting room."""
    patterns = []
    if settings.ROLE != "gate":
        from apps.audience.routing import websocket_urlpatterns as audience
        from apps.waitingroom.manage.routing import websocket_urlpatterns as managers

        patterns = [*audience, *managers]
    return ProtocolTypeRouter(
        {
            "http": BodyLimit(pages),
            "websocket": AllowedHostsOriginValidator(URLRouter([*patterns, NOWHERE])),
        }
    )


class WaitingRoomFirst:
    """Looks for the waiting room's addresses before all else: a poll must not pay for what pages need.

    Pages of other sites may open its sockets and ask its addresses, because neither trusts a cookie with anything. So
    the check of the Origin header, which every other socket passes, is not on their way.
    """

    def __init__(self, house: ProtocolTypeRouter) -> None:
        from apps.waitingroom import routing

        self.house = house
        self.traffic = URLRouter(routing.traffic_urlpatterns)
        self.pages = URLRouter(routing.page_urlpatterns)
        self.zones = URLRouter([*routing.websocket_urlpatterns, NOWHERE])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request or one socket."""
        kind, path = scope["type"], scope.get("path", "")
        if kind == "http" and path.startswith("/traffic/"):
            await self.traffic(scope, receive, send)
        elif kind == "http" and path.startswith("/wait/"):
            await self.pages(scope, receive, send)
        elif kind == "websocket" and path.startswith("/ws/zones/"):
            await self.zones(scope, receive, send)
        else:
            await self.house(scope, receive, send)


application: ProtocolTypeRouter | WaitingRoomFirst = _house()
if settings.ROLE in ("all", "gate"):
    application = WaitingRoomFirst(application)
    # A gate that nobody has asked yet is there all the same, and those who run zones see it.
    lifecycle.on_start(gatehouse)
