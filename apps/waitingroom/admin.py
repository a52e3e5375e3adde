"""Zones in the admin: what their lines do now, N to change in the list, and what an operator does in a hurry.

Everything goes through the services; a form carries the version of the zone that it showed, so that nobody undoes
unseen what somebody else has just changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.views import ChangeList

from apps.accounts.models import User

from . import manager_admin as manager_admin
from . import selectors, services
from .admin_actions import ZoneActions
from .admin_forms import RefusableForm, ZoneForm, ZoneRowForm
from .manage.display import UNKNOWN, change_line, conflict_words, mode_name, value_words
from .manage.telling import UNTOLD
from .managers import apps_to_move_to
from .models import Zone
from .publishing import untold_zones


class Refused(Exception):
    """A service did not do what this form asks for; of which zone, if it is there already."""

    def __init__(self, form: RefusableForm, reason: services.Conflict | ValidationError, zone_id: str | None) -> None:
        super().__init__(str(reason))
        self.form = form
        self.reason = reason
        self.zone_id = zone_id


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


def _words_of(error: Exception) -> str:
    """Why nothing was done."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, services.ZoneInUse):
        return _("A live stream stands behind this zone, so it stays.")
    return _("Somebody else has just changed this. Nothing was saved; this is how it is now.")


def _refusal_of(request: HttpRequest, reason: services.Conflict | ValidationError) -> ValidationError:
    """What stands above a form that comes back."""
    if isinstance(reason, ValidationError):
        return reason
    title = conflict_words(reason.changes, cast(User, request.user))
    text = _("What you typed is still there, and what you did not touch is as it is now. Save again if you mean it.")
    return ValidationError([title, *(change_line(one) for one in reason.changes), text])


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
        "shown_opening",
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
        return super().get_changelist_form(request, **{**kwargs, "form": self._form(request, ZoneRowForm)})

    def get_form(self, request: HttpRequest, obj: Zone | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = self._form(request, ZoneForm if obj else RefusableForm)
        return super().get_form(request, obj, change, **{**kwargs, "form": form})

    def _form(self, request: HttpRequest, form: type[RefusableForm]) -> type[RefusableForm]:
        """The form, or the one that says what a service has just refused of it."""
        refused: Refused | None = getattr(request, "zone_refused", None)
        if refused is None:
            return form
        return form.refused_with(_refusal_of(request, refused.reason), refused.zone_id)

    def get_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        told = ["zone_id", *services.CHANGEABLE]
        return told if obj is None else [*told, "slowed_at", "created_at", "updated_at", "updated_by", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Zone | None = None) -> list[str]:
        if obj is None:
            return []
        # Another app has other owners: who may not give roles does not give them so.
        may_move = apps_to_move_to(cast(User, request.user), obj) is None
        counted = ["zone_id", "slowed_at", "created_at", "updated_at", "updated_by"]
        return counted if may_move else [*counted, "app"]

    # --- writing ------------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Zone, form: Any, change: bool) -> None:
        told = {name: value for name, value in form.cleaned_data.items() if name in services.CHANGEABLE}
        actor = cast(User, request.user)
        try:
            if change:
                touched = {name: value for name, value in told.items() if name in form.changed_data}
                version = form.cleaned_data["version"]
                services.zone_update(actor=actor, zone_id=obj.pk, expected_version=version, **touched)
            else:
                services.zone_create(actor=actor, zone_id=obj.pk, **told)
        except (services.Conflict, ValidationError) as reason:
            raise Refused(form, reason, obj.pk if change else None) from reason

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """As Django; a live stream behind a zone is named as what keeps it, not as what may not be deleted."""
        deleted, counts, lacking, protecting = super().get_deleted_objects(objs, request)
        return deleted, counts, set() if protecting else lacking, protecting

    def delete_model(self, request: HttpRequest, obj: Zone) -> None:
        self.zone_delete(request, obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).changeform_view(request, *args, **kwargs))

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._refusals_told(request, lambda: super(ZoneAdmin, self).delete_view(request, *args, **kwargs))

    def message_user(self, request: HttpRequest, message: Any, level: Any = messages.INFO, **more: Any) -> None:
        say = partial(super().message_user, request, message, level, **more)
        held: list[Callable[[], None]] | None = getattr(request, "zones_done", None)
        if held is None or level != messages.SUCCESS:
            say()
        else:
            held.append(say)

    @contextmanager
    def _done_held(self, request: HttpRequest) -> Iterator[list[Callable[[], None]]]:
        """That something is done is not said within this block: whether gates were told is known only behind it."""
        done: list[Callable[[], None]] = []
        request.zones_done = done  # type: ignore[attr-defined]
        try:
            yield done
        finally:
            del request.zones_done  # type: ignore[attr-defined]

    def _refusals_told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """The view's answer; when a service refused, all that the view did is undone, and the page says why.

        A form comes back with what was typed, as if it had shown the zone as it is now.
        """
        try:
            with untold_zones() as untold, self._done_held(request) as done, transaction.atomic():
                response = view()
            if untold:
                self.message_user(request, UNTOLD, messages.WARNING)
            else:
                for say in done:
                    say()
            return response
        except Refused as refused:
            request.zone_refused = refused  # type: ignore[attr-defined]  # see _form
            if isinstance(refused.reason, services.Conflict):
                request.POST = refused.form.sent_again(refused.reason.zone)  # type: ignore[assignment]
            return view()
        except (services.Conflict, services.ZoneInUse, Zone.DoesNotExist, ValidationError) as error:
            text = _words_of(error)
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    # --- the list -----------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, obj: Zone) -> str:
        return obj.label

    @display(
        description=gettext_lazy("mode"),
        ordering="mode",
        label={
            "open": "success",
            "queue-all": "info",
            "paused": "warning",
            "blocked": "danger",
            "bypass": "danger",
            "observe": "warning",
        },
    )
    def shown_mode(self, obj: Zone) -> tuple[str, str]:
        return obj.mode, mode_name(obj.mode)

    @display(description=gettext_lazy("opens at"), ordering="opens_at")
    def shown_opening(self, obj: Zone) -> str:
        return value_words("opens_at", obj.opens_at)  # short: the column is the last of many

    @display(description=gettext_lazy("waiting"))
    def waiting(self, obj: Any) -> int | str:
        return obj.line_now.waiting if obj.line_now else UNKNOWN

    @display(description=gettext_lazy("entered in the last minute"))
    def entering(self, obj: Any) -> int | str:
        return obj.line_now.entering if obj.line_now else UNKNOWN
