"""Zone managers in the admin, written through their services; and what was done to zones, to look at only."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.accounts.big_lists import BigListAdmin
from apps.accounts.models import User

from .manage.display import Difference, differences, field_label, value_words, who_words
from .managers import role_given
from .models import ChangeAction, Role, ZoneChange, ZoneManager
from .role_services import RoleChanged, Seen, manager_remove, manager_set

# Of a text before and after; the change's own page has it in full.
LONGEST_IN_LIST = 60


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

    list_display = ("at", "zone_id", "shown_action", "shown_who", "shown_differences", "why")
    list_filter = ("action", "at")
    list_select_related = ("who",)
    sortable_by = ()
    search_fields = ("^zone_id", "^who__username")
    search_help_text = gettext_lazy("Beginning of a zone's id or of a username; or a number.")
    ordering = ("-id",)
    fields = ("at", "zone_id", "version", "action", "who", "who_name", "shown_all", "why", "undone_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ZoneChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ZoneChange | None = None) -> bool:
        return False

    @display(description=gettext_lazy("action"), ordering="action")
    def shown_action(self, obj: ZoneChange) -> str:
        return obj.get_action_display()

    @display(description=gettext_lazy("who"))
    def shown_who(self, obj: ZoneChange) -> str:
        return who_words(obj)

    @display(description=gettext_lazy("what was changed"))
    def shown_differences(self, obj: ZoneChange) -> str:
        return _lines(differences(obj), longest=LONGEST_IN_LIST)

    @display(description=gettext_lazy("what was changed"))
    def shown_all(self, obj: ZoneChange) -> str:
        """In full; of a zone that was made or deleted, what it was like."""
        if obj.action == ChangeAction.CREATED:
            return _fields(obj.after)
        return _fields(obj.before) if obj.action == ChangeAction.DELETED else _lines(differences(obj))


def _lines(told: Iterable[Difference], longest: int | None = None) -> str:
    """Field by field what was, and what came of it."""

    def cut(text: str) -> str:
        return Truncator(text).chars(longest) if longest else text

    return format_html_join(
        mark_safe("<br>"), "{}: {} → {}", ((one.label, cut(one.before), cut(one.after)) for one in told)
    )


def _fields(values: Mapping[str, Any]) -> str:
    told = ((field_label(name), value_words(name, value)) for name, value in values.items())
    return format_html_join(mark_safe("<br>"), "{}: {}", told)
