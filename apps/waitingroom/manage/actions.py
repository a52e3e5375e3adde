"""What managers do: every change goes through the services with the version that was seen, and is answered by a page.

A refused form comes back as it was typed. Of a conflict the page says what somebody else changed meanwhile; sent once
more, the form means the zone as it is now.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.models import User

from .. import role_services, services
from ..changes import NotUndoable, change_of, change_undo
from ..events import Closing
from ..managers import (
    MOST_ZONES_OF_AN_APP,
    Action,
    NotAllowed,
    Role,
    app_has_room,
    apps_to_create_in,
    apps_to_move_to,
    may,
    may_create,
    refuse,
    role_of,
    undoable,
    zone_for,
)
from ..models import Zone, ZoneMode
from .display import field_label
from .forms import VersionedForm, blame
from .gone import may_go
from .sent import lead_back
from .settings_forms import CreateForm, SettingsForm
from .telling import hears_of_gates, say_done
from .views import number_of, person
from .zone_page import FORMS, Tried, zone_page

DONE: Mapping[str, Any] = {
    "rate": gettext_lazy("Entries a minute: changed."),
    "mode": gettext_lazy("Mode: changed."),
    "block": gettext_lazy("Blocked: nobody gets in line, nobody enters."),
    "bypass": gettext_lazy("Bypass: everybody enters at once."),
    "observe": gettext_lazy("Observe: everybody enters, and who would have waited is counted."),
    "message": gettext_lazy("Message: changed."),
    "schedule": gettext_lazy("Schedule: changed."),
    "clear": gettext_lazy("The line is empty. Whoever waited begins anew."),
}


def nothing_changed() -> str:
    """What somebody is told who sent what is so already."""
    return _("It is so already: nothing was to be changed.")


def app_is_full() -> str:
    """What the owner of an app is told who would put one more zone into it."""
    text = _("This app has %(most)d zones, as many as its owners may make. Ask whoever runs this site for more.")
    return text % {"most": MOST_ZONES_OF_AN_APP}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@may_go
@hears_of_gates
def act(request: HttpRequest, zone_id: str, what: str) -> HttpResponse:
    """One of the forms of a zone's page."""
    if what not in FORMS:
        raise Http404("no such action")
    if request.method != "POST":
        return lead_back(request, zone_id, page="manage:zone", action=Action.LOOK)
    kind, action = FORMS[what]
    zone, role = zone_for(person(request), zone_id, action)
    form = kind(request.POST, part=what)
    if not form.is_valid():
        return zone_page(request, zone, role, bound=form, status=400)
    try:
        is_changed = _write(person(request), zone, what, form, may_close=is_sure(request))
    except services.Conflict as conflict:
        again = form.again(conflict.zone)
        return zone_page(request, conflict.zone, role, bound=again, conflict=conflict, status=409)
    except Closing as closing:
        return zone_page(request, zone, role, bound=form, closing=closing)
    except ValidationError as error:
        blame(form, error)
        return zone_page(request, Zone.objects.get(pk=zone.pk), role, bound=form, status=400)
    if is_changed:
        say_done(request, DONE[what])
    else:
        messages.info(request, nothing_changed())
    if is_changed and what == "mode" and _leaves_words(zone):
        return redirect(f"{reverse('manage:zone', args=[zone.pk])}?still_told=1")
    return redirect("manage:zone", zone_id=zone.pk)


def _leaves_words(before: Zone) -> bool:
    """Whether those who wait go on reading what they were told while this zone was blocked."""
    return before.mode == ZoneMode.BLOCKED and bool(before.message or before.message_ko)


def is_sure(request: HttpRequest) -> bool:
    """Whether somebody says so who was asked."""
    return "is_sure" in request.POST


def _write(actor: User, zone: Zone, what: str, form: VersionedForm, *, may_close: bool = True) -> bool:
    """Whether anything was to be changed."""
    told = form.cleaned_data
    version, why = told["version"], told["why"]
    if what == "clear":
        services.zone_clear(actor=actor, zone_id=zone.pk, expected_version=version, typed=told["typed"], why=why)
        return True
    changes = form.told()
    _zone, note = services.zone_change(
        actor=actor, zone_id=zone.pk, expected_version=version, why=why, changes=changes, may_close=may_close
    )
    return note is not None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@may_go
