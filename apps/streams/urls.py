"""Addresses of the directory, the live page and the studio."""

from django.urls import path

from . import studio, views

app_name = "streams"
urlpatterns = [
    path("", views.directory, name="directory"),
    path("live/<int:stream_id>/", views.live, name="live"),
    path("studio/", studio.studio, name="studio"),
    path("studio/start/", studio.start, name="studio-start"),
    path("studio/<int:stream_id>/edit/", studio.edit, name="studio-edit"),
    path("studio/<int:stream_id>/end/", studio.end, name="studio-end"),
]
