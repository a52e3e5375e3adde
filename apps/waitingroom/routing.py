"""Addresses of the waiting room; config/asgi.py looks for their first parts before all else."""

from django.urls import path, re_path

from .consumers import TrafficConsumer, ZoneConsumer
from .pages import WaitingPageConsumer

# One pattern each: what a gate is asked thousands of times a second is looked up in a dictionary after it.
traffic_urlpatterns = [re_path(r"^traffic/", TrafficConsumer.as_asgi())]
page_urlpatterns = [re_path(r"^wait/", WaitingPageConsumer.as_asgi())]
websocket_urlpatterns = [path("ws/zones/<zone_id>/", ZoneConsumer.as_asgi())]
