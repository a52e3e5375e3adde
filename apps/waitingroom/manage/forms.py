"""What managers type. A form carries the version of the zone that it showed, and what each field held then: so only
what somebody touched is written, and of what somebody else changed meanwhile nothing is lost or undone unseen.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import rules
from ..manager_models import MAX_WHY
from ..models import Zone, ZoneMode

MOMENT = "%Y-%m-%dT%H:%M"


class CountField(forms.IntegerField):
    """A whole number as people write and paste it: 1200, 1,200 or 1 200."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **kwargs)

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str):
            value = value.replace(",", "").replace(" ", "")
        return super().to_python(value)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}  # a text input takes no min and max


class MomentField(forms.DateTimeField):
    """A day and a minute, in the time zone of this site."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
        formats = [MOMENT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        super().__init__(widget=widget, input_formats=formats, **kwargs)
        self.hidden_widget = _HiddenMoment


class Hidden(forms.HiddenInput):
    """What the page showed. Scripts renew it, and no browser puts back an older one when the page is loaded again."""

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "off"})


class _HiddenMoment(Hidden):
    """What a moment's field showed, in the same form."""

    def format_value(self, value: Any) -> str | None:
        return value.strftime(MOMENT) if isinstance(value, datetime) else super().format_value(value)


def why_field() -> forms.CharField:
    """The reason of a change."""
    return forms.CharField(
        label=gettext_lazy("Why"),
        max_length=MAX_WHY,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Kept with the change, for those who look back."),
    )


class MessageField(forms.CharField):
    """Text of several lines. What is pasted is not cut at the limit without a word: too much is refused, and kept."""

    def to_python(self, value: Any) -> str | None:
        text: str | None = super().to_python(value)
        return text.replace("\r\n", "\n") if text else text  # as the zone holds it: a line's end counts once

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


def _english() -> forms.CharField:
    return MessageField(
        label=gettext_lazy("In English"),
        max_length=rules.MAX_MESSAGE,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "lang": "en"}),
    )


def _korean() -> forms.CharField:
    return MessageField(
        label=gettext_lazy("In Korean"),
        max_length=rules.MAX_MESSAGE,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "lang": "ko"}),
    )


def shows_what_it_held(field: forms.Field) -> None:
    """Have this field's form carry what the field held when it was shown."""
    field.show_hidden_initial = True
    if field.hidden_widget is forms.HiddenInput:
        field.hidden_widget = Hidden


class VersionedForm(forms.Form):
    """A change of a zone that somebody looked at. `told` says what they touched."""

    # Fields that are not the zone's own.
    ABOUT: ClassVar[tuple[str, ...]] = ("version", "why")

    version = forms.IntegerField(widget=Hidden, min_value=1, max_value=rules.MAX_EXACT)
    why = why_field()

    def __init__(
        self, data: QueryDict | Mapping[str, Any] | None = None, *, part: str, initial: Mapping[str, Any] | None = None
    ) -> None:
        """`part` tells the form from others on the same page."""
        self.part = part
        super().__init__(data, initial=None if initial is None else dict(initial), auto_id=f"id_{part}_%s")
        for name in self.zone_fields:
            shows_what_it_held(self.fields[name])

    @property
    def zone_fields(self) -> list[str]:
        """The fields that are the zone's."""
        return [name for name in self.fields if name not in self.ABOUT]

    @classmethod
    def of(cls, zone: Zone, part: str) -> Self:
        """The form as this zone fills it in."""
        return cls(part=part, initial=cls.initial_of(zone))

    @classmethod
    def initial_of(cls, zone: Zone) -> dict[str, Any]:
        """What the form shows of this zone."""
        names = [name for name in cls.base_fields if name not in cls.ABOUT]
        return {"version": zone.version, **{name: getattr(zone, name) for name in names}}

    def told(self) -> dict[str, Any]:
        """What somebody changed of what they saw; the form must be valid."""
        return {name: self.cleaned_data[name] for name in self.zone_fields if name in self.changed_data}

    def again(self, zone: Zone) -> Self:
        """The form once more after a conflict: as the zone is now, and what was typed on top of it."""
        data = {name: self.data[name] for name in self.data}
        fresh = type(self).of(zone, self.part)
        data["version"] = str(zone.version)
        touched = self.told().keys()
        for name in self.zone_fields:
            field = self.fields[name]
            shown = field.prepare_value(fresh.get_initial_for_field(field, name))
            text = _text_of(field, shown)
            data[self.add_initial_prefix(name)] = text
            if name in touched:
                continue
            if isinstance(field, forms.BooleanField) and not shown:
                data.pop(self.add_prefix(name), None)
            else:
                data[self.add_prefix(name)] = text
        return type(self)(data, part=self.part)


