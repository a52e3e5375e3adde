"""Alerts in the admin: rules, channels with a test, and the history, which nobody writes by hand."""

from functools import partial
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from apps.accounts.action_pages import action_page

from .alert_address import MAX_LENGTH, AddressRefused, address_parse, address_reach, address_seal
from .alert_kinds import KINDS
from .alert_sending import channel_test
from .alert_services import usual_add, usual_missing
from .alert_texts import value_text
from .models import AlertChannel, AlertEvent, AlertNotice, AlertRule

SEVERITY_LABELS = {"info": "info", "warning": "warning", "critical": "danger"}
# What comes with another address.
ADDRESS = ("sealed", "shown", "failures", "next_at")


class SecretInput(UnfoldAdminTextInputWidget):
    """A text that is typed in the open and never shown again."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, {**(attrs or {}), "autocomplete": "off", "spellcheck": "false"})


class AlertChannelForm(ModelForm):
    """A channel, whose address comes in and never goes out."""

    address = forms.CharField(
        label=gettext_lazy("New address"),
        max_length=MAX_LENGTH,
        required=False,
        strip=True,
        widget=SecretInput,
        help_text=gettext_lazy(
            "The webhook's address as Slack or Teams shows it, or an Apprise address such as "
            "mailtos://user:password@mail.example?to=ops@example.com. It is never shown again: "
            "leave it empty to keep it."
        ),
    )

    def clean_address(self) -> str:
        """One that notices may be sent to; errors never repeat it."""
        url: str = self.cleaned_data["address"]
        if not url:
            if self.instance.sealed:
                return ""
            raise ValidationError(_("Enter an address."))
        try:
            address = address_parse(url)
            address_reach(address)
        except AddressRefused as refusal:
            raise ValidationError(str(refusal)) from refusal
        self.instance.sealed, self.instance.shown = address_seal(url), address.shown
        # What was wrong was wrong with another address.
        self.instance.failures, self.instance.next_at = 0, None
        return url


@admin.register(AlertChannel)
class AlertChannelAdmin(ModelAdmin):
    """Who is told."""

    form = AlertChannelForm
    list_display = ("name", "shown", "language", "enabled", "how", "last_sent_at", "last_error", "last_error_at")
    list_filter = ("enabled", "language")
    search_fields = ("name",)
    fields = ("name", "address", "shown", "language", "enabled", "last_sent_at", "last_error", "last_error_at")
    readonly_fields = ("shown", "last_sent_at", "last_error", "last_error_at")
    add_fields = ("name", "address", "language", "enabled")
    actions = ("test_chosen",)
    actions_submit_line = ("test_one",)

    @display(
        description=gettext_lazy("state"),
        label={"works": "success", "fails": "danger", "unused": "info"},
    )
    def how(self, obj: AlertChannel) -> tuple[str, str]:
        if obj.failures:
            return "fails", _("fails")
        return ("works", _("works")) if obj.last_sent_at else ("unused", _("nothing sent yet"))

    def get_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> tuple[str, ...]:
        return self.fields if obj else self.add_fields

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the test, too, which the theme shows beside what is there already only."""
        shown = {"actions_submit_line": self.get_actions_submit_line(request, 0)}
        return super().add_view(request, form_url, {**(extra_context or {}), **shown})

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: ModelForm, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only what the form decides: notices may have been sent since it was read.
        obj.save(update_fields=["name", "language", "enabled", *(ADDRESS if form.cleaned_data["address"] else ())])
        if any(each.action_name in request.POST for each in self.get_actions_submit_line(request, str(obj.pk))):
            self.test_one(request, obj)

    @action(description=gettext_lazy("Save and send a test notice"), permissions=["change"])
    def test_one(self, request: HttpRequest, obj: AlertChannel) -> None:
        """Send one, once the channel is saved: nobody is to wait for a row while an endpoint thinks."""
        transaction.on_commit(partial(self._test, request, obj))

    def _test(self, request: HttpRequest, obj: AlertChannel) -> None:
        error = channel_test(obj)
        self.log_change(request, obj, _("Test notice sent.") if error is None else _("Test notice not taken."))
        if error is None:
            self.message_user(request, _("%(name)s took the test notice.") % {"name": obj}, messages.SUCCESS)
        else:
            text = _("%(name)s did not take the test notice: %(error)s") % {"name": obj, "error": error}
            self.message_user(request, text, messages.ERROR)

    @action(description=gettext_lazy("Send a test notice through the chosen channels"), permissions=["change"])
    def test_chosen(self, request: HttpRequest, queryset: QuerySet[AlertChannel]) -> None:
        """One after the other."""
        for channel in queryset:
            self.test_one(request, channel)


