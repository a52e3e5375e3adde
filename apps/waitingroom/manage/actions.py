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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import User

from .. import role_services, services
from ..changes import NotUndoable, change_undo
from ..managers import (
    Action,
    NotAllowed,
    Role,
    action_of,
    apps_to_create_in,
    apps_to_move_to,
    may,
    may_create,
    may_give_roles,
    refuse,
    role_of,
    zone_for,
)
from ..models import Zone, ZoneChange, ZoneManager
from .forms import VersionedForm, blame
from .settings_forms import CreateForm, ManagerForm, SettingsForm
from .telling import hears_of_gates, say_done
from .views import person
from .zone_page import FORMS, zone_page

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


@login_required
@require_POST
@hears_of_gates
def act(request: HttpRequest, zone_id: str, what: str) -> HttpResponse:
    """One of the forms of a zone's page."""
    if what not in FORMS:
        raise Http404("no such action")
    kind, action = FORMS[what]
    zone, role = zone_for(person(request), zone_id, action)
    form = kind(request.POST, part=what)
    if not form.is_valid():
        return zone_page(request, zone, role, bound=form, status=400)
    try:
        _write(person(request), zone, what, form)
    except services.Conflict as conflict:
        again = form.again(conflict.zone)
        return zone_page(request, conflict.zone, role, bound=again, conflict=conflict, status=409)
    except ValidationError as error:
        blame(form, error)
        return zone_page(request, Zone.objects.get(pk=zone.pk), role, bound=form, status=400)
    except Zone.DoesNotExist as error:
        raise Http404("the zone is gone") from error
    say_done(request, DONE[what])
    return redirect("manage:zone", zone_id=zone.pk)


def _write(actor: User, zone: Zone, what: str, form: VersionedForm) -> None:
    told = form.cleaned_data
    if what == "clear":
        services.zone_clear(
            actor=actor,
            zone_id=zone.pk,
            expected_version=told["version"],
            typed=told["typed"],
            why=told["why"],
        )
        return
    services.zone_update(actor=actor, zone_id=zone.pk, expected_version=told["version"], why=told["why"], **form.told())


@login_required
@require_POST
@hears_of_gates
def undo(request: HttpRequest, zone_id: str, change_id: int) -> HttpResponse:
    """Take one change back; the version that the page showed comes with it."""
    zone, role = zone_for(person(request), zone_id, Action.MODE)
    change = ZoneChange.objects.filter(pk=change_id, zone_id=zone.pk).first()
    if change is None:
        raise Http404("no such change of this zone")
    for name in change.before:
        zone_for(person(request), zone_id, action_of(name))
    within = apps_to_move_to(person(request), zone.app)
    if within is not None and change.before.get("app", zone.app) not in within:
        refuse(person(request), zone.pk, "page", "role")
        raise NotAllowed("moving a zone needs the right to make zones in both apps")
    version = request.POST.get("version", "")
    try:
        change_undo(
            actor=person(request),
            change_id=change.pk,
            expected_version=int(version) if version.isascii() and version.isdigit() else 0,
            why=request.POST.get("why", ""),
        )
    except services.Conflict as conflict:
        return zone_page(request, conflict.zone, role, conflict=conflict, status=409)
    except NotUndoable:
        messages.error(request, _("This cannot be undone."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
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
@hears_of_gates
def settings(request: HttpRequest, zone_id: str) -> HttpResponse:
    """All other fields of a zone, for its owner."""
    zone, _role = zone_for(person(request), zone_id, Action.EDIT)
    if request.method != "POST":
        return _settings_page(request, zone, SettingsForm.of(zone, "settings"))
    form = SettingsForm(request.POST, part="settings").for_apps(apps_to_move_to(person(request), zone.app))
    if not form.is_valid():
        return _settings_page(request, zone, form, status=400)
    try:
        _write(person(request), zone, "settings", form)
    except services.Conflict as conflict:
        return _settings_page(request, conflict.zone, form.again(conflict.zone), conflict=conflict, status=409)
    except ValidationError as error:
        blame(form, error)
        return _settings_page(request, zone, form, status=400)
    except Zone.DoesNotExist as error:
        raise Http404("the zone is gone") from error
    say_done(request, _("Saved."))
    return redirect("manage:zone", zone_id=zone.pk)


def _settings_page(
    request: HttpRequest,
    zone: Zone,
    form: SettingsForm,
    *,
    conflict: services.Conflict | None = None,
    status: int = 200,
) -> HttpResponse:
    form.for_apps(apps_to_move_to(person(request), zone.app))
    context = {"zone": zone, "form": form, "conflict": conflict}
    return render(request, "manage/settings.html", context, status=status)


# --- who manages it -------------------------------------------------------------------------------------------------


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: HttpRequest, zone_id: str) -> HttpResponse:
    """Who may do what with the zone; a POST gives somebody a role."""
    zone, _role = zone_for(person(request), zone_id, Action.ROLES)
    if request.method != "POST":
        return _people_page(request, zone, ManagerForm())
    form = ManagerForm(request.POST)
    if not form.is_valid():
        return _people_page(request, zone, form, status=400)
    somebody = User.objects.filter(username=form.cleaned_data["username"], is_active=True).first()
    if somebody is None:
        form.add_error("username", _("Nobody has this username."))
        return _people_page(request, zone, form, status=400)
    try:
        role_services.manager_set(actor=person(request), user=somebody, role=form.cleaned_data["role"], zone_id=zone.pk)
    except ValidationError as error:
        blame(form, error)
        return _people_page(request, zone, form, status=400)
    messages.success(request, _("%(name)s may look after this zone now.") % {"name": somebody.shown_name})
    return _people_left_to(request, zone)


@login_required
@require_POST
def person_remove(request: HttpRequest, zone_id: str, manager_id: int) -> HttpResponse:
    """Take somebody's role for this zone away; that for its app is not this page's."""
    zone, _role = zone_for(person(request), zone_id, Action.ROLES)
    if not ZoneManager.objects.filter(pk=manager_id, zone=zone).exists():
        raise Http404("no such role of this zone")
    role_services.manager_remove(actor=person(request), manager_id=manager_id)
    messages.success(request, _("The role is taken away."))
    return _people_left_to(request, zone)


def _people_left_to(request: HttpRequest, zone: Zone) -> HttpResponse:
    """The page to go on with: who took from themselves what it needs is not sent where they may not go."""
    role = role_of(person(request), zone.pk)
    if role is None:
        return redirect("manage:wall")
    may_stay = may_give_roles(person(request), zone, role)
    return redirect("manage:people" if may_stay else "manage:zone", zone_id=zone.pk)


def _people_page(request: HttpRequest, zone: Zone, form: ManagerForm, *, status: int = 200) -> HttpResponse:
    of_zone = ZoneManager.objects.filter(zone=zone).select_related("user")
    of_app = ZoneManager.objects.filter(app=zone.app).select_related("user") if zone.app else []
    context = {"zone": zone, "form": form, "of_zone": of_zone, "of_app": of_app, "roles": Role}
    return render(request, "manage/people.html", context, status=status)
