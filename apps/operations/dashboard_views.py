"""The admin's first page, and its figures again every few seconds.

Figures are read and written out once a moment in each language and process, so that it costs as much for fifty who
watch as for one.
"""

from typing import Any

from django.contrib import admin
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .dashboard import dashboard_read

KEPT_S = 2
REFRESHED_EVERY_S = 3


def figures() -> str:
    """The figures as they are shown, no older than KEPT_S."""
    key = f"dashboard:{get_language()}"
    shown = caches["moment"].get(key)
    if shown is None:
        shown = str(render_to_string("admin/dashboard.html", {"house": dashboard_read()}))
        caches["moment"].set(key, shown, KEPT_S)
    return str(shown)


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the admin's first page gets beside what Django gives it."""
    return {**context, "figures": figures(), "refreshed_every_s": REFRESHED_EVERY_S}


@never_cache
@require_safe
def dashboard_figures(request: HttpRequest) -> HttpResponse:
    """The figures alone, for operators. Who is not signed in is sent to the sign-in, as everywhere in the admin."""
    return HttpResponse(figures())


dashboard_page = admin.site.admin_view(dashboard_figures)
