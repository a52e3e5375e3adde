"""Who looks after a zone: roles given, changed and taken away by its owners.

Nobody lowers their own role unasked, and the last owner of a zone stays one, but for those who run the house.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from .. import role_services
from ..changes import role_change_of
from ..managers import (
    Action,
    Role,
    house_role,
    managers_of,
    may_give_roles,
    person_named,
    role_given,
    role_of,
    zone_for,
)
from ..models import Zone, ZoneManager
from ..services import Conflict
from .display import name_words
from .forms import blame
from .gone import may_go
from .sent import lead_back
from .settings_forms import ManagerForm
from .views import person
from .zone_page import Tried


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@may_go
def people(request: HttpRequest, zone_id: str) -> HttpResponse:
    """Who may do what with the zone; a POST gives somebody a role."""
    zone, _role = zone_for(person(request), zone_id, Action.ROLES)
    if request.method != "POST":
        return _people_page(request, zone)
    form = ManagerForm(request.POST)
    if not form.is_valid():
        return _people_page(request, zone, form, status=400)
    somebody = person_named(form.cleaned_data["username"])
    if somebody is None:
        form.add_error("username", _("Nobody has this username."))
        return _people_page(request, zone, form, status=400)
    own, seen = role_given(somebody, zone=zone) if somebody == person(request) else None, form.seen_of(somebody)
    is_lower = own is not None and own.role == seen.role and form.cleaned_data["role"] < own.role
    if is_lower and "is_sure" not in request.POST:
        return _people_page(request, zone, form, asks_about=own)
    try:
        role_services.manager_set(
            actor=person(request),
            user=somebody,
            role=form.cleaned_data["role"],
            zone_id=zone.pk,
            why=form.cleaned_data["why"],
            leaves_an_owner=house_role(person(request)) != Role.OWNER,
            seen=seen,
        )
    except role_services.RoleChanged:
        conflict = Conflict(zone, role_change_of(zone.pk, somebody.get_username()))
        return _people_page(request, zone, form.again(managers_of(zone)[0]), conflict=conflict, status=409)
    except role_services.LastOwner:
        form.add_error(None, last_owner())
        return _people_page(request, zone, form, status=400)
    except ValidationError as error:
        blame(form, error)
        return _people_page(request, zone, form, status=400)
    messages.success(request, _("%(name)s may look after this zone now.") % {"name": name_words(somebody)})
    return _people_left_to(request, zone)


def last_owner() -> str:
    """What the last owner of a zone is told who would be none any more."""
    return _("This is the last owner of the zone. Make somebody else its owner first.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@may_go
def person_remove(request: HttpRequest, zone_id: str, manager_id: int) -> HttpResponse:
    """Take somebody's role for this zone away; that for its app is not this page's."""
    if request.method != "POST":
        return lead_back(request, zone_id, page="manage:people", action=Action.ROLES)
    zone, _role = zone_for(person(request), zone_id, Action.ROLES)
    if ZoneManager.objects.filter(pk=manager_id).exclude(zone=zone).exists():
        raise Http404("no such role of this zone")
    shown, why = request.POST.get("shown_role", ""), request.POST.get("why", "")
    try:
        is_taken = role_services.manager_remove(
            actor=person(request),
            manager_id=manager_id,
            why=why,
            leaves_an_owner=house_role(person(request)) != Role.OWNER,
            seen=role_services.Seen(next((role for role in Role if str(role) == shown), None)),
        )
    except role_services.RoleChanged:
        is_taken = False
    except role_services.LastOwner:
        messages.error(request, last_owner())
        return _people_page(request, zone, tried=Tried(manager_id, why), status=400)
    if not is_taken:
        conflict = Conflict(zone, role_change_of(zone.pk, request.POST.get("shown_name", "")))
        return _people_page(request, zone, conflict=conflict, tried=Tried(manager_id, why), status=409)
    messages.success(request, _("The role is taken away."))
    return _people_left_to(request, zone)


def _people_left_to(request: HttpRequest, zone: Zone) -> HttpResponse:
    """The page to go on with: who took from themselves what it needs is not sent where they may not go."""
    role = role_of(person(request), zone.pk)
    if role is None:
        return redirect("manage:wall")
    may_stay = may_give_roles(person(request), zone, role)
    return redirect("manage:people" if may_stay else "manage:zone", zone_id=zone.pk)


def _people_page(
    request: HttpRequest,
    zone: Zone,
    form: ManagerForm | None = None,
    *,
    asks_about: ZoneManager | None = None,
    conflict: Conflict | None = None,
    tried: Tried | None = None,
    status: int = 200,
) -> HttpResponse:
    """`asks_about`: their own role, which they would lower. `tried`: a role that was not taken away."""
    of_zone, of_app = managers_of(zone)
    context = {
        "zone": zone,
        "form": form or ManagerForm.of(of_zone),
        "of_zone": of_zone,
        "of_app": of_app,
        "asks_about": asks_about,
        "conflict": conflict,
        "tried": tried if any(tried and one.pk == tried.number for one in of_zone) else None,
    }
    return render(request, "manage/people.html", context, status=status)
