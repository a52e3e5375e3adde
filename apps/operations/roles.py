"""Roles of those who run the house: groups with exactly these rights, which `manage.py roles` makes and sets right.

None of them may change users: who may do that could make themselves anything. It stays with superusers. What they may
do with zones and their managers holds on the managers' pages as well (waitingroom/managers.py).
"""

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction


@dataclass(frozen=True, slots=True)
class Role:
    """A group: its name, and its rights as app.codename."""

    name: str
    rights: frozenset[str]


def _rights(app: str, models: str, deeds: str) -> set[str]:
    return {f"{app}.{deed}_{model}" for model in models.split() for deed in deeds.split()}


_LOOK_AT_STREAMS = _rights("streams", "stream broadcaster category", "view")
_LOOK_AT_ZONES = _rights("waitingroom", "zone", "view")
_SEND_AWAY = {"accounts.view_user", "accounts.ban_user", "accounts.disconnect_user"}

OPERATOR = Role(
    "Operator",
    frozenset(
        _rights("streams", "stream broadcaster category", "view add change")
        | {"streams.feature_stream"}
        | _SEND_AWAY
        | _rights("waitingroom", "zone", "view add change")
        | _rights("waitingroom", "zonechange zonemanager", "view")
        | _rights("operations", "alertrule alertchannel", "view add change delete")
        | _rights("operations", "alertevent", "view")
        | {"admin.view_logentry"}
    ),
)
SUPPORT = Role("Support", frozenset(_LOOK_AT_STREAMS | _LOOK_AT_ZONES | _SEND_AWAY))
ANALYST = Role("Analyst", frozenset(_LOOK_AT_STREAMS | _LOOK_AT_ZONES | _rights("operations", "alertevent", "view")))
ZONE_ADMINISTRATOR = Role(
    "Zone administrator",
    frozenset(
        _rights("waitingroom", "zone zonemanager", "view add change delete")
        | _rights("waitingroom", "zonechange", "view")
        | {"streams.view_stream", "streams.protect_stream", "streams.view_broadcaster"}
    ),
)
ROLES = (OPERATOR, SUPPORT, ANALYST, ZONE_ADMINISTRATOR)


def roles_ensure() -> list[str]:
    """Make every role that is missing and give each exactly its rights; what changed, in words. Safe to repeat.

    LookupError, and nothing is written, if a right does not exist: run `migrate` before.
    """
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.values_list("pk", "content_type__app_label", "codename")
    }
    if missing := {right for role in ROLES for right in role.rights} - known.keys():
        raise LookupError(f"no such rights: {', '.join(sorted(missing))}")
    changed = []
    with transaction.atomic():
        for role in ROLES:
            group, is_new = Group.objects.get_or_create(name=role.name)
            wanted = {known[right] for right in role.rights}
            has = set(group.permissions.values_list("pk", flat=True))
            if wanted != has:
                group.permissions.set(wanted)
            if is_new:
                changed.append(f"{role.name}: made with {len(wanted)} rights")
            elif wanted != has:
                changed.append(f"{role.name}: {len(wanted - has)} rights given, {len(has - wanted)} taken")
    return changed
