"""Zones in the admin: what their lines do now, N to change in the list, and what an operator does in a hurry.

Everything goes through the services; a form carries the version of the zone that it showed, so that nobody undoes
unseen what somebody else has just changed.
"""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.views import ChangeList

from apps.accounts.models import User

from . import manager_admin as manager_admin
from . import selectors, services
from .admin_actions import UNKNOWN, ZoneActions, mode_name
from .manage.telling import UNTOLD
from .models import Zone
from .publishing import untold_zones


class VersionInput(forms.HiddenInput):
    """The version that the page shows, sent back unseen."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return format_html("{}<span>{}</span>", super().render(name, value, attrs, renderer), value)


class ZoneForm(ModelForm):
    """A zone as one person saw and changed it."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)


class ZoneRowForm(ModelForm):
    """A zone's row in the list. What was changed is told by what the page showed, not by what the zone is by now."""

    version = forms.IntegerField(widget=VersionInput, min_value=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance}"


class ZoneChangeList(ChangeList):
    """A page of zones with how their lines stand, read in one pipeline."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Iterating keeps the rows in the queryset, which the form of the list goes on with.
        zones: list[Any] = list(self.result_list)
        lines = selectors.lines_now([zone.pk for zone in zones]) if zones else {}
        for zone in zones:
            zone.line_now = lines.get(zone.pk)


@admin.register(Zone)
class ZoneAdmin(ZoneActions):
    """Doors and their lines."""

    list_display = (
        "zone_id",
        "shown_name",
        "app",
        "screen",
        "shown_mode",
        "per_minute",
        "waiting",
        "entering",
        "opens_at",
        "version",
    )
    list_editable = ("per_minute", "version")
    list_filter = ("app", "screen", "mode")
    list_per_page = 50
    search_fields = ("zone_id", "name", "name_ko", "app", "screen")
    ordering = ("app", "screen", "zone_id")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ZoneChangeList

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[ModelForm]:
        return super().get_changelist_form(request, **{**kwargs, "form": ZoneRowForm})

    def get_form(self, request: HttpRequest, obj: Zone | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{**kwargs, **({"form": ZoneForm} if obj else {})})

    def get_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        told = ["zone_id", *services.CHANGEABLE]
        return told if obj is None else [*told, "slowed_at", "created_at", "updated_at", "updated_by", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        return [] if obj is None else ["zone_id", "slowed_at", "created_at", "updated_at", "updated_by"]

    # --- writing ------------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Zone, form: ModelForm, change: bool) -> None:
        told = {name: value for name, value in form.cleaned_data.items() if name in services.CHANGEABLE}
        actor = cast(User, request.user)
        if change:
            version = form.cleaned_data["version"]
            services.zone_update(actor=actor, zone_id=obj.pk, expected_version=version, **told)
        else:
            services.zone_create(actor=actor, zone_id=obj.pk, **told)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """As Django; a live stream behind a zone is named as what keeps it, not as what may not be deleted."""
        deleted, counts, lacking, protecting = super().get_deleted_objects(objs, request)
        return deleted, counts, set() if protecting else lacking, protecting

    def delete_model(self, request: HttpRequest, obj: Zone) -> None:
        services.zone_delete(zone_id=obj.pk, actor=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Zone]) -> None:
        for zone_id in queryset.values_list("pk", flat=True):
            services.zone_delete(zone_id=zone_id, actor=cast(User, request.user))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).delete_view(request, *args, **kwargs))

    def _refusals_told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """The view's answer; when a service refused, all that the view did is undone, and the page says why."""
        try:
            with untold_zones() as untold:
                with transaction.atomic():
                    response = view()
                if untold:
                    self.message_user(request, UNTOLD, messages.WARNING)
                return response
        except (services.Conflict, Zone.DoesNotExist):
            text = _("Somebody else has just changed this. Nothing was saved; this is how it is now.")
        except services.ZoneInUse:
            text = _("A live stream stands behind this zone, so it stays.")
        except ValidationError as error:
            text = " ".join(error.messages)
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    # --- the list -----------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, obj: Zone) -> str:
        return obj.label

    @display(
        description=gettext_lazy("mode"),
        ordering="mode",
        label={"open": "success", "queue-all": "info", "paused": "warning", "blocked": "danger"},
    )
    def shown_mode(self, obj: Zone) -> tuple[str, str]:
        return obj.mode, mode_name(obj)

    @display(description=gettext_lazy("waiting"))
    def waiting(self, obj: Any) -> int | str:
        return obj.line_now.waiting if obj.line_now else UNKNOWN

    @display(description=gettext_lazy("entered in the last minute"))
    def entering(self, obj: Any) -> int | str:
        return obj.line_now.entering if obj.line_now else UNKNOWN
