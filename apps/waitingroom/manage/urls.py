"""Addresses under /manage/."""

from django.urls import path

from . import actions, people, report_views, views

app_name = "manage"
urlpatterns = [
    path("", views.wall, name="wall"),
    path("new/", actions.create, name="create"),
    path("zones/<str:zone_id>/", views.zone, name="zone"),
    path("zones/<str:zone_id>/preview/", views.preview_text, name="preview"),
    path("zones/<str:zone_id>/changes/", views.changes, name="changes"),
    path("zones/<str:zone_id>/report/", report_views.report, name="report"),
    path("zones/<str:zone_id>/report.csv", report_views.report_file, name="report-file"),
    path("zones/<str:zone_id>/settings/", actions.settings, name="settings"),
    path("zones/<str:zone_id>/people/", people.people, name="people"),
    path("zones/<str:zone_id>/people/<int:manager_id>/remove/", people.person_remove, name="person-remove"),
    path("zones/<str:zone_id>/changes/<int:change_id>/undo/", actions.undo, name="undo"),
    path("zones/<str:zone_id>/<slug:what>/", actions.act, name="act"),
]
