"""The admin's first page, and its figures again every few seconds.

Figures are read and written out once a moment in each process, language and set of parts that somebody may look at, so
that it costs as much for fifty who watch as for one.
"""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .dashboard import Part, dashboard_read

# What somebody may look at in the admin, they may look at here.
MODELS = {
    Part.STREAMS: "streams.{}_stream",
    Part.ZONES: "waitingroom.{}_zone",
    Part.ALERTS: "operations.{}_alertevent",
    Part.CHANNELS: "operations.{}_alertchannel",
}
KEPT_S = 2
REFRESHED_EVERY_S = 3


def parts_for(user: Any) -> list[Part]:
    """The parts that somebody may look at, in one order."""
    return [
        part for part, right in MODELS.items() if any(user.has_perm(right.format(deed)) for deed in ("view", "change"))
    ]


def figures(parts: Collection[Part]) -> str:
    """The figures of these parts as they are shown, no older than KEPT_S."""
    key = f"dashboard:{get_language()}:{'+'.join(parts)}"
    shown = caches["moment"].get(key)
    if shown is None:
        shown = str(render_to_string("admin/dashboard.html", {"house": dashboard_read(parts)}))
        caches["moment"].set(key, shown, KEPT_S)
    return str(shown)


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the admin's first page gets beside what Django gives it."""
    return {**context, "figures": figures(parts_for(request.user)), "refreshed_every_s": REFRESHED_EVERY_S}


@never_cache
@require_safe
def dashboard_figures(request: HttpRequest) -> HttpResponse:
    """The figures alone, for operators. Who is not signed in is sent to the sign-in, as everywhere in the admin."""
    return HttpResponse(figures(parts_for(request.user)))


dashboard_page = admin.site.admin_view(dashboard_figures)
