"""What operators do to streams in the admin: end, start again, put first, send a viewer away. Each leaves a trace."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from apps.accounts import ports as accounts_ports
from apps.accounts.action_pages import ActionForm, EndField, ReasonForm, action_page, row_named
from apps.accounts.models import User
from apps.accounts.viewers import VIEWER_ID
from apps.realtime.deeds import one_deed

from . import selectors, services
from .models import Stream, StreamStatus

UNKNOWN = "—"


class FeatureForm(ActionForm):
    """Where in the directory, and for how long."""

    order = forms.IntegerField(
        label=gettext_lazy("Place"),
        min_value=1,
        max_value=999,
        initial=1,
        help_text=gettext_lazy("The lowest comes first. Several streams get places one after another."),
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    until = EndField(label=gettext_lazy("For how long"), endless=gettext_lazy("Until the stream ends"), initial="0")


class DisconnectForm(ReasonForm):
    """Who, and why."""

    viewer = forms.CharField(
        label=gettext_lazy("Viewer"),
        max_length=150,
        help_text=gettext_lazy("A username, or a viewer's id: u and a number, or a and 32 letters and digits."),
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ("viewer", "reason")

    def clean_viewer(self) -> str:
        """The viewer's id."""
        named = str(self.cleaned_data["viewer"].strip())
        # First of all an id: somebody may be called like the id of another, who would be shielded by them.
        if VIEWER_ID.fullmatch(named):
            return named
        user = User.objects.filter(username=named).first()
        if user is None:
            raise forms.ValidationError(_("There is no such user, and this is no viewer's id."))
        return user.viewer_id


