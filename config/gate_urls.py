"""What Django answers on a gate; /traffic/, /wait/ and /ws/zones/ are answered before it (asgi.py)."""

from django.urls import include, path

urlpatterns = [
    path("", include("apps.operations.urls")),
    path("", include("django_prometheus.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
