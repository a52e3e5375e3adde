"""Streams, broadcasters and categories in the admin. Everything done to a stream goes through the services."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import ChangeList

from . import selectors, services
from .models import Broadcaster, Category, Stream, StreamStatus

UNKNOWN = "—"
# What an operator may change of a live stream.
TOLD = ("title", "category", "poster_url", "playback_url", "zone")


class StreamChangeList(ChangeList):
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
class StreamAdmin(ModelAdmin):
    """Broadcasts. They are started, changed while live, and ended; never deleted, for history refers to them."""

    list_display = (
        "title",
        "broadcaster",
        "category",
        "zone",
        "shown_status",
        "viewers",
        "peak",
        "total",
        "started_at",
    )
    list_display_links = ("title",)
    list_filter = ("status", "category", "started_at", "zone")
    list_select_related = ("broadcaster", "category", "zone")
    list_per_page = 50
    # Counting a history of millions for a number that nobody reads is slow; the filtered count stays.
    show_full_result_count = False
    search_fields = ("title", "broadcaster__name")
    ordering = ("-started_at", "-id")
    autocomplete_fields = ("broadcaster", "zone")
    actions = ("end_streams", "start_again")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StreamChangeList

    def get_fields(self, request: HttpRequest, obj: Stream | None = None) -> list[str]:
        told = ["broadcaster", "category", "title", "poster_url", "playback_url", "zone"]
        return told if obj is None else [*told, "status", "started_at", "ended_at", "peak_viewers", "total_viewers"]

    def get_readonly_fields(self, request: HttpRequest, obj: Stream | None = None) -> list[str]:
        kept = ["broadcaster", "status", "started_at", "ended_at", "peak_viewers", "total_viewers"]
        return [] if obj is None else kept

    def has_change_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        # What has ended is only looked at.
        return super().has_change_permission(request, obj) and (obj is None or obj.is_live)

    def has_delete_permission(self, request: HttpRequest, obj: Stream | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Stream, form: ModelForm, change: bool) -> None:
        told = {name: form.cleaned_data[name] for name in TOLD}
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

    @action(description=gettext_lazy("End the chosen streams"), permissions=["change"])
    def end_streams(self, request: HttpRequest, queryset: QuerySet[Stream]) -> HttpResponse | None:
        """Ask first: every viewer of these streams will be sent away, and ended is final."""
        live = list(queryset.filter(status=StreamStatus.LIVE).select_related("broadcaster"))
        if not live:
            self.message_user(request, _("None of the chosen streams is live."), messages.WARNING)
            return None
        if "confirmed" not in request.POST:
            return self._ask_to_end(request, live)
        ended = 0
        for stream in live:
            if services.stream_end(stream=stream):
                ended += 1
                self.log_change(request, stream, _("Ended from the list of streams."))
        text = ngettext("%(count)d stream ended.", "%(count)d streams ended.", ended) % {"count": ended}
        self.message_user(request, text, messages.SUCCESS)
        return None

    def _ask_to_end(self, request: HttpRequest, live: list[Stream]) -> HttpResponse:
        counts = selectors.counts_or_none([stream.pk for stream in live])
        context = {
            **self.admin_site.each_context(request),
            "title": _("End these streams?"),
            "opts": self.model._meta,
            "rows": [(stream, counts[stream.pk].current if stream.pk in counts else UNKNOWN) for stream in live],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/streams/stream/end_confirmation.html", context)

    @action(description=gettext_lazy("Start the chosen streams again"), permissions=["add"])
    def start_again(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        """A new broadcast with the same title, category, addresses and zone; the ended one keeps its figures."""
        started = 0
        for old in queryset.select_related("broadcaster", "category", "zone"):
            try:
                stream = services.stream_start(
                    broadcaster=old.broadcaster,
                    category=old.category,
                    title=old.title,
                    poster_url=old.poster_url,
                    playback_url=old.playback_url,
                    zone=old.zone,
                )
            except services.StreamAlreadyLive:
                text = _("%(name)s is already live.") % {"name": old.broadcaster}
                self.message_user(request, text, messages.WARNING)
                continue
            started += 1
            self.log_addition(request, stream, _("Started again after stream %(id)d.") % {"id": old.pk})
        if started:
            text = ngettext("%(count)d stream started.", "%(count)d streams started.", started) % {"count": started}
            self.message_user(request, text, messages.SUCCESS)


@admin.register(Broadcaster)
class BroadcasterAdmin(ModelAdmin):
    """Channels, and which of them are on now."""

    list_display = ("name", "slug", "user", "live_now", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "slug", "user__username")
    list_filter = ("created_at",)
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
