"""Zone managers in the admin, written through their services; and what was done to zones, to look at only."""

import json
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.big_lists import BigListAdmin
from apps.accounts.models import User

from .managers import role_given
from .models import Role, ZoneChange, ZoneManager
from .role_services import RoleChanged, Seen, manager_remove, manager_set


class ZoneManagerForm(ModelForm):
    """A new role, or another. Giving somebody a role where they have one changes that one, so it is refused here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:  # who may only look has none
            self.fields["role"].show_hidden_initial = True

    @property
    def seen(self) -> Seen:
        """What the page showed."""
        shown = self.data.get(self.add_initial_prefix("role")) if self.instance.pk else None
        return Seen(next((role for role in Role if str(role) == shown), None))

    def clean(self) -> dict[str, Any]:
        """One role a person and zone, or app."""
        given = super().clean() or {}
        user, zone, app = given.get("user"), given.get("zone"), given.get("app") or None
        is_new = not self.instance.pk and bool(zone) != bool(app)
        if user and is_new and role_given(user, zone=zone, app=app):
            raise ValidationError(_("This person has a role there already; change that one."))
        return given


class UsernameField(ModelChoiceField):
    """Somebody whose account is in use, by the whole username: nobody is offered, and nothing is shown of accounts."""

    def __init__(self, db_field: ForeignKey) -> None:
        super().__init__(
            User.objects.filter(is_active=True),
            to_field_name="username",
            label=capfirst(db_field.verbose_name),
            help_text=gettext_lazy("The username with which this person signs in."),
            error_messages={"invalid_choice": gettext_lazy("Nobody has this username.")},
            widget=UnfoldAdminTextInputWidget(
                attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
            ),
        )


@admin.register(ZoneManager)
class ZoneManagerAdmin(ModelAdmin):
    """Who runs which zones."""

    form = ZoneManagerForm
    list_display = ("user", "zone", "app", "role", "created_at", "created_by")
    list_filter = ("role", "app")
    list_select_related = ("user", "zone", "created_by")
    search_fields = ("user__username", "user__email", "zone__zone_id", "app")
    autocomplete_fields = ("user", "zone")
    fields = ("user", "zone", "app", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: ZoneManager | None = None) -> tuple[str, ...]:
        return () if obj is None else ("user", "zone", "app")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except RoleChanged:
            text = _("Somebody else has just changed this. Nothing was saved; this is how it is now.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> Any:
        # To choose from the accounts takes the right to look at them; without it their name is typed.
        if db_field.name != "user" or request.user.has_perm("accounts.view_user"):
            return super().formfield_for_foreignkey(db_field, request, **kwargs)
        return UsernameField(db_field)

    def save_model(self, request: HttpRequest, obj: ZoneManager, form: Any, change: bool) -> None:
        saved = manager_set(
            actor=cast(User, request.user),
            user=obj.user,
            role=obj.role,
            zone_id=obj.zone_id,
            app=obj.app,
            seen=form.seen,
        )
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: ZoneManager) -> None:
        manager_remove(actor=cast(User, request.user), manager_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ZoneManager]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            manager_remove(actor=cast(User, request.user), manager_id=pk)


@admin.register(ZoneChange)
class ZoneChangeAdmin(BigListAdmin):
    """What was done to zones. Nobody adds to it, changes it or takes from it here."""

    list_display = ("at", "zone_id", "shown_action", "who_name", "shown_after", "why")
    list_filter = ("action", "at")
    sortable_by = ()
    search_fields = ("^zone_id", "^who__username")
    search_help_text = gettext_lazy("Beginning of a zone's id or of a username; or a number.")
    ordering = ("-id",)
    fields = ("at", "zone_id", "version", "action", "who", "who_name", "before", "after", "why", "undone_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ZoneChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ZoneChange | None = None) -> bool:
        return False

    @display(description=gettext_lazy("action"), ordering="action")
    def shown_action(self, obj: ZoneChange) -> str:
        return obj.get_action_display()

    @display(description=gettext_lazy("after"))
    def shown_after(self, obj: ZoneChange) -> str:
        return json.dumps(obj.after, ensure_ascii=False)[:120]
