"""What people type: the search box, and what a broadcaster says about a stream."""

from typing import Any

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from .models import Category, Stream

QUERY_MAX_LENGTH = 80


class SearchForm(forms.Form):
    """The search box of the directory. Empty means no search."""

    q = forms.CharField(
        label=_("Search"),
        max_length=QUERY_MAX_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class WebAddressField(forms.URLField):
    """An optional http or https address; a missing scheme becomes https."""

    default_validators = [URLValidator(schemes=["http", "https"])]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=Stream.poster_url.field.max_length, assume_scheme="https", **kwargs)


class StreamForm(forms.Form):
    """Title, category and addresses of one stream. The services write it; the form only reads what was typed."""

    title = forms.CharField(label=_("Title"), max_length=120)
    category = forms.ModelChoiceField(label=_("Category"), queryset=Category.objects.all(), empty_label=None)
    poster_url = WebAddressField(label=_("Poster address"), help_text=_("A picture, http or https."))
    playback_url = WebAddressField(
        label=_("Playback address"), help_text=_("Where the video plays: an .m3u8 or .mp4 file, http or https.")
    )

    @classmethod
    def of(cls, stream: Stream) -> "StreamForm":
        """The form as this stream fills it in."""
        return cls(
            initial={
                "title": stream.title,
                "category": stream.category_id,
                "poster_url": stream.poster_url,
                "playback_url": stream.playback_url,
            }
        )
