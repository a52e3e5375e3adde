"""Alerts in the admin: rules, and the history, which nobody writes by hand. Channels: channel_admin.py."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.accounts.action_pages import action_page
from apps.accounts.big_lists import BigChangeList, BigListAdmin
from apps.waitingroom.models import Zone

from . import channel_admin as channel_admin
from .alert_kinds import NoticeState, facts_of
from .alert_services import usual_add, usual_missing
from .alert_texts import value_text
from .models import AlertEvent, AlertNotice, AlertRule

SEVERITY_LABELS = {"info": "info", "warning": "warning", "critical": "danger"}


class AlertRuleChangeList(ChangeList):
    """The rules, each with how many of its alerts are open: those are looked up, and not the history of years."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        is_open = AlertEvent.objects.filter(closed_at=None).order_by().values_list("rule").annotate(Count("pk"))
        counted = dict(is_open)
        rules: list[Any] = list(self.result_list)
        for rule in rules:
            rule.open_events = counted.get(rule.pk, 0)
        self.result_list = rules


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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AlertRuleChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        return super().get_queryset(request).prefetch_related("channels")

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> tuple[str, ...]:
        # What it remembers of its subjects is of that kind.
        return () if obj is None else ("kind",)

    def save_model(self, request: HttpRequest, obj: AlertRule, form: ModelForm, change: bool) -> None:
        if change:  # only what was on the form: an evaluation may have written meanwhile when it was
            obj.save(update_fields=[name for name in form.cleaned_data if name != "channels"])
        else:
            super().save_model(request, obj, form, change)
        if obj.app and obj.app not in set(Zone.objects.values_list("app", flat=True)):
            # Zones may be made later; but mostly it is written otherwise, and the rule would be at peace for ever.
            text = _("No zone belongs to the app %(app)s now, so this rule watches nothing.") % {"app": obj.app}
            self.message_user(request, text, messages.WARNING)

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


class AlertEventChangeList(BigChangeList):
    """A page of alerts with their notices, counted for those on the page."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        events: list[Any] = list(self.result_list)
        sent = Count("pk", filter=Q(state=NoticeState.SENT))
        notices = AlertNotice.objects.filter(event__in=[event.pk for event in events]).order_by()
        counted = notices.values_list("event").annotate(sent=sent, made=Count("pk"))
        told = {event: counts for event, *counts in counted}
        for event in events:
            event.told = told.get(event.pk, [0, 0])
        self.result_list = events


@admin.register(AlertEvent)
class AlertEventAdmin(ReadOnly, BigListAdmin):
    """What happened."""

    # The figure's words say of which kind it is.
    list_display = ("opened_at", "closed_at", "rule_name", "shown_severity", "where", "last", "worst", "notices_told")
    list_display_links = ("opened_at", "rule_name")
    list_filter = (IsOpen, "kind", "severity", "opened_at", "rule")
    # With any filter this order is an index's; by another column the whole history would have to be sorted.
    sortable_by = ("opened_at",)
    search_fields = ("^subject", "^place", "^place_ko", "^rule_name")
    search_help_text = gettext_lazy("Beginning of a zone's id or name, of a server, a job or a rule; or a number.")
    ordering = ("-opened_at", "-id")
    fields = (
        "rule_name", "kind", "severity", "subject", "where",
        "opened_at", "closed_at", "shown_limit", "last", "worst",
    )  # fmt: skip
    inlines = (AlertNoticeInline,)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AlertEventChangeList

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
        if obj.is_gone:  # which is no figure, least of all a good one
            return _("not there any more")
        return f"{facts_of(obj.kind).figure}: {value_text(obj.kind, obj.last_value)}"

    @display(description=gettext_lazy("worst value"))
    def worst(self, obj: AlertEvent) -> str:
        return value_text(obj.kind, obj.worst_value)

    @display(description=gettext_lazy("notices sent"))
    def notices_told(self, obj: Any) -> str:
        sent, made = obj.told
        return f"{sent}/{made}"
