"""Browsers of managers before the pages of zones: what is shown, filled in, sent, and answered."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.waitingroom.manage.forms import MOMENT
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_update

Desk = Callable[..., Client]
PASSWORD = "a long enough pass 1"


def person(name: str) -> User:
    return User.objects.filter(username=name).first() or user_register(username=name, password=PASSWORD)


def desk_open(role: Role | None, name: str = "hana", zone_id: str = "concert") -> Client:
    """A browser of somebody with a role for the zone `concert`: `desk(Role.OWNER, name="hana")`; None: no role."""
    user = person(name)
    if role is not None:
        manager_set(actor=None, user=user, role=role, zone_id=zone_id)
    client = Client(enforce_csrf_checks=False)
    client.force_login(user)
    return client


def row(zone_id: str = "concert") -> Zone:
    return Zone.objects.get(pk=zone_id)


def page(client: Client, path: str = "zones/concert/", **query: Any) -> str:
    response = client.get(f"/manage/{path}", query)
    assert response.status_code == 200
    return response.content.decode()


def posted(client: Client, path: str, part: str, **typed: Any) -> dict[str, Any]:
    """The fields of a form of the page as a browser would send them, with what was typed."""
    form = re.search(rf'<form[^>]*action="[^"]*{part}"(.*?)</form>', page(client, path), re.S)
    assert form is not None, part
    return {**fields_of(form[1]), **typed}


def fields_of(markup: str) -> dict[str, str]:
    found = {}
    for tag in re.findall(r"<input[^>]*>", markup):
        told_of = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
        if told_of.get("type") == "checkbox" and "checked" not in tag:
            continue
        if "name" in told_of and told_of["name"] != "csrfmiddlewaretoken":
            default = "on" if told_of.get("type") == "checkbox" else ""
            found[told_of["name"]] = unescape(told_of.get("value", default))
    for name, text in re.findall(r'<textarea name="([^"]*)"[^>]*>\s?(.*?)</textarea>', markup, re.S):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', markup, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = unescape(chosen[1]) if chosen else ""
    return found


def role_form(client: Client, shown: str | None = None, **typed: str) -> dict[str, str]:
    """The form that gives somebody a role, of this page or as it is now, as a browser would send it."""
    markup = page(client, "zones/concert/people/") if shown is None else shown
    return {**fields_of(markup[markup.index('aria-labelledby="add-title"') :]), **typed}


def take_form(client: Client, manager_id: int, shown: str | None = None, **typed: str) -> dict[str, str]:
    """The same of the form that takes this role away."""
    markup = page(client, "zones/concert/people/") if shown is None else shown
    form = re.search(rf'<form[^>]*people/{manager_id}/remove/".*?</form>', markup, re.S)
    assert form is not None
    return {**fields_of(form[0]), **typed}


def act(client: Client, what: str, /, **typed: Any) -> Any:
    """Fill in a form of the zone's page and send it."""
    return client.post(f"/manage/zones/concert/{what}/", posted(client, "zones/concert/", f"/{what}/", **typed))


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def other_changes(**changes: Any) -> None:
    """Somebody else is faster."""
    zone = row()
    zone_update(actor=person("minsu"), zone_id=zone.pk, expected_version=zone.version, why="too full", **changes)


def local(minutes: float) -> str:
    return timezone.localtime(timezone.now() + timedelta(minutes=minutes)).strftime(MOMENT)
