"""Addresses under /manage/."""

from django.urls import path

from . import manage_actions, manage_report_views, manage_views

app_name = "manage"
urlpatterns = [
    path("", manage_views.wall, name="wall"),
    path("new/", manage_actions.create, name="create"),
    path("zones/<str:zone_id>/", manage_views.zone, name="zone"),
    path("zones/<str:zone_id>/preview/", manage_views.preview_text, name="preview"),
    path("zones/<str:zone_id>/changes/", manage_views.changes, name="changes"),
    path("zones/<str:zone_id>/report/", manage_report_views.report, name="report"),
    path("zones/<str:zone_id>/report.csv", manage_report_views.report_file, name="report-file"),
    path("zones/<str:zone_id>/settings/", manage_actions.settings, name="settings"),
    path("zones/<str:zone_id>/people/", manage_actions.people, name="people"),
    path("zones/<str:zone_id>/people/<int:manager_id>/remove/", manage_actions.person_remove, name="person-remove"),
    path("zones/<str:zone_id>/changes/<int:change_id>/undo/", manage_actions.undo, name="undo"),
    path("zones/<str:zone_id>/<slug:what>/", manage_actions.act, name="act"),
]
