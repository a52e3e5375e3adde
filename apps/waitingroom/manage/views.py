"""Pages of zone managers that only look: the wall, one zone, its changes. They work without JavaScript."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.models import User

from ..changes import changes_page
from ..managers import Action, apps_to_create_in, undoable, zone_for
from ..templatetags.manage import figure, seconds
from . import selectors
from .display import health_words, is_over, mode_names, percent_of, words_for_scripts
from .forms import RateForm
from .gone import may_go
from .settings_forms import SiftForm
from .wall import WallRow, waiting_in
from .zone_page import CHANGES_SHOWN, preview_words, zone_page

CHANGES_PER_PAGE = 50
# Cards that the wall is drawn with, and by which it grows: more than a screen holds, few enough to be there at once.
CARDS_AT_ONCE = 40


def person(request: HttpRequest) -> User:
    """Who asks; login_required has seen to it that there is somebody."""
    return cast(User, request.user)


def number_of(text: str) -> int | None:
    """The number that an address or a form carries unseen; None if it is none that a database holds."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# --- the wall -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """A row of the wall in words: made here, because a template that formats 500 of them takes its time."""

    zone_id: str = ""
    address: str = ""
    name: str = ""
    where: str = ""
    mode: str = ""
    mode_name: str = ""
    waiting: str = ""
    entering: str = ""
    of: str = ""
    percent: int = 0
    is_over: bool = False
    wait: str = ""
    health: str = "ok"
    health_words: str = ""
    state: str = ""


# What the page's script makes a card of for a zone that comes while the page is open.
BLANK = Card()


@never_cache
@login_required
@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    """Somebody's zones, most trouble first, or those that they look for: the first ones, or ?all of them.

    The page's script draws the others when they come into sight.
    """
    user = person(request)
    rows = selectors.wall_now(user)
    form = SiftForm(request.GET)
    sift = form.cleaned_data if form.is_valid() else {"q": "", "app": "", "mode": ""}
    shown = [row for row in rows if _is_sought(row, sift)]
    drawn = shown if "all" in request.GET else shown[:CARDS_AT_ONCE]
    context = {
        "cards": _cards(drawn),
        "rest": len(shown) - len(drawn),
        "all_address": f"?{urlencode({**{name: text for name, text in sift.items() if text}, 'all': 1})}",
        "total": len(rows),
        "waiting": figure(waiting_in(rows)),
        "troubled": sum(row.health != "ok" for row in rows),
        "apps": sorted({row.app for row in rows if row.app}),
        "modes": mode_names(),
        "sift": sift,
        "may_create": apps_to_create_in(user) != [],
        "labels": {"waiting": _("Waiting"), "rate": _("Entered a minute"), "wait": _("Longest wait")},
        "blank": BLANK,
        "script": {**words_for_scripts(), "of": _("of {n}"), "base": reverse("manage:wall"), "step": CARDS_AT_ONCE},
    }
    return render(request, "manage/wall.html", context)


def _is_sought(row: WallRow, sift: Mapping[str, str]) -> bool:
    if sift["app"] and row.app != sift["app"]:
        return False
    if sift["mode"] and row.mode != sift["mode"]:
        return False
    text = " ".join((row.zone_id, row.name, row.name_ko, row.app, row.screen)).lower()
    return all(word in text for word in sift["q"].lower().split())


def _cards(rows: Iterable[WallRow]) -> list[Card]:
    is_korean = (get_language() or "").startswith("ko")
    base = reverse("manage:wall")
    modes, of = mode_names(), _("of {n}")
    return [
        Card(
            zone_id=row.zone_id,
            address=f"{base}zones/{row.zone_id}/",
            name=row.name_ko if is_korean and row.name_ko else row.name,
            where=" · ".join(part for part in (row.zone_id, row.app, row.screen) if part),
            mode=row.mode,
            mode_name=modes[row.mode],
            waiting=figure(row.waiting),
            entering=figure(row.entering_per_minute),
            of=of.format(n=f"{row.per_minute:,}"),
            percent=percent_of(row),
            is_over=is_over(row),
            wait=seconds(row.longest_wait_s),
            health=row.health,
            health_words=health_words(row),
            state=row.state,
        )
        for row in rows
    ]


# --- one zone -------------------------------------------------------------------------------------------------------


@never_cache
@login_required
@require_safe
@may_go
def zone(request: HttpRequest, zone_id: str) -> HttpResponse:
    """How one zone stands, and everything that may be done about it."""
    found, role = zone_for(person(request), zone_id)
    asked = request.GET.get("per_minute", "")
    return zone_page(request, found, role, asked=asked)


@never_cache
@login_required
@require_safe
@may_go
def preview_text(request: HttpRequest, zone_id: str) -> JsonResponse:
    """`{"text": ...}`: what would become of the line at ?per_minute=N; 400 with what is wrong with it."""
    found, _role = zone_for(person(request), zone_id, Action.RATE, entrance="api")
    form = RateForm({"per_minute": request.GET.get("per_minute", ""), "version": found.version}, part="rate")
    if not form.is_valid():
        return JsonResponse({"text": " ".join(str(one) for one in form.errors.get("per_minute", []))}, status=400)
    seen = selectors.preview(found.pk, form.cleaned_data["per_minute"], old_s=selectors.LOOK_KEPT_S)
    return JsonResponse({"text": preview_words(seen)})


@never_cache
@login_required
@require_safe
def changes(request: HttpRequest, zone_id: str) -> HttpResponse:
    """What was done to the zone, page by page; ?part gives the list of the zone's page alone, for its script."""
    found, role = zone_for(person(request), zone_id)
    before_id = number_of(request.GET.get("before", ""))
    is_part = "part" in request.GET
    limit = CHANGES_SHOWN if is_part else CHANGES_PER_PAGE
    listed, last_id = changes_page(found.pk, limit, None if is_part else before_id)
    context = {
        "zone": found,
        "changes": listed,
        "undoable": undoable(person(request), found, role, listed),
        "last_id": last_id,
    }
    return render(request, "manage/change_list.html" if is_part else "manage/changes.html", context)