@admin.register(AlertRule)
class AlertRuleAdmin(ModelAdmin):
    """What is trouble."""

    list_display = ("name", "kind", "scope", "shown_limit", "shown_severity", "told_to", "quiet", "enabled", "firing")
    list_filter = ("enabled", "kind", "severity", "channels")
    list_select_related = ("zone",)
    search_fields = ("name", "zone__zone_id", "app")
    autocomplete_fields = ("zone",)
    actions_list = ("add_usual",)
    fieldsets = (
        (None, {"fields": ("name", "kind", "zone", "app", "severity", "enabled")}),
        (gettext_lazy("When it is trouble"), {"fields": ("limit", "hold_s", "calm_s")}),
        (
            gettext_lazy("Who is told when"),
            {"fields": ("channels", "repeat_minutes", "quiet_from", "quiet_to", "time_zone")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        is_open = Count("events", filter=Q(events__closed_at=None), distinct=True)
        return super().get_queryset(request).annotate(open_events=is_open).prefetch_related("channels")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> tuple[str, ...]:
        # What it remembers of its subjects is of that kind.
        return () if obj is None else ("kind",)

    def save_model(self, request: HttpRequest, obj: AlertRule, form: ModelForm, change: bool) -> None:
        if change:  # only what was on the form: an evaluation may have written meanwhile when it was
            obj.save(update_fields=[name for name in form.cleaned_data if name != "channels"])
        else:
            super().save_model(request, obj, form, change)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # There are a handful of channels: boxes show them all, and fit a telephone.
        boxes = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **{**kwargs, "widget": boxes})

    @action(description=gettext_lazy("Add the usual rules"), permissions=["add"], url_path="usual")
    def add_usual(self, request: HttpRequest) -> HttpResponse:
        """One rule of each kind that has none, for all channels in use, at the usual limits: asked first."""
        missing = usual_missing()
        if request.method == "POST":
            made = usual_add()
            for rule in made:
                self.log_addition(request, rule, _("Added as a usual rule."))
            text = ngettext("%(count)d rule added.", "%(count)d rules added.", len(made)) % {"count": len(made)}
            self.message_user(request, text, messages.SUCCESS)
        elif missing:
            return action_page(
                self,
                request,
                action="",
                rows=[kind.label for kind in missing],
                form=forms.Form(),
                title=_("Add the usual rules?"),
                warning=_("One rule for each of these, with the usual limit, told to all channels in use."),
                button=_("Add them"),
                is_dangerous=False,
                target=request.get_full_path(),
            )
        else:
            self.message_user(request, _("There is a rule of every kind already."), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:operations_alertrule_changelist"))

    @display(description=gettext_lazy("severity"), ordering="severity", label=SEVERITY_LABELS)
    def shown_severity(self, obj: AlertRule) -> tuple[str, str]:
        return obj.severity, obj.get_severity_display()

    @display(description=gettext_lazy("watches"))
    def scope(self, obj: AlertRule) -> str:
        if obj.zone_id:
            return str(obj.zone)
        if obj.app:
            return _("all zones of %(app)s") % {"app": obj.app}
        return _("all zones") if obj.facts.is_of_zones else _("the house")

    @display(description=gettext_lazy("limit"))
    def shown_limit(self, obj: AlertRule) -> str:
        return value_text(obj.kind, obj.limit_used)

    @display(description=gettext_lazy("channels"))
    def told_to(self, obj: AlertRule) -> str:
        return ", ".join(channel.name for channel in obj.channels.all()) or "—"

    @display(description=gettext_lazy("quiet hours"))
    def quiet(self, obj: AlertRule) -> str:
        if obj.quiet_from is None or obj.quiet_to is None:
            return "—"
        return f"{obj.quiet_from:%H:%M}-{obj.quiet_to:%H:%M}"  # the page of the rule has the time zone

    @display(description=gettext_lazy("firing"), label={"yes": "danger", "no": "success"})
    def firing(self, obj: Any) -> tuple[str, str]:
        return ("yes", str(obj.open_events)) if obj.open_events else ("no", "0")


class ReadOnly:
    """Looked at, never written."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AlertNoticeInline(ReadOnly, TabularInline):
    """Who was told, and what came of it."""

    model = AlertNotice
    fields = ("made_at", "kind", "channel_name", "state", "attempts", "sent_at", "last_error")
    extra = 0
    hide_title = True


class IsOpen(admin.SimpleListFilter):
    """Trouble that is, or that was."""

    title = gettext_lazy("state")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("firing")), ("no", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AlertEvent]) -> QuerySet[AlertEvent]:
        chosen = self.value()
        return queryset if chosen is None else queryset.filter(closed_at__isnull=chosen == "yes")


@admin.register(AlertEvent)
class AlertEventAdmin(ReadOnly, ModelAdmin):
    """What happened."""

    list_display = (
        *("opened_at", "closed_at", "rule_name", "kind", "shown_severity", "where", "last", "worst", "notices_told"),
    )
    list_display_links = ("opened_at", "rule_name")
    list_filter = (IsOpen, "kind", "severity", "opened_at", "rule")
    search_fields = ("subject", "place", "place_ko", "rule_name")
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-opened_at", "-id")
    fields = (
        "rule_name", "kind", "severity", "subject", "where",
        "opened_at", "closed_at", "shown_limit", "last", "worst",
    )  # fmt: skip
    inlines = (AlertNoticeInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertEvent]:
        return (
            super()
            .get_queryset(request)
            .annotate(sent=Count("notices", filter=Q(notices__state="sent")), made=Count("notices"))
        )

    @display(description=gettext_lazy("severity"), ordering="severity", label=SEVERITY_LABELS)
    def shown_severity(self, obj: AlertEvent) -> tuple[str, str]:
        return obj.severity, obj.get_severity_display()

    @display(description=gettext_lazy("limit"))
    def shown_limit(self, obj: AlertEvent) -> str:
        return value_text(obj.kind, obj.limit)

    @display(description=gettext_lazy("where"))
    def where(self, obj: AlertEvent) -> str:
        return obj.shown_place or "—"

    @display(description=gettext_lazy("last value"))
    def last(self, obj: AlertEvent) -> str:
        return f"{KINDS[obj.kind].figure}: {value_text(obj.kind, obj.last_value)}"

    @display(description=gettext_lazy("worst value"))
    def worst(self, obj: AlertEvent) -> str:
        return value_text(obj.kind, obj.worst_value)

    @display(description=gettext_lazy("notices sent"))
    def notices_told(self, obj: AlertEvent) -> str:
        counted = cast(Any, obj)
        return f"{counted.sent}/{counted.made}"
