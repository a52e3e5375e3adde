"""Users, groups and the trace of what operators did, in the admin, in unfold's dress."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget as Boxes

from apps.realtime.deeds import one_deed

from . import ports, services
from .action_pages import ActionForm, EndField, ReasonForm, action_page, row_named
from .big_lists import BigListAdmin
from .forms import NameForm
from .models import User
from .right_names import GroupFilter, RightsField, group_name

admin.site.unregister(Group)


class BanForm(ReasonForm):
    """For how long somebody is kept out, and why."""

    until = EndField(label=gettext_lazy("For how long"), endless=gettext_lazy("For good"), initial="24")
    field_order = ("until", "reason")


class BannedFilter(admin.SimpleListFilter):
    """Who may not sign in now."""

    title = gettext_lazy("banned")
    parameter_name = "banned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("Now")), ("over", gettext_lazy("Over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        lasts = Q(banned_until__isnull=True) | Q(banned_until__gt=timezone.now())
        if self.value() == "yes":
            return queryset.filter(lasts, banned_at__isnull=False)
        if self.value() == "over":
            return queryset.filter(~lasts, banned_at__isnull=False)
        return queryset


class UserAddForm(NameForm, UserCreationForm):
    """Unfold's, with the check of sign-up."""


class UserEditForm(NameForm, UserChangeForm):
    """The same."""


