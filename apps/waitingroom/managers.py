"""Who may do what with which zone.

A zone that is not somebody's is to them as if there were none: 404, logged and counted. Superusers, and staff who may
change zones in the admin, own all zones; staff who may only see them there are viewers of all, and of some zones what
they were given beside. Owning all zones does not let staff give or take roles: that needs the rights of the admin, too.
From addresses at which there is no admin (ADMIN_ALLOWED_ADDRESSES) they have what they were given, and no more.
"""

import logging
from collections.abc import Sequence
from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404

from apps.accounts.models import User

from .manager_models import Role as Role
from .manager_models import ZoneChange, ZoneManager
from .metrics import MANAGE_REFUSED
from .models import Zone

logger = logging.getLogger(__name__)


class Action(StrEnum):
    """What people do with a zone."""

    LOOK = "look"
    RATE = "rate"  # N
    MODE = "mode"
    MESSAGE = "message"
    SCHEDULE = "schedule"
    CLEAR = "clear"
    EDIT = "edit"  # all other fields
    ROLES = "roles"  # of others


NEEDED = {
    Action.LOOK: Role.VIEWER,
    Action.RATE: Role.OPERATOR,
    Action.MODE: Role.OPERATOR,
    Action.MESSAGE: Role.OPERATOR,
    Action.SCHEDULE: Role.OPERATOR,
    Action.CLEAR: Role.OWNER,
    Action.EDIT: Role.OWNER,
    Action.ROLES: Role.OWNER,
}
_ACTION_OF = {
    "per_minute": Action.RATE,
    "mode": Action.MODE,
    "message": Action.MESSAGE,
    "message_ko": Action.MESSAGE,
    "opens_at": Action.SCHEDULE,
    "prequeue_from": Action.SCHEDULE,
}
CHANGE_PERMISSION = "waitingroom.change_zone"
VIEW_PERMISSION = "waitingroom.view_zone"
# As many zones as the owners of an app may make in it; those who run the house make more.
MOST_ZONES_OF_AN_APP = 200
# What staff need in the admin to give, change and take roles; so they do here.
ROLE_PERMISSIONS = tuple(f"waitingroom.{deed}_zonemanager" for deed in ("add", "change", "delete"))


class NoSuchZone(Http404):
    """There is no such zone, or none of theirs: nobody is told which."""


class NotAllowed(PermissionDenied):
    """The zone is theirs to see, but not to do this with: 403."""


def may(role: Role | int | None, action: Action | str) -> bool:
    """Whether this role suffices; None never does."""
    return role is not None and role >= NEEDED[Action(action)]


def action_of(field: str) -> Action:
    """The action that changing this field of a zone is."""
    return _ACTION_OF.get(field, Action.EDIT)


def house_role(user: User) -> Role | None:
    """The role that somebody has for every zone, by their rights in the admin."""
    if not user.is_active or user.is_outside:
        return None
    if user.is_superuser or (user.is_staff and user.has_perm(CHANGE_PERMISSION)):
        return Role.OWNER
    return Role.VIEWER if user.is_staff and user.has_perm(VIEW_PERMISSION) else None


def apps_of(user: User) -> dict[str, Role]:
    """The roles that somebody has for whole apps. Who owns an app makes zones in it."""
    if not user.is_active:
        return {}
    found = ZoneManager.objects.filter(user=user, app__isnull=False).values_list("app", "role")
    return {app: Role(role) for app, role in found if app}


def apps_to_create_in(user: User) -> list[str] | None:
    """The apps in which somebody may make zones, in order; None: in all, and in none of them."""
    if user.is_active and user.is_staff and not user.is_outside and user.has_perm("waitingroom.add_zone"):
        return None
    return sorted(app for app, role in apps_of(user).items() if role == Role.OWNER)


def may_create(user: User, app: str) -> bool:
    """Whether somebody may make a zone in this app."""
    theirs = apps_to_create_in(user)
    return theirs is None or app in theirs


def apps_to_move_to(user: User, zone: Zone) -> list[str] | None:
    """The apps that somebody may put this zone into, in order, its own among them; None: any, and none.

    Who owns a zone alone does not take it from its app, nor put it before the eyes of another's managers: that is for
    who may make zones in both. And as the owners of both gain or lose the zone by it, it is for who may give roles.
    """
    if not may_give_roles(user, zone, _role_for(user, zone)):
        return [zone.app]
    theirs = apps_to_create_in(user)
    if theirs is None or (house_role(user) == Role.OWNER and user.has_perms(ROLE_PERMISSIONS)):
        return None
    return sorted({zone.app, *theirs}) if not zone.app or zone.app in theirs else [zone.app]


def app_has_room(app: str) -> bool:
    """Whether those who own this app may put one more zone into it; gates and walls carry all of them."""
    return Zone.objects.filter(app=app).count() < MOST_ZONES_OF_AN_APP


def zones_of(user: User) -> dict[str, Role]:
    """Every zone that somebody may at least look at, and the highest role that they have for it. A few queries."""
    if not user.is_active:
        return {}
    everywhere = house_role(user)
    given = {} if everywhere == Role.OWNER else roles_of([user.pk]).get(user.pk, {})
    if everywhere is None:
        return given
    return dict.fromkeys(Zone.objects.values_list("pk", flat=True), everywhere) | given  # which is never a lower one