@hears_of_gates
def undo(request: HttpRequest, zone_id: str, change_id: int) -> HttpResponse:
    """Take one change back; the version that the page showed comes with it."""
    if request.method != "POST":
        return lead_back(request, zone_id, page="manage:zone", action=Action.LOOK)
    zone, role = zone_for(person(request), zone_id, Action.MODE)
    change = change_of(zone.pk, change_id)
    if change is None:
        raise Http404("no such change of this zone")
    if change.pk not in undoable(person(request), zone, role, [change]):
        refuse(person(request), zone.pk, "page", "role")
        raise NotAllowed("undoing this needs what doing it does")
    if change.after.get("app") == zone.app and not _has_room(person(request), zone, change.before.get("app", "")):
        messages.error(request, app_is_full())
        return redirect("manage:zone", zone_id=zone.pk)
    version, why = number_of(request.POST.get("version", "")), request.POST.get("why", "")
    try:
        undone = change_undo(
            actor=person(request),
            change_id=change.pk,
            expected_version=version or 0,
            why=why,
            may_close=is_sure(request),
        )
    except services.Conflict as conflict:
        tried = Tried(change.pk, why)
        return zone_page(request, conflict.zone, role, conflict=conflict, tried=tried, status=409)
    except Closing as closing:
        return zone_page(request, zone, role, closing=closing, tried=Tried(change.pk, why))
    except NotUndoable:
        messages.error(request, _("This cannot be undone."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        if undone.stayed:
            fields = ", ".join(field_label(name) for name in undone.stayed)
            text = _("Undone, but for what was changed again since: %(fields)s.") % {"fields": fields}
            say_done(request, text, level=messages.WARNING)
        else:
            say_done(request, _("Undone."))
    return redirect("manage:zone", zone_id=zone.pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@hears_of_gates
def create(request: HttpRequest) -> HttpResponse:
    """Make a zone: for staff, and in an app for its owner. Who makes one owns it."""
    user = person(request)
    theirs = apps_to_create_in(user)
    is_sent = request.method == "POST"
    if theirs == [] or (is_sent and not may_create(user, request.POST.get("app", "").strip())):
        refuse(user, "", "page", "role")
        raise NotAllowed("making a zone needs a right of its own, or an app that one owns")
    if not is_sent:
        return render(request, "manage/create.html", {"form": CreateForm(apps=theirs)})
    form = CreateForm(request.POST, apps=theirs)
    if form.is_valid() and theirs is not None and not app_has_room(form.cleaned_data["app"]):
        form.add_error("app", app_is_full())
    if not form.is_valid():
        return render(request, "manage/create.html", {"form": form}, status=400)
    try:
        with transaction.atomic():
            zone = services.zone_create(actor=user, **form.cleaned_data)
            if not may(role_of(user, zone.pk), Action.ROLES):
                role_services.manager_set(actor=user, user=user, role=Role.OWNER, zone_id=zone.pk)
    except ValidationError as error:
        blame(form, error)
        return render(request, "manage/create.html", {"form": form}, status=400)
    say_done(request, _("The zone is there. What to put into your page stands at its end."))
    return redirect("manage:zone", zone_id=zone.pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@may_go
@hears_of_gates
def settings(request: HttpRequest, zone_id: str) -> HttpResponse:
    """All other fields of a zone, for its owner."""
    zone, _role = zone_for(person(request), zone_id, Action.EDIT)
    if request.method != "POST":
        return _settings_page(request, zone, SettingsForm.of(zone, "settings"))
    form = SettingsForm(request.POST, part="settings").for_apps(apps_to_move_to(person(request), zone))
    if not form.is_valid():
        return _settings_page(request, zone, form, status=400)
    if not _has_room(person(request), zone, form.told().get("app", zone.app)):
        form.add_error("app", app_is_full())
        return _settings_page(request, zone, form, status=400)
    try:
        is_changed = _write(person(request), zone, "settings", form)
    except services.Conflict as conflict:
        return _settings_page(request, conflict.zone, form.again(conflict.zone), conflict=conflict, status=409)
    except ValidationError as error:
        blame(form, error)
        return _settings_page(request, zone, form, status=400)
    if is_changed:
        say_done(request, _("Saved."))
    else:
        messages.info(request, nothing_changed())
    return redirect("manage:zone", zone_id=zone.pk)


def _has_room(user: User, zone: Zone, app: str) -> bool:
    """Whether this zone is not one too many for the app, if somebody moves it there who may do that."""
    return app in ("", zone.app) or apps_to_move_to(user, zone) is None or app_has_room(app)


def _settings_page(
    request: HttpRequest,
    zone: Zone,
    form: SettingsForm,
    *,
    conflict: services.Conflict | None = None,
    status: int = 200,
) -> HttpResponse:
    form.for_apps(apps_to_move_to(person(request), zone))
    context = {"zone": zone, "form": form, "conflict": conflict}
    return render(request, "manage/settings.html", context, status=status)
