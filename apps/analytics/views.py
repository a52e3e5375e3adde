"""The pages of statistics, each for its broadcaster and staff, and the page of rankings, for everybody.

Who is not signed in is asked to, whether or not there is such a page: an owner whose session is over finds the way
back, and nobody learns what there is.
"""

import hashlib
from typing import cast

from django.contrib.auth.decorators import login_required
from django.core.cache import caches
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.models import User
from apps.audience.sessions import SEOUL
from apps.streams.models import Broadcaster
from apps.streams.selectors import broadcaster_of, category_find

from .access import broadcaster_open, stream_open
from .pages import broadcaster_page, stream_page
from .ranges import range_pick
from .ranking_pages import Shown, rankings_page

PERIODS: tuple[Shown, ...] = ("now", "today", "week")


@never_cache
@login_required
@require_safe
def own(request: HttpRequest) -> HttpResponse:
    """A broadcaster's own statistics."""
    return _broadcaster(request, broadcaster_of(user=cast(User, request.user)))


@never_cache
@login_required
@require_safe
def broadcaster(request: HttpRequest, slug: str) -> HttpResponse:
    """The same by name, for staff."""
    return _broadcaster(request, broadcaster_open(user=request.user, slug=slug))


def _broadcaster(request: HttpRequest, channel: Broadcaster | None) -> HttpResponse:
    now = timezone.now()
    if channel is None:  # someone who never started a stream
        return render(request, "analytics/broadcaster.html", {"has_streams": False})
    picked = range_pick(request.GET.dict(), today=now.astimezone(SEOUL).date())
    context = broadcaster_page(channel, picked, page=request.GET.get("page", ""), now=now) | {
        "is_own": channel.user_id == request.user.pk
    }
    return render(request, "analytics/broadcaster.html", context, status=400 if picked.problem else 200)


@never_cache
@login_required
@require_safe
def stream(request: HttpRequest, stream_id: int) -> HttpResponse:
    """One stream: all of it or one day, beside the stream before."""
    found = stream_open(user=request.user, stream_id=stream_id)
    context = stream_page(found, request.GET.get("day", ""), now=timezone.now())
    context["is_own"] = found.broadcaster.user_id == request.user.pk
    return render(request, "analytics/stream.html", context)


@require_safe
def rankings(request: HttpRequest) -> HttpResponse:
    """Who is watched most: now, today, in the last seven days."""
    shown = next((one for one in PERIODS if one == request.GET.get("period", "now")), None)
    if shown is None:
        raise Http404("no such ranking")
    slug, number = request.GET.get("category", ""), request.GET.get("page", "")
    category = category_find(slug=slug) if slug else None
    if slug and category is None:
        raise Http404("no such category")
    # The same for all who ask in one moment, as the directory is.
    asked = "\0".join([get_language() or "", shown, slug, number])
    key = "rankings" + hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    listing = caches["moment"].get(key)
    if listing is None:
        listing = render_to_string("analytics/ranking_list.html", rankings_page(shown, category, number))
        caches["moment"].set(key, listing)
    return render(request, "analytics/rankings.html", {"listing": listing, "category": category})