def roles_of(user_ids: list[int]) -> dict[int, dict[str, Role]]:
    """What these people were given, beside their rights in the admin: person -> zone -> role. Two queries."""
    given = list(ZoneManager.objects.filter(user__in=user_ids).values_list("user_id", "zone_id", "app", "role"))
    if not given:
        return {}
    apps = {app for _user, _zone, app, _role in given if app}
    zone_ids = {zone_id for _user, zone_id, _app, _role in given if zone_id}
    zones = list(Zone.objects.filter(Q(pk__in=zone_ids) | Q(app__in=apps)).values_list("pk", "app"))
    found: dict[int, dict[str, Role]] = {}
    for user_id, zone_id, app, role in given:
        theirs = found.setdefault(user_id, {})
        for pk, of_app in zones:
            if pk == zone_id or (app and of_app == app):
                theirs[pk] = max(theirs.get(pk, Role.VIEWER), Role(role))
    return found


def role_of(user: User, zone_id: str) -> Role | None:
    """Somebody's role for this zone; None if it is not theirs or there is none. A few queries."""
    zone = Zone.objects.filter(pk=zone_id).only("pk", "app").first()
    if zone is None or zone.pk != zone_id:  # some databases find it whatever the case of its letters
        return None
    return _role_for(user, zone)


def _role_for(user: User, zone: Zone) -> Role | None:
    if not user.is_authenticated or not user.is_active:
        return None
    everywhere = house_role(user)
    if everywhere == Role.OWNER:
        return everywhere
    return max((role for role in (everywhere, _given_for(user, zone)) if role is not None), default=None)


def _given_for(user: User, zone: Zone) -> Role | None:
    """The highest role that somebody was given for this zone or its app."""
    given = ZoneManager.objects.filter(Q(zone=zone) | Q(app=zone.app, app__gt=""), user=user)
    roles = [role for app, role in given.values_list("app", "role") if app in (None, zone.app)]
    return Role(max(roles)) if roles else None


def may_give_roles(user: User, zone: Zone, role: Role | None) -> bool:
    """Whether somebody who has this role for the zone may give and take roles there."""
    if not may(role, Action.ROLES):
        return False
    if house_role(user) != Role.OWNER or user.has_perms(ROLE_PERMISSIONS):
        return True
    return _given_for(user, zone) == Role.OWNER  # as anybody who was made an owner


def undoable(user: User, zone: Zone, role: Role | None, changes: Sequence[ZoneChange]) -> set[int]:
    """Which of these changes somebody who has this role for the zone may set back: who may do it may undo it."""
    within = apps_to_move_to(user, zone) if any("app" in change.before for change in changes) else None
    return {
        change.pk
        for change in changes
        if all(may(role, action_of(name)) for name in change.before)
        and ("app" not in change.before or within is None or change.before["app"] in within)
    }


def managers_of(zone: Zone) -> tuple[list[ZoneManager], list[ZoneManager]]:
    """Who was given a role for this zone, and who for its app, the highest first."""
    found = ZoneManager.objects.select_related("user")
    of_app = found.filter(app=zone.app) if zone.app else []
    # Some databases take Shop for shop.
    return list(found.filter(zone=zone)), [one for one in of_app if one.app == zone.app]


def person_named(username: str) -> User | None:
    """Somebody whose account is in use."""
    return User.objects.filter(username=username, is_active=True).first()


def role_given(user: User, *, zone: Zone | None = None, app: str | None = None) -> ZoneManager | None:
    """What somebody was given for this zone, or for this app in whatever letters, with nothing added."""
    found = ZoneManager.objects.filter(user=user)
    return (found.filter(zone=zone) if zone else found.filter(app__iexact=app)).first()


def zone_for(
    user: User, zone_id: str, action: Action | str = Action.LOOK, *, entrance: str = "page"
) -> tuple[Zone, Role]:
    """The zone that somebody asks for at this entrance (page, api, socket), and their role for it.

    NoSuchZone (404) if it is not theirs, NotAllowed (403) if their role is too low for the action; both are logged and
    counted.
    """
    zone = Zone.objects.filter(pk=zone_id).first()
    is_there = zone is not None and zone.pk == zone_id
    role = _role_for(user, zone) if zone is not None and is_there else None
    if zone is None or role is None:
        refuse(user, zone_id, entrance, "foreign" if is_there else "unknown")
        raise NoSuchZone("no such zone")
    if not may(role, action):
        refuse(user, zone_id, entrance, "role")
        raise NotAllowed(f"this needs the role {NEEDED[Action(action)].name.lower()}")
    if action == Action.ROLES and not may_give_roles(user, zone, role):
        refuse(user, zone_id, entrance, "role")
        raise NotAllowed("staff need the right to change zone managers for this")
    return zone, role


def refuse(user: object, zone_id: str, entrance: str, reason: str) -> None:
    """Log and count that somebody asked for what is not theirs."""
    MANAGE_REFUSED.labels(entrance, reason).inc()
    who = getattr(user, "pk", None) or "nobody"
    logger.warning("user %s was refused zone %r at the %s: %s", who, zone_id[:64], entrance, reason)
