"""Streams, broadcasters and categories in the admin. Everything done to a stream goes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from apps.accounts.big_lists import FOUND_PER_FIELD, BigChangeList, BigListAdmin

from . import selectors, services
from .models import Broadcaster, Category, Stream, StreamStatus
from .stream_actions import UNKNOWN, StreamActions

# What an operator may change of a live stream.
TOLD = ("title", "category", "poster_url", "playback_url", "zone")


class FeaturedFilter(admin.SimpleListFilter):
    """What the directory shows first."""

    title = gettext_lazy("featured")
    parameter_name = "featured"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stream]) -> QuerySet[Stream]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=list(selectors.featured_now().values_list("pk", flat=True)))


class StreamChangeList(BigChangeList):
    """A page of streams with the live figures of those that are live, read in one call."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        streams: list[Any] = list(self.result_list)
        live = [stream.pk for stream in streams if stream.is_live]
        counts = selectors.counts_or_none(live) if live else {}
        for stream in streams:
            stream.live_counts = counts.get(stream.pk)
        self.result_list = streams


@admin.register(Stream)
class StreamAdmin(StreamActions, BigListAdmin):
    """Broadcasts. They are started, changed while live, and ended; never deleted, for history refers to them."""

    list_display = (
        "title",
        "broadcaster",
        "category",
        "zone",
        "shown_status",
        "featured",
        "viewers",
        "peak",
        "total",
        "started_at",
    )
    list_display_links = ("title",)
    list_filter = ("status", FeaturedFilter, "category", ("zone", admin.EmptyFieldListFilter), "started_at")
    list_select_related = ("broadcaster", "category", "zone")
    # With any filter this order is an index's; by another column the whole history would have to be sorted.
    sortable_by = ("started_at",)
    search_fields = ("^title",)
    search_help_text = gettext_lazy(
        "Beginning of a title or of a broadcaster's name, or a number; anywhere in them if you show live ones only."
    )
    ordering = ("-started_at", "-id")
    autocomplete_fields = ("broadcaster", "zone")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StreamChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Stream], search_term: str
    ) -> tuple[QuerySet[Stream], bool]:
        """By the beginning of a title or a broadcaster's name; of live streams, which are few, by any part of them."""
        term = search_term.strip()
        if term and request.GET.get("status__exact") == StreamStatus.LIVE:
            found = selectors.live_find(query=term).found or []
            return queryset.filter(pk__in=found[:FOUND_PER_FIELD]), False
        rows, _has_twice = super().get_search_results(request, queryset, term)
        if not term:
            return rows, False
        broadcasters = Broadcaster.objects.filter(name__istartswith=term).order_by().values_list("pk", flat=True)
        theirs = queryset.order_by().filter(broadcaster__in=list(broadcasters[:FOUND_PER_FIELD]))
        found = [*rows.order_by().values_list("pk", flat=True), *theirs.values_list("pk", flat=True)[:FOUND_PER_FIELD]]
        return queryset.filter(pk__in=found), False

    def get_fields(self, request: HttpRequest, obj: Stream | None = None) -> list[str]:
        told = ["broadcaster", "category", "title", "poster_url", "playback_url", "zone"]
        return told if obj is None else [*told, "status", "started_at", "ended_at", "peak_viewers", "total_viewers"]

    def get_readonly_fields(self, request: HttpRequest, obj: Stream | None = None) -> list[str]:
        if obj is None:
            return []
        kept = ["broadcaster", "status", "started_at", "ended_at", "peak_viewers", "total_viewers"]
        may_change = super().has_change_permission(request, obj)
        return kept if may_change else [*kept, *(name for name in TOLD if name != "zone")]

    def has_change_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        # Of who may do nothing else with streams, the zone alone. What has ended is only looked at.
        may = super().has_change_permission(request, obj) or request.user.has_perm("streams.protect_stream")
        return may and (obj is None or obj.is_live)

    def has_delete_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Stream, form: ModelForm, change: bool) -> None:
        told = {name: form.cleaned_data.get(name, getattr(obj, name)) for name in TOLD}
        if change:
            services.stream_update(stream=obj, **told)
        else:
            obj.pk = services.stream_start(broadcaster=form.cleaned_data["broadcaster"], **told).pk

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except services.StreamAlreadyLive as refusal:
            text = _("%(name)s is already live.") % {"name": refusal.stream.broadcaster}
        except services.StreamIsOver:
            text = _("That stream has ended, so it stays as it was.")
        self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:streams_stream_changelist"))

    @display(description=gettext_lazy("status"), ordering="status", label={"live": "success", "ended": "info"})
    def shown_status(self, obj: Stream) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description=gettext_lazy("featured"), label="info")
    def featured(self, obj: Stream) -> str | None:
        return str(obj.featured_order) if obj.is_featured else None

    @display(description=gettext_lazy("watching now"))
    def viewers(self, obj: Any) -> int | str:
        if not obj.is_live:
            return 0
        return obj.live_counts.current if obj.live_counts else UNKNOWN

    @display(description=gettext_lazy("peak"))
    def peak(self, obj: Any) -> int | str:
        if not obj.is_live:
            return obj.peak_viewers
        return obj.live_counts.peak if obj.live_counts else UNKNOWN

    @display(description=gettext_lazy("total"))
    def total(self, obj: Any) -> int | str:
        if not obj.is_live:
            return obj.total_viewers
        return obj.live_counts.total if obj.live_counts else UNKNOWN


@admin.register(Broadcaster)
class BroadcasterAdmin(BigListAdmin):
    """Channels, and which of them are on now."""

    list_display = ("name", "slug", "user", "live_now", "created_at")
    list_select_related = ("user",)
    sortable_by = ("name", "slug")
    search_fields = ("^name", "^slug", "^user__username")
    search_help_text = gettext_lazy("Beginning of a name, an address or a username; or a number.")
    list_filter = (("user", admin.EmptyFieldListFilter),)
    autocomplete_fields = ("user",)
    prepopulated_fields = {"slug": ("name",)}
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Broadcaster]:
        return super().get_queryset(request).annotate(on_air=Exists(Stream.objects.filter(live_key=OuterRef("pk"))))

    @display(description=gettext_lazy("live now"), boolean=True)
    def live_now(self, obj: Any) -> bool:
        return bool(obj.on_air)


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    """What streams are about, in the order of the directory."""

    list_display = ("name", "name_ko", "slug", "position")
    search_fields = ("name", "name_ko", "slug")
    prepopulated_fields = {"slug": ("name",)}
    ordering = ("position", "name", "id")
