"""WebSocket addresses of the audience."""

from django.urls import path

from .consumers import DirectoryConsumer, ViewerConsumer

websocket_urlpatterns = [
    path("ws/streams/<int:stream_id>/", ViewerConsumer.as_asgi()),
    path("ws/directory/", DirectoryConsumer.as_asgi()),
]
