"""An operator's browser before the zones of the admin: what is sent, asked, answered and logged."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from apps.waitingroom import services
from apps.waitingroom.models import Zone

LIST = "/admin/waitingroom/zone/"


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def logged() -> list[tuple[int, str, str]]:
    """What the log says: kind, object, message; oldest first."""
    entries = LogEntry.objects.order_by("pk")
    return [(entry.action_flag, entry.object_id or "", entry.get_change_message()) for entry in entries]


def act(client: Client, action: str, *zones: Zone, **posted: str) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [zone.pk for zone in zones], **posted})


def answer(client: Client, action: str, *zones: Zone, **posted: str) -> Any:
    """The action, asked and then confirmed as a browser does it that shows the question."""
    asked = act(client, action, *zones)
    return confirm(client, asked, **posted)


def confirm(client: Client, asked: Any, **posted: str) -> Any:
    """The answer to the question that this page asks."""
    hidden: dict[str, list[str]] = {}
    for name, value in asked.context["hidden"]:
        hidden.setdefault(name, []).append(str(value))
    return client.post(LIST, {**hidden, **posted})


def rows(client: Client, **query: str) -> list[tuple[str, Any, Any]]:
    change_list = client.get(LIST, query).context["cl"]
    admin = change_list.model_admin
    return [(zone.pk, admin.waiting(zone), admin.entering(zone)) for zone in change_list.result_list]


def row(zone_id: str = "concert") -> Zone:
    return Zone.objects.get(pk=zone_id)


def page_of(zone: Zone, **changes: Any) -> dict[str, Any]:
    """The change page as a browser posts it, which showed this zone."""
    posted = {name: "" if getattr(zone, name) is None else getattr(zone, name) for name in services.CHANGEABLE}
    for name in ("opens_at", "prequeue_from"):
        posted.update({f"{name}_0": "", f"{name}_1": ""})
        del posted[name]
    shown = {f"initial-{name}": value for name, value in posted.items()}
    if not posted["single_use"]:
        del posted["single_use"]
    return {**posted, **shown, "version": zone.version, **changes}


def list_of(*zones: Zone, **changes: Any) -> dict[str, Any]:
    """The list as a browser posts it, which showed these zones; `changes` is zone id -> N typed."""
    posted: dict[str, Any] = {
        "form-TOTAL_FORMS": len(zones),
        "form-INITIAL_FORMS": len(zones),
        "form-MIN_NUM_FORMS": 0,
        "form-MAX_NUM_FORMS": 1000,
        "_save": "Save",
    }
    for number, zone in enumerate(zones):
        posted |= {
            f"form-{number}-zone_id": zone.pk,
            f"form-{number}-per_minute": changes.get(zone.pk, zone.per_minute),
            f"form-{number}-version": zone.version,
            f"initial-form-{number}-per_minute": zone.per_minute,
            f"initial-form-{number}-version": zone.version,
        }
    return posted
