"""Groups and rights by names in the reader's language; what somebody named themselves is called so."""

from typing import Any

from django import forms
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.auth.models import Group, Permission
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

# Those that `manage.py roles` makes.
GROUPS = {
    "Operator": _("Operator"),
    "Support": _("Support"),
    "Analyst": _("Analyst"),
    "Zone administrator": _("Zone administrator"),
}
# What Django makes for every model, by how the codename begins; and our own, by codename.
DEEDS = {"add": _("add"), "change": _("change"), "delete": _("delete"), "view": _("look at")}
OWN = {
    "ban_user": _("ban and unban"),
    "disconnect_user": _("close the sockets of viewers"),
    "feature_stream": _("put first in the directory"),
    "protect_stream": _("put behind zones"),
}


def group_name(group: Group) -> str:
    """The group's name."""
    return str(GROUPS.get(group.name, group.name))


def right_name(right: Permission) -> str:
    """What it is about, and what it lets somebody do."""
    deed, _under, model = right.codename.partition("_")
    usual = DEEDS.get(deed) if model == right.content_type.model else None
    return f"{capfirst(right.content_type.name)}: {OWN.get(right.codename) or usual or right.name}"


class RightsField(forms.ModelMultipleChoiceField):
    """Groups, or rights, to choose from."""

    def label_from_instance(self, obj: Any) -> str:
        return group_name(obj) if isinstance(obj, Group) else right_name(obj)


class GroupFilter(RelatedFieldListFilter):
    """Who is in a group."""

    def field_choices(self, field: Any, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return [(pk, GROUPS.get(str(name), name)) for pk, name in super().field_choices(field, request, model_admin)]