class StreamActions(ModelAdmin):
    """The actions of the streams' admin."""

    actions = ("end_streams", "start_again", "feature_streams", "unfeature_streams")
    actions_detail = ("feature_one", "disconnect_viewer")

    def has_end_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """End streams: of who may change all of them, not of who may put them behind zones."""
        return bool(request.user.has_perm("streams.change_stream"))

    @action(description=gettext_lazy("End the chosen streams"), permissions=["end"])
    def end_streams(self, request: HttpRequest, queryset: QuerySet[Stream]) -> HttpResponse | None:
        """Ask first: every viewer of these streams will be sent away, and ended is final."""
        live = list(queryset.filter(status=StreamStatus.LIVE).select_related("broadcaster"))
        if not live:
            self.message_user(request, _("None of the chosen streams is live."), messages.WARNING)
            return None
        form = ReasonForm.of(request)
        if not form.is_valid():
            return self._ask_to_end(request, live, form)
        ended, reason = 0, form.cleaned_data["reason"]
        with one_deed() as deed:
            for stream in live:
                if services.stream_end(stream=stream):
                    ended += 1
                    self.log_change(request, stream, f"{_('Ended from the list of streams.')} {reason}".strip())
        unheard = len(deed.untold)
        if ended > unheard or not unheard:
            heard = ended - unheard
            text = ngettext("%(count)d stream ended.", "%(count)d streams ended.", heard) % {"count": heard}
            self.message_user(request, text, messages.SUCCESS)
        if unheard:
            text = ngettext(
                "%(count)d stream ended, but servers cannot be told now: who watches is told within half a minute of"
                " Redis' return.",
                "%(count)d streams ended, but servers cannot be told now: who watches is told within half a minute of"
                " Redis' return.",
                unheard,
            )
            self.message_user(request, text % {"count": unheard}, messages.WARNING)
        return None

    def _ask_to_end(self, request: HttpRequest, live: list[Stream], form: ActionForm) -> HttpResponse:
        counts = selectors.counts_or_none([stream.pk for stream in live])
        warning = _("Everyone who watches is told that the stream has ended. An ended stream cannot be opened again.")
        viewers = {stream: counts[stream.pk].current if stream.pk in counts else UNKNOWN for stream in live}
        return action_page(
            self,
            request,
            action="end_streams",
            rows=live,
            notes={stream: _("watching now: %(viewers)s") % {"viewers": count} for stream, count in viewers.items()},
            form=form,
            title=_("End these streams?"),
            warning=warning,
            button=_("End them"),
        )

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

    # --- first in the directory ---------------------------------------------------------------------------------------

    def has_feature_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Put streams first in the directory."""
        return bool(request.user.has_perm("streams.feature_stream"))

    @action(description=gettext_lazy("Feature the chosen streams"), permissions=["feature"])
    def feature_streams(self, request: HttpRequest, queryset: QuerySet[Stream]) -> HttpResponse | None:
        """Ask for place and end; then the directory shows them before all others."""
        form = FeatureForm.of(request)
        if not form.is_valid():
            return self._ask_to_feature(request, queryset, form)
        order, until, featured = form.cleaned_data["order"], form.cleaned_data["until"], 0
        for stream in queryset:
            try:
                services.stream_feature(stream=stream, order=order + featured, until=until)
            except services.StreamIsOver:
                text = _("%(title)s has ended, so it stays as it was.") % {"title": stream.title}
                self.message_user(request, text, messages.WARNING)
                continue
            except services.FeaturedFull:
                text = _("No more than %(count)d streams may be featured.") % {"count": services.FEATURED_MAX}
                self.message_user(request, text, messages.WARNING)
                break
            self.log_change(request, stream, _("Featured at place %(order)d.") % {"order": order + featured})
            featured += 1
        if featured:
            text = ngettext("%(count)d stream featured.", "%(count)d streams featured.", featured)
            self.message_user(request, text % {"count": featured}, messages.SUCCESS)
        return None

    def _ask_to_feature(self, request: HttpRequest, streams: Any, form: ActionForm) -> HttpResponse:
        return action_page(
            self,
            request,
            action="feature_streams",
            rows=streams,
            form=form,
            title=_("Feature these streams?"),
            warning=_("The directory shows them before all others, also in their category."),
            button=_("Feature them"),
            is_dangerous=False,
        )

    @action(description=gettext_lazy("Feature"), permissions=["feature"], url_path="feature")
    def feature_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """From a stream's own page."""
        return self._ask_to_feature(request, [row_named(self, request, object_id)], FeatureForm())

    @action(description=gettext_lazy("Feature the chosen streams no more"), permissions=["feature"])
    def unfeature_streams(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        """They stand among the others again."""
        changed = 0
        for stream in queryset.filter(featured_order__isnull=False):
            if services.stream_unfeature(stream=stream):
                self.log_change(request, stream, _("Featured no more."))
                changed += 1
        text = ngettext("%(count)d stream is featured no more.", "%(count)d streams are featured no more.", changed)
        self.message_user(request, text % {"count": changed}, messages.SUCCESS if changed else messages.WARNING)

    # --- viewers ------------------------------------------------------------------------------------------------------

    def has_disconnect_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Close sockets of viewers."""
        return bool(request.user.has_perm("accounts.disconnect_user"))

    @action(description=gettext_lazy("Disconnect a viewer"), permissions=["disconnect"], url_path="disconnect")
    def disconnect_viewer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """All sockets of one viewer on this stream close at once. They may open it again."""
        stream = row_named(self, request, object_id)
        form = DisconnectForm.of(request)
        if not form.is_valid():
            return action_page(
                self,
                request,
                action="",
                rows=[stream],
                form=form,
                title=_("Disconnect a viewer"),
                warning=_("This stream closes for them at once. This is no ban: who opens the page again is let in."),
                button=_("Disconnect"),
                target=request.get_full_path(),
            )
        viewer_id, reason = form.cleaned_data["viewer"], form.cleaned_data["reason"]
        try:
            accounts_ports.sockets().viewer_disconnect(viewer_id=viewer_id, stream_id=stream.pk, reason=reason)
        except accounts_ports.SocketsUnavailable:
            self.message_user(request, _("Servers cannot be told now; nothing was closed."), messages.ERROR)
        else:
            told = {"viewer": viewer_id, "reason": reason}
            self.log_change(request, stream, _("Viewer %(viewer)s disconnected. %(reason)s") % told)
            self.message_user(request, _("%(viewer)s is disconnected.") % told, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:streams_stream_change", args=[stream.pk]))