def blame(form: forms.Form, error: ValidationError) -> None:
    """Show what a service refused at the field that it is about, or above the form."""
    told: Mapping[str, Sequence[ValidationError]] = (
        error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    )
    for name, errors in told.items():
        for one in errors:
            form.add_error(name if name in form.fields else None, one)


def _text_of(field: forms.Field, shown: Any) -> str:
    if isinstance(shown, datetime):
        return shown.strftime(MOMENT)
    return "" if shown is None else str(shown)


class RateForm(VersionedForm):
    """N."""

    per_minute = CountField(label=gettext_lazy("Entries a minute"), min_value=0, max_value=rules.MAX_PER_MINUTE)
    field_order = ("per_minute", "why", "version")

    def told(self) -> dict[str, Any]:
        """N, whatever the page showed: it may have been filled in to look ahead."""
        return {"per_minute": self.cleaned_data["per_minute"]}


class ModeForm(VersionedForm):
    """One of the modes, each a button."""

    mode = forms.ChoiceField(label=gettext_lazy("Mode"), choices=ZoneMode.choices)

    def told(self) -> dict[str, Any]:
        """The mode, changed or not: a button says what is wanted, whatever the page showed."""
        return {"mode": self.cleaned_data["mode"]}


class OneModeForm(ModeForm):
    """The one mode that this part of the page sets."""

    def __init__(self, *args: Any, part: str, **kwargs: Any) -> None:
        super().__init__(*args, part=part, **kwargs)
        field = cast(forms.ChoiceField, self.fields["mode"])
        field.choices = [(ZoneMode(part), ZoneMode(part).label)]


class BlockForm(VersionedForm):
    """Block, and say something to those who come."""

    message = _english()
    message_ko = _korean()
    field_order = ("message", "message_ko", "why", "version")

    def told(self) -> dict[str, Any]:
        """Blocked, and the message if it was changed."""
        return {**super().told(), "mode": ZoneMode.BLOCKED.value}


class MessageForm(VersionedForm):
    """What those who wait are told."""

    message = _english()
    message_ko = _korean()
    field_order = ("message", "message_ko", "why", "version")


class ScheduleForm(VersionedForm):
    """When doors open, and from when on those who come are put in a drawn order."""

    opens_at = MomentField(label=gettext_lazy("Doors open"), required=False)
    prequeue_from = MomentField(
        label=gettext_lazy("Pre-queue from"),
        required=False,
        help_text=gettext_lazy(
            "Who comes from here to the opening is put in a drawn order, not first come first served."
        ),
    )
    field_order = ("opens_at", "prequeue_from", "why", "version")

    def clean(self) -> dict[str, Any]:
        """Only what can be seen without the zone; the service knows the rest."""
        data = super().clean() or {}
        if data.get("prequeue_from") and not data.get("opens_at") and "opens_at" not in self.errors:
            self.add_error("opens_at", _("A pre-queue needs an opening."))
        return data


class ClearForm(VersionedForm):
    """The line goes: its zone's id typed."""

    ABOUT = ("version", "why", "typed")

    typed = forms.CharField(
        label=gettext_lazy("Type the zone's id"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    field_order = ("typed", "why", "version")
