"""The admin's forms of zones. As on the managers' pages only what somebody touched is written, and what was typed is
still there when it could not be saved.
"""

from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .models import Zone


class VersionInput(forms.HiddenInput):
    """The version that the page shows, sent back unseen."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return format_html("{}<span>{}</span>", super().render(name, value, attrs, renderer), value)


class RefusableForm(ModelForm):
    """A form that comes back with all that was typed when a service did not do what it asks for."""

    # What a service refused, and of which zone: in the list each row has a form. None: of the only one.
    refusal: ClassVar[ValidationError | None] = None
    refused_zone: ClassVar[str | None] = None

    @classmethod
    def refused_with(cls, error: ValidationError, zone_id: str | None) -> "type[RefusableForm]":
        """The form for what a service has refused."""
        return type(cls.__name__, (cls,), {"refusal": error, "refused_zone": zone_id})

    def clean(self) -> dict[str, Any] | None:
        """Show what a service refused at the field that it is about, or above the form."""
        data = super().clean()
        if self.refusal is None or self.refused_zone not in (None, self.instance.pk):
            return data
        told = self.refusal.error_dict if hasattr(self.refusal, "error_dict") else {"": self.refusal.error_list}
        for name, errors in told.items():
            for one in errors:
                self.add_error(name if name in self.fields else None, one)
        return data

    def sent_again(self, zone: Zone) -> QueryDict:
        """What was sent, as if the page had shown the zone as it is now: what nobody touched follows it."""
        data = cast(QueryDict, self.data).copy()
        for bound in type(self)(instance=zone, prefix=self.prefix):
            value = bound.value()
            if bound.field.show_hidden_initial:
                _put(data, bound.field.hidden_widget(), bound.html_initial_name, value)
            if bound.name == "version" or bound.name not in self.changed_data:
                _put(data, bound.field.widget, bound.html_name, value)
        return data


class ZoneForm(RefusableForm):
    """A zone as one person saw and changed it."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = name != "version"


class ZoneRowForm(RefusableForm):
    """A zone's row in the list. What was changed is told by what the page showed, not by what the zone is by now."""

    version = forms.IntegerField(widget=VersionInput, min_value=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance}"


def _put(data: QueryDict, widget: forms.Widget, name: str, value: Any) -> None:
    """Make it what this widget sends when it shows this value."""
    if isinstance(widget, forms.MultiWidget):
        for number, (one, part) in enumerate(zip(widget.widgets, widget.decompress(value) or [], strict=True)):
            _put(data, one, f"{name}_{number}", part)
        return
    shown = widget.format_value(value)
    if isinstance(widget, forms.CheckboxInput):
        shown = "on" if value else None
        data.pop(name, None)
    elif isinstance(shown, list):
        shown = shown[0] if shown else ""
    if not isinstance(widget, forms.CheckboxInput) or shown:
        data[name] = "" if shown is None else str(shown)
