"""Addresses of the pages of statistics and rankings."""

from django.urls import path

from . import views

app_name = "statistics"
urlpatterns = [
    path("studio/statistics/", views.own, name="own"),
    path("broadcasters/<str:slug>/statistics/", views.broadcaster, name="broadcaster"),
    path("live/<int:stream_id>/statistics/", views.stream, name="stream"),
    path("rankings/", views.rankings, name="rankings"),
]
