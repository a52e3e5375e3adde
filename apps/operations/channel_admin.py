"""Alert channels in the admin: addresses come in and never go out, and each can be tried."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from .alert_address import MAX_LENGTH, AddressRefused, address_parse, address_reach, address_seal
from .alert_sending import channel_test
from .models import AlertChannel

# What comes with another address.
ADDRESS = ("sealed", "shown", "failures", "next_at", "last_error", "last_error_at")
# Whoever presses again and again would have our servers knock at an endpoint, and a page wait for it.
TESTED_AT_ONCE = 5
TESTED_EVERY_S = 10


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
        self.instance.last_error, self.instance.last_error_at = "", None
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
        if obj.is_failing:
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
        # Without the cache every test is the first.
        if caches["default"].add(f"alerts:tested:{obj.pk}", 1, TESTED_EVERY_S) is False:
            text = _("%(name)s was tried a moment ago. Wait some seconds, then try it again.") % {"name": obj}
            self.message_user(request, text, messages.WARNING)
            return
        error = channel_test(obj)
        self.log_change(request, obj, _("Test notice sent.") if error is None else _("Test notice not taken."))
        if error is None:
            self.message_user(request, _("%(name)s took the test notice.") % {"name": obj}, messages.SUCCESS)
        else:
            text = _("%(name)s did not take the test notice: %(error)s") % {"name": obj, "error": error}
            self.message_user(request, text, messages.ERROR)

    @action(description=gettext_lazy("Send a test notice through the chosen channels"), permissions=["change"])
    def test_chosen(self, request: HttpRequest, queryset: QuerySet[AlertChannel]) -> None:
        """One after the other, a few at most: each may take as long as an endpoint thinks."""
        chosen = list(queryset[: TESTED_AT_ONCE + 1])
        if len(chosen) > TESTED_AT_ONCE:
            text = _("Choose no more than %(count)d channels at once. Nothing was sent.") % {"count": TESTED_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
            return
        for channel in chosen:
            self.test_one(request, channel)
