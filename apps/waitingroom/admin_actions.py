"""What operators do to zones from their list in a hurry. Each is asked first, and leaves who, what and why behind.

The question carries the versions of the zones that it showed: what somebody else changed before the answer stays.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import NestedObjects
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.action_pages import ActionForm, ReasonForm, action_page
from apps.accounts.models import User

from . import selectors, services
from .manage.display import UNKNOWN, mode_name
from .manager_models import MAX_WHY
from .models import Zone, ZoneManager, ZoneMode

SEEN = "seen"
_SEEN = re.compile(r"([\w-]+):(\d{1,18})(?!\S)", re.ASCII)


class ClearForm(ReasonForm):
    """That these lines and no others are meant, and why."""

    typed = forms.CharField(
        label=gettext_lazy("Type the ids of these zones"),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("With a space between them if they are several."),
    )
    field_order = ("typed", "reason")

    def __init__(self, *args: Any, zones: Sequence[Zone], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ids = {zone.pk for zone in zones}

    def clean_typed(self) -> str:
        """As they are, in any order."""
        typed: str = self.cleaned_data["typed"]
        if set(re.split(r"[\s,]+", typed.strip())) != self.ids:
            raise forms.ValidationError(_("These are not the ids of the chosen zones."))
        return typed


def _versions_seen(request: HttpRequest) -> dict[str, int]:
    """Zone -> the version that the question showed; none before somebody was asked."""
    return {zone_id: int(version) for zone_id, version in _SEEN.findall(request.POST.get(SEEN, ""))}


# Of what goes with zones, this many of a kind are named, and the rest counted.
NAMED = 10


def _deletion_warning(company: Sequence[Model]) -> str:
    words = [_("Everybody who waits there loses their place. What was counted, and the notes of changes, stay.")]
    by_model: dict[type[Model], list[Model]] = {}
    for one in sorted(company, key=lambda one: (type(one).__name__, one.pk)):
        by_model.setdefault(type(one), []).append(one)
    for model, ones in by_model.items():
        told = ", ".join(str(one.user if isinstance(one, ZoneManager) else one) for one in ones[:NAMED])
        if (left := len(ones) - NAMED) > 0:
            told = f"{told} +{left}"
        if model is ZoneManager:
            words.append(_("People who lose their role there: %(names)s.") % {"names": told})
        else:
            what = {"what": model._meta.verbose_name_plural, "names": told}
            words.append(_("These %(what)s are deleted as well: %(names)s.") % what)
    return " ".join(words)


class ZoneActions(ModelAdmin):
    """The actions of the zones' admin."""

    actions = ("pause", "open", "clear_line", "delete_selected")

    @action(description=gettext_lazy("Pause the chosen zones"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Zone]) -> HttpResponse | None:
        """Lines stand still; those who come get in line."""
        warning = _("Nobody is let in until you open them again. Everybody keeps their place.")
        return self._mode_set(request, queryset, "pause", ZoneMode.PAUSED, (_("Pause these zones?"), warning))

    @action(description=gettext_lazy("Open the chosen zones"), permissions=["change"])
    def open(self, request: HttpRequest, queryset: QuerySet[Zone]) -> HttpResponse | None:
        """Lines move again."""
        warning = _("Lines move on, and where nobody waits people enter at once.")
        return self._mode_set(request, queryset, "open", ZoneMode.OPEN, (_("Open these zones?"), warning))

    @action(description=gettext_lazy("Clear the lines of the chosen zones"), permissions=["change"])
    def clear_line(self, request: HttpRequest, queryset: QuerySet[Zone]) -> HttpResponse | None:
        """Everybody who waits loses their place and begins anew."""
        zones = list(queryset)
        form = ClearForm(request.POST if "confirmed" in request.POST else None, zones=zones)
        if not form.is_valid():
            warning = _("Everybody who waits loses their place and starts at the end of a new line.")
            return self._ask(request, zones, "clear_line", (_("Clear these lines?"), warning), form)
        why, cleared, seen = form.cleaned_data["reason"], 0, _versions_seen(request)
        for zone in zones:
            version = seen.get(zone.pk, 0)
            try:
                services.zone_clear(actor=cast(User, request.user), zone_id=zone.pk, expected_version=version, why=why)
            except (services.Conflict, Zone.DoesNotExist):
                self._conflict_told(request, zone)
                continue
            self.log_change(request, zone, f"{_('Line cleared from the list of zones.')} {why}".strip())
            cleared += 1
        if cleared:
            text = ngettext("%(count)d line cleared.", "%(count)d lines cleared.", cleared) % {"count": cleared}
            self.message_user(request, text, messages.SUCCESS)
        return None

    @action(description=gettext_lazy("Delete the chosen zones"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Zone]) -> HttpResponse | None:
        """Zones go, and their lines with them."""
        zones = list(queryset)
        _deleted, _counts, lacking, protecting = self.get_deleted_objects(zones, request)
        if lacking or protecting:
            return delete_selected(self, request, queryset)  # which says so, and deletes nothing
        form = ReasonForm.of(request)
        if not form.is_valid():
            question = (_("Delete these zones?"), _deletion_warning(self._company(zones)))
            return self._ask(request, zones, "delete_selected", question, form)
        deleted = 0
        for zone in zones:
            try:
                self.zone_delete(request, zone)
            except (services.Conflict, Zone.DoesNotExist):
                self._conflict_told(request, zone)
                continue
            except services.ZoneInUse:
                self.message_user(request, _("A live stream stands behind this zone, so it stays."), messages.ERROR)
                continue
            self.log_deletions(request, [zone])
            deleted += 1
        if deleted:
            text = ngettext("%(count)d zone deleted.", "%(count)d zones deleted.", deleted) % {"count": deleted}
            self.message_user(request, text, messages.SUCCESS)
        return None

    def zone_delete(self, request: HttpRequest, zone: Zone) -> None:
        """Delete the zone as the question showed it. What goes with it leaves a trace, too."""
        company = self._company([zone])
        services.zone_delete(
            zone_id=zone.pk,
            actor=cast(User, request.user),
            expected_version=_versions_seen(request).get(zone.pk, 0),
            why=request.POST.get("reason", ""),
        )
        self.log_deletions(request, company)

    def _company(self, zones: Sequence[Zone]) -> list[Model]:
        """What is deleted with these zones: roles, and whatever apps that we do not know hang on them."""
        found = NestedObjects(using=router.db_for_write(Zone), origin=zones)
        found.collect(zones)
        company = [one for ones in found.model_objs.values() for one in ones if not isinstance(one, Zone)]
        return [one for one in company if self.admin_site.is_registered(type(one))]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """With the reason, which the trace is looked through for."""
        why = request.POST.get("reason", "").strip()[:MAX_WHY]
        # Behind words of ours: the trace takes what begins with a bracket for JSON.
        told = f"{_('Deleted')}. {why}" if why else ""
        return LogEntry.objects.log_actions(
            user_id=cast(User, request.user).pk, queryset=queryset, action_flag=DELETION, change_message=told
        )

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        """The question of one zone's own page."""
        if context["perms_lacking"] or context["protected"]:
            return super().render_delete_form(request, context)
        question = (_("Delete this zone?"), _deletion_warning(self._company([context["object"]])))
        return self._ask(request, [context["object"]], "", question, ReasonForm(), target=request.get_full_path())

    def _mode_set(
        self, request: HttpRequest, queryset: QuerySet[Zone], name: str, mode: ZoneMode, question: tuple[str, str]
    ) -> HttpResponse | None:
        zones = list(queryset.exclude(mode=mode))
        if not zones:
            self.message_user(request, _("The chosen zones are in that mode already."), messages.WARNING)
            return None
        form = ReasonForm.of(request)
        if not form.is_valid():
            return self._ask(request, zones, name, question, form)
        why, changed, seen = form.cleaned_data["reason"], 0, _versions_seen(request)
        for zone in zones:
            version = seen.get(zone.pk, 0)
            try:
                services.zone_update(
                    actor=cast(User, request.user), zone_id=zone.pk, expected_version=version, why=why, mode=mode
                )
            except (services.Conflict, Zone.DoesNotExist):
                self._conflict_told(request, zone)
                continue
            done = _("Mode set from the list of zones: %(mode)s") % {"mode": mode.label}
            self.log_change(request, zone, f"{done}. {why}" if why else done)
            changed += 1
        if changed:
            text = ngettext("%(count)d zone changed.", "%(count)d zones changed.", changed) % {"count": changed}
            self.message_user(request, text, messages.SUCCESS)
        return None

    def _conflict_told(self, request: HttpRequest, zone: Zone) -> None:
        text = _("%(zone)s was changed by somebody else just now; look again.") % {"zone": zone}
        self.message_user(request, text, messages.WARNING)

    def _ask(
        self,
        request: HttpRequest,
        zones: list[Zone],
        name: str,
        question: tuple[str, str],
        form: ActionForm,
        *,
        target: str = "",
    ) -> HttpResponse:
        lines = selectors.lines_now([zone.pk for zone in zones])
        waiting = {zone: lines[zone.pk].waiting if zone.pk in lines else UNKNOWN for zone in zones}
        # Asked once more because of a typing error, it is still the first question that was looked at.
        seen = {zone.pk: zone.version for zone in zones} | _versions_seen(request)
        title, warning = question
        return action_page(
            self,
            request,
            action=name,
            rows=zones,
            notes={
                zone: _("%(zone)s, %(mode)s, waiting now: %(waiting)s")
                % {"zone": zone.pk, "mode": mode_name(zone.mode), "waiting": count}
                for zone, count in waiting.items()
            },
            carried={SEEN: " ".join(f"{zone_id}:{version}" for zone_id, version in seen.items())},
            form=form,
            title=title,
            warning=warning,
            button=_("Yes, do it"),
            target=target,
        )
