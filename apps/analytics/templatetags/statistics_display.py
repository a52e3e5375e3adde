"""How pages show figures of the past: time watched, means, changes, short numbers."""

import math
import re

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

# (from, divided by, what is written behind it)
SHORT = ((1_000_000, 1_000_000, "M"), (1_000, 1_000, "K"))
SHORT_KO = ((100_000_000, 100_000_000, "억"), (10_000, 10_000, "만"), (1_000, 1_000, "천"))
# A change beyond it is told as a multiple.
MOST_PERCENT = 10.0
HEAT_LEVELS = 8


# What is not known (yet).
UNKNOWN = "—"


@register.filter
def mean(value: float | None) -> str:
    """A mean of viewers: 15.0, 1,234."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


@register.filter
def watched(minutes: int | None) -> str:
    """Minutes as people say them: 45 min, 12.5 h, 1,234 h."""
    if minutes is None:
        return UNKNOWN
    if minutes < 60:
        return _("%(minutes)s min") % {"minutes": minutes}
    hours = minutes / 60
    return _("%(hours)s h") % {"hours": f"{hours:,.1f}" if hours < 100 else f"{hours:,.0f}"}


@register.filter
def watched_large(minutes: int | None) -> SafeString:
    """The same in large type, with the unit in small."""
    if minutes is None:
        return format_html("{}", UNKNOWN)
    number, unit = re.fullmatch(r"([0-9.,]+)(.*)", watched(minutes)).groups()  # type: ignore[union-attr]
    return format_html("{}<small>{}</small>", number, unit)


@register.filter
def short(value: float) -> str:
    """A number for little room: 999, 1.2K, 12K; in Korean 1.2천, 1.2만."""
    rounded = math.floor(value + 0.5)  # as people do it: half a viewer more is one more
    for least, unit, sign in SHORT_KO if (get_language() or "").startswith("ko") else SHORT:
        if rounded >= least:
            shown = value / unit
            return f"{shown:.1f}".removesuffix(".0") + sign if shown < 10 else f"{shown:.0f}{sign}"
    return str(rounded)


@register.filter
def heat(average: float | None, most: float) -> int:
    """How warm a cell is: 0 for never live, else 1 to 8, in proportion to the warmest."""
    if average is None:
        return 0
    return min(HEAT_LEVELS, 1 + int(HEAT_LEVELS * average / most)) if most else 1


@register.simple_tag
def change(ratio: float | None) -> SafeString:
    """A change since before: an arrow and a percentage; nothing to compare with is a dash."""
    if ratio is None:
        return format_html(
            '<span class="change"><span class="visually-hidden">{}</span><span aria-hidden="true">—</span></span>',
            _("nothing to compare with"),
        )
    if abs(ratio) < 0.0005:
        return format_html('<span class="change">{}</span>', _("no change"))
    size = f"{abs(ratio):.0%}" if abs(ratio) >= 0.1 else f"{abs(ratio):.1%}"
    if -1 < ratio < 0 and size == "100%":
        size = ">99%"  # something is left
    if ratio >= MOST_PERCENT:
        size = f"\u00d7{1 + ratio:,.0f}"
    kind, arrow, word = ("up", "▲", _("up")) if ratio > 0 else ("down", "▼", _("down"))
    return format_html(
        '<span class="change {}"><span aria-hidden="true">{}</span> <span class="visually-hidden">{} </span>{}</span>',
        kind,
        arrow,
        word,
        size,
    )


@register.inclusion_tag("analytics/_bar.html")
def bar(value: int, most: int) -> dict[str, float]:
    """A bar as long as its share of the most, 0 to 100."""
    return {"share": round(100 * value / most, 1) if most else 0.0}
