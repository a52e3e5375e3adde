"""What stands beside every page of the admin: the way to each list that somebody may see, and how many alerts fire."""

from collections.abc import Callable
from typing import Any

from django.core.cache import caches
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _

from .models import AlertEvent

COUNTED_FOR_S = 5
MOST_COUNTED = 99


def icon(request: HttpRequest) -> str:
    """The mark, in a browser's tab and over the menu."""
    return static("img/mark.svg")


def style(request: HttpRequest) -> str:
    """What is ours in how the admin looks."""
    return static("css/admin.css")


def script(request: HttpRequest) -> str:
    """What is ours in how the admin works."""
    return static("js/admin.js")


def alerts_firing(request: HttpRequest) -> str:
    """How many alerts are open; nothing if none is."""
    found = caches["moment"].get("alerts:firing")
    if found is None:
        found = AlertEvent.objects.filter(closed_at=None)[: MOST_COUNTED + 1].count()
        caches["moment"].set("alerts:firing", found, COUNTED_FOR_S)
    if not found:
        return ""
    return f"{MOST_COUNTED}+" if found > MOST_COUNTED else str(found)


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, _dot, name = model.partition(".")

    def may(request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"{app}.{deed}_{name}") for deed in ("view", "change"))

    return may


def _list(title: str, symbol: str, model: str, **more: Any) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{model.replace('.', '_')}_changelist")
    return {"title": title, "icon": symbol, "link": link, "permission": _may_view(model), **more}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links, as unfold takes them. A group of which nothing may be seen is not shown."""
    wall = {"title": _("Wall of zones"), "icon": "view_module", "link": reverse("manage:wall")}
    firing = alerts_firing(request)
    badge = {"badge": firing, "badge_variant": "danger"} if firing else {}
    return [
        {
            "items": [
                {"title": _("The house now"), "icon": "monitoring", "link": reverse("admin:index")},
                {**wall, "permission": _may_view("waitingroom.zone")},
            ]
        },
        {
            "title": _("Streams"),
            "items": [
                _list(_("Streams"), "live_tv", "streams.stream"),
                _list(_("Broadcasters"), "mic", "streams.broadcaster"),
                _list(_("Categories"), "category", "streams.category"),
            ],
        },
        {
            "title": _("Waiting room"),
            "items": [
                _list(_("Zones"), "door_front", "waitingroom.zone"),
                _list(_("Zone managers"), "supervisor_account", "waitingroom.zonemanager"),
                _list(_("Changes of zones"), "history", "waitingroom.zonechange"),
            ],
        },
        {
            "title": _("Alerts"),
            "items": [
                _list(_("Alerts"), "notifications", "operations.alertevent", **badge),
                _list(_("Alert rules"), "rule", "operations.alertrule"),
                _list(_("Alert channels"), "campaign", "operations.alertchannel"),
            ],
        },
        {
            "title": _("Accounts"),
            "items": [
                _list(_("Users"), "person", "accounts.user"),
                _list(_("Groups"), "shield_person", "auth.group"),
                _list(_("Trace"), "receipt_long", "admin.logentry"),
            ],
        },
    ]