@admin.register(User)
class UserAdmin(DjangoUserAdmin, BigListAdmin):  # type: ignore[misc]  # both refine what Django's declares
    """Accounts: found by the beginning of a name or address, filtered by rights and bans; banned, and sent away."""

    form = UserEditForm
    add_form = UserAddForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "display_name", "email", "state", "is_staff", "date_joined", "last_login")
    # With any filter this order is an index's; by another column a million rows would have to be sorted.
    sortable_by = ("date_joined",)
    list_filter = ("is_active", "is_staff", BannedFilter, ("groups", GroupFilter), "date_joined")
    search_fields = ("^username", "^display_name", "^email")
    search_help_text = gettext_lazy("Beginning of a username, display name or address; or a number, as in u42.")
    ordering = ("-date_joined",)
    actions = ("ban_users", "unban_users", "disconnect_users")
    actions_detail = ("ban_one", "disconnect_one")
    readonly_fields = ("banned_at", "banned_until", "ban_reason")
    filter_horizontal = ()
    fieldsets = (
        *DjangoUserAdmin.fieldsets[:1],  # type: ignore[index]  # Django declares it Optional, and sets it
        (gettext_lazy("Personal info"), {"fields": ("display_name", "first_name", "last_name", "email")}),
        (gettext_lazy("Ban"), {"fields": ("banned_at", "banned_until", "ban_reason")}),
        (gettext_lazy("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        *DjangoUserAdmin.fieldsets[3:],  # type: ignore[index]
        # Rare, for groups are there for it, and long.
        (gettext_lazy("Single rights"), {"fields": ("user_permissions",), "classes": ("collapse",)}),
    )

    def number_of(self, term: str) -> int | None:
        """Also as viewers are called."""
        return super().number_of(term.removeprefix("u"))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        given = {**kwargs, "widget": Boxes(), "form_class": RightsField}
        return super().formfield_for_manytomany(db_field, request, **given)

    # --- who may do what ----------------------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Of operators only by who may do everything: or who may change users could make themselves anything."""
        is_out_of_reach = obj is not None and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser
        return super().has_change_permission(request, obj) and not is_out_of_reach

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """The same."""
        is_out_of_reach = obj is not None and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser
        return super().has_delete_permission(request, obj) and not is_out_of_reach

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*super().get_readonly_fields(request, obj), *rights)

    def has_ban_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ban and unban."""
        return bool(request.user.has_perm("accounts.ban_user"))

    def has_disconnect_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Close sockets."""
        return bool(request.user.has_perm("accounts.disconnect_user"))

    # --- the list -----------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("state"), label={"active": "success", "inactive": "warning", "banned": "danger"})
    def state(self, obj: User) -> tuple[str, str]:
        if obj.is_banned:
            return "banned", _("Banned")
        return ("active", _("Active")) if obj.is_active else ("inactive", _("Inactive"))

    # --- bans ---------------------------------------------------------------------------------------------------------

    @action(description=gettext_lazy("Ban the chosen users"), permissions=["ban"])
    def ban_users(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask for how long and why; then nobody of them gets in, and all their sockets close."""
        form = BanForm.of(request)
        if not form.is_valid():
            return self._ask_to_ban(request, queryset, form)
        until, reason, banned = form.cleaned_data["until"], form.cleaned_data["reason"], 0
        with one_deed() as deed:
            for user in queryset:
                try:
                    services.user_ban(actor=cast(User, request.user), user=user, until=until, reason=reason)
                except services.BanRefused:
                    text = _("%(user)s cannot be banned by you: nobody bans themselves or those who run the house.")
                    self.message_user(request, text % {"user": user}, messages.WARNING)
                    continue
                end = date_format(timezone.localtime(until), "SHORT_DATETIME_FORMAT") if until else _("for good")
                self.log_change(request, user, _("Banned until: %(end)s. %(reason)s") % {"end": end, "reason": reason})
                banned += 1
        if heard := banned - len(deed.untold):
            text = ngettext("%(count)d user banned.", "%(count)d users banned.", heard) % {"count": heard}
            self.message_user(request, text, messages.SUCCESS)
        if unheard := len(deed.untold):
            text = ngettext(
                "%(count)d user banned, but servers cannot be told now: what they watch closes within half a minute"
                " of Redis' return.",
                "%(count)d users banned, but servers cannot be told now: what they watch closes within half a minute"
                " of Redis' return.",
                unheard,
            )
            self.message_user(request, text % {"count": unheard}, messages.WARNING)
        return None

    def _ask_to_ban(self, request: HttpRequest, users: Any, form: forms.Form) -> HttpResponse:
        return action_page(
            self,
            request,
            action="ban_users",
            rows=users,
            form=form,
            title=_("Ban these users?"),
            warning=_("They are signed out everywhere, cannot sign in, and what they watch closes at once."),
            button=_("Ban them"),
        )

    @action(description=gettext_lazy("Lift the ban of the chosen users"), permissions=["ban"])
    def unban_users(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """They may sign in again."""
        lifted = refused = 0
        with one_deed() as deed:
            for user in queryset.filter(banned_at__isnull=False):
                try:
                    is_lifted = services.user_unban(actor=cast(User, request.user), user=user)
                except services.BanRefused:
                    text = _("The ban of %(user)s cannot be lifted by you: they run the house.")
                    self.message_user(request, text % {"user": user}, messages.WARNING)
                    refused += 1
                    continue
                if is_lifted:
                    self.log_change(request, user, _("Ban lifted."))
                    lifted += 1
        if lifted or not refused:
            text = ngettext("%(count)d ban lifted.", "%(count)d bans lifted.", lifted) % {"count": lifted}
            self.message_user(request, text, messages.SUCCESS if lifted else messages.WARNING)
        if deed.untold:
            text = _("Servers cannot be told now: who is let in again can watch within half a minute of Redis' return.")
            self.message_user(request, text, messages.WARNING)

    @action(description=gettext_lazy("Ban"), permissions=["ban"], url_path="ban")
    def ban_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """From a user's own page."""
        return self._ask_to_ban(request, [row_named(self, request, object_id)], BanForm())

    # --- sockets ------------------------------------------------------------------------------------------------------

    @action(description=gettext_lazy("Disconnect the chosen users"), permissions=["disconnect"])
    def disconnect_users(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask why; then everything that they watch closes. They may open it again."""
        form = ReasonForm.of(request)
        if not form.is_valid():
            return self._ask_to_disconnect(request, queryset, form)
        reason, told = form.cleaned_data["reason"], 0
        with one_deed():
            for user in queryset:
                try:
                    ports.sockets().viewer_disconnect(viewer_id=user.viewer_id, stream_id=None, reason=reason)
                except ports.SocketsUnavailable:
                    self.message_user(request, _("Servers cannot be told now; nothing was closed."), messages.ERROR)
                    break
                self.log_change(request, user, _("Disconnected from everything. %(reason)s") % {"reason": reason})
                told += 1
        if told:
            text = ngettext("%(count)d user disconnected.", "%(count)d users disconnected.", told) % {"count": told}
            self.message_user(request, text, messages.SUCCESS)
        return None

    def _ask_to_disconnect(self, request: HttpRequest, users: Any, form: ActionForm) -> HttpResponse:
        return action_page(
            self,
            request,
            action="disconnect_users",
            rows=users,
            form=form,
            title=_("Disconnect these users?"),
            warning=_("Everything that they watch closes at once. This is no ban: who opens a page again is let in."),
            button=_("Disconnect them"),
        )

    @action(description=gettext_lazy("Disconnect"), permissions=["disconnect"], url_path="disconnect")
    def disconnect_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """From a user's own page."""
        return self._ask_to_disconnect(request, [row_named(self, request, object_id)], ReasonForm())


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of rights."""

    filter_horizontal = ()
    list_display = ("shown_name",)

    @display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, obj: Group) -> str:
        return group_name(obj)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        given = {**kwargs, "widget": Boxes(), "form_class": RightsField}
        return super().formfield_for_manytomany(db_field, request, **given)


@admin.register(LogEntry)
class LogEntryAdmin(BigListAdmin):
    """What operators did: looked at, never changed."""

    list_display = ("action_time", "user", "content_type", "object_repr", "action_flag", "shown_message")
    list_display_links = None
    sortable_by = ()
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("^user__username",)
    search_help_text = gettext_lazy("Beginning of an operator's username.")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return False

    @display(description=gettext_lazy("what was done"))
    def shown_message(self, obj: LogEntry) -> str:
        return obj.get_change_message()
