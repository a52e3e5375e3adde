"""Every address of a gate that Django answers; /traffic/ and /ws/zones/ are answered before it (asgi.py)."""

from django.urls import include, path

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("apps.operations.urls")),
    path("", include("django_prometheus.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
