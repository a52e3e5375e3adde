"""Sockets of the managers' pages. Unlike those of the line they go by a cookie, so the Origin header is checked."""

from django.urls import path

from .consumers import WallConsumer, ZonePageConsumer

websocket_urlpatterns = [
    path("ws/manage/wall/", WallConsumer.as_asgi()),
    path("ws/manage/zones/<zone_id>/", ZonePageConsumer.as_asgi()),
]
