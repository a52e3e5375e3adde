"""What people type: the search box, and what a broadcaster says about a stream."""

from typing import Any

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from apps.waitingroom.models import Zone

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
    """Title, category and addresses of one stream, and for staff its zone. The services write it; the form only reads
    what was typed."""

    title = forms.CharField(label=_("Title"), max_length=120)
    category = forms.ModelChoiceField(label=_("Category"), queryset=Category.objects.all(), empty_label=None)
    poster_url = WebAddressField(label=_("Poster address"), help_text=_("A picture, http or https."))
    playback_url = WebAddressField(
        label=_("Playback address"), help_text=_("Where the video plays: an .m3u8 or .mp4 file, http or https.")
    )

    zone = forms.ModelChoiceField(
        label=_("Waiting room"),
        queryset=Zone.objects.all(),
        required=False,
        empty_label=_("None: open to everybody"),
        help_text=_("Viewers then need a pass of this zone."),
    )

    def __init__(self, *args: Any, for_staff: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not for_staff:
            del self.fields["zone"]

    @classmethod
    def of(cls, stream: Stream, *, for_staff: bool = False) -> "StreamForm":
        """The form as this stream fills it in."""
        return cls(
            for_staff=for_staff,
            initial={
                "title": stream.title,
                "category": stream.category_id,
                "poster_url": stream.poster_url,
                "playback_url": stream.playback_url,
                **({"zone": stream.zone_id} if for_staff else {}),
            },
        )
