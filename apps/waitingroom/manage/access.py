"""Who sits before an open page of the managers: let in by their session, and looked at again while they stay."""

from collections.abc import Collection
from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_backends, get_user
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.house_addresses import is_outside
from apps.accounts.models import User

from ..managers import CHANGE_PERMISSION, VIEW_PERMISSION, Role, refuse, roles_of, zone_for, zones_of
from ..models import Zone


class SignedOut(Exception):
    """Nobody is signed in by this session."""


class NoZones(Exception):
    """Whoever this is manages no zone."""


class Person(NamedTuple):
    """Somebody signed in: by which session, with which password's mark, and whether from outside of the house."""

    user_id: int
    session_key: str
    auth_hash: str
    is_outside: bool = False


def let_in(session_key: str, zone_id: str | None, address: str = "") -> tuple[Person, dict[str, Role]]:
    """Who has this session, and their roles: for the one zone, or for all of theirs.

    SignedOut; NoSuchZone, which is logged and counted; NoZones.
    """
    request = HttpRequest()
    request.session = _sessions()(session_key or None)
    user = get_user(request)
    if not isinstance(user, User):
        raise SignedOut
    user.is_outside = is_outside(address)
    person = Person(user.pk, session_key, user.get_session_auth_hash(), user.is_outside)
    if zone_id is not None:
        return person, {zone_id: zone_for(user, zone_id, entrance="socket")[1]}
    zones = zones_of(user)
    if not zones:
        refuse(user, "", "socket", "none")
        raise NoZones
    return person, zones


def standing(people: Collection[Person]) -> dict[Person, dict[str, Role]]:
    """The zones of each of these people now; without those who are signed out. A few queries, however many they are."""
    ids = {person.user_id for person in people}
    users = {user.pk: user for user in User.objects.filter(pk__in=ids) if _may_sign_in(user)}
    owners = _staff_with(CHANGE_PERMISSION, ids) | {user.pk for user in users.values() if user.is_superuser}
    viewers = _staff_with(VIEW_PERMISSION, ids)
    given = roles_of(list(ids))
    all_zones = list(Zone.objects.order_by().values_list("pk", flat=True)) if owners | viewers else []
    of_owners, of_viewers = dict.fromkeys(all_zones, Role.OWNER), dict.fromkeys(all_zones, Role.VIEWER)
    open_sessions = _open({person.session_key for person in people})
    found = {}
    for person in people:
        user = users.get(person.user_id)
        if user is None or person.session_key not in open_sessions or user.get_session_auth_hash() != person.auth_hash:
            continue
        if user.pk in owners and not person.is_outside:
            found[person] = of_owners
        else:
            theirs = given.get(user.pk, {})
            found[person] = of_viewers | theirs if user.pk in viewers and not person.is_outside else theirs
    return found


def _staff_with(permission: str, ids: Collection[int]) -> set[int]:
    found = User.objects.with_perm(permission).filter(pk__in=ids, is_staff=True)
    return set(found.values_list("pk", flat=True))


def _may_sign_in(user: User) -> bool:
    backends: list[Any] = [each for each in get_backends() if hasattr(each, "user_can_authenticate")]
    return any(backend.user_can_authenticate(user) for backend in backends)


def _sessions() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def _open(keys: Collection[str]) -> Collection[str]:
    """Which of these sessions are not signed out and not over; all of them where sessions are not in the database."""
    sessions = _sessions()
    if not hasattr(sessions, "get_model_class"):
        return keys
    found = sessions.get_model_class().objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return set(found.values_list("session_key", flat=True))
