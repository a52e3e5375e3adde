"""The ASGI application: pages and API by Django, sockets by lean consumers, static files without a thread."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
django_application = get_asgi_application()

from blacknoise import BlackNoise  # noqa: E402  apps must be loaded first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from apps.audience.routing import websocket_urlpatterns  # noqa: E402
from apps.realtime.body_limit import BodyLimit  # noqa: E402
from apps.realtime.consumers import UnknownAddressConsumer  # noqa: E402

pages = BlackNoise(django_application)
if settings.STATIC_ROOT.is_dir():
    pages.add(settings.STATIC_ROOT, settings.STATIC_URL)

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(pages),
        "websocket": AllowedHostsOriginValidator(
            URLRouter([*websocket_urlpatterns, re_path(r"", UnknownAddressConsumer.as_asgi())])
        ),
    }
)
