"""Every address of the site, by app."""

from django.contrib import admin
from django.urls import include, path

from apps.accounts.views import admin_sign_in
from apps.operations.dashboard_views import dashboard_page

from .api import api_urls

urlpatterns = [
    path("", include("apps.streams.urls")),
    path("", include("apps.analytics.urls")),
    path("accounts/", include("apps.accounts.urls")),
    path("manage/", include("apps.waitingroom.manage.urls")),
    path("api/", api_urls()),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/login/", admin_sign_in),  # before the admin's own, which still gives the address its name
    path("admin/dashboard/", dashboard_page, name="admin-dashboard"),
    path("admin/", admin.site.urls),
    path("", include("apps.operations.urls")),
    path("", include("django_prometheus.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
