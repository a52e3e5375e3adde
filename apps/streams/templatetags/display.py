"""How pages show figures and posters."""

from datetime import timedelta

from django import template
from django.utils.safestring import SafeString, mark_safe

from apps.streams.poster_art import poster_svg

register = template.Library()


@register.filter
def figure(value: int | str | None) -> str:
    """12345 -> "12,345" (English and Korean group alike); a figure that is not known shows as a dash.

    Templates make an attribute of None an empty string, so that is not known either.
    """
    return f"{value:,}" if isinstance(value, int) else "—"


@register.filter
def clock(value: timedelta) -> str:
    """A duration as h:mm:ss, or m:ss under an hour."""
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.simple_tag
def poster_art(stream_id: int) -> SafeString:
    """The generated picture of a stream, as inline SVG."""
    return mark_safe(poster_svg(int(stream_id)))  # noqa: S308  made of numbers only
