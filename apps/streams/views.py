"""The pages that everyone sees: the directory and the live page."""

import hashlib
import time
from urllib.parse import urlencode

from django.core.cache import caches
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.viewers import ViewerIdentity, remember_browser, viewer_identity
from apps.waitingroom.passes import PassError
from apps.waitingroom.services import PassUnchecked, pass_redeem

from . import passage, ports, selectors
from .forms import SearchForm
from .models import Category, Stream

CARDS_PER_PAGE = 24


@require_safe
def directory(request: HttpRequest) -> HttpResponse:
    """Live streams, most viewers first: of a category, or what a search finds."""
    category = _chosen_category(request)
    form = SearchForm({"q": request.GET.get("q", "")})
    query = form.cleaned_data["q"] if form.is_valid() else ""
    number = request.GET.get("page", "")
    # What a crowd looks at is the same for all of it: made once a moment in each language, kept by this process. An
    # empty page is made anew each time: who waits for a stream to start is to see it at once.
    asked = "\0".join([get_language() or "", category.slug if category else "", query, number])
    key = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    listing = caches["moment"].get(key) if form.is_valid() else None
    if listing is None:
        listing, is_empty = _listing(category, form, query, number)
        if form.is_valid() and not is_empty:
            caches["moment"].set(key, listing)
    context = {"listing": listing, "query": query, "search_form": form, "category": category}
    return render(request, "streams/directory.html", context, status=200 if form.is_valid() else 400)


def _listing(category: Category | None, form: SearchForm, query: str, number: str) -> tuple[SafeString, bool]:
    """The directory's own part, which holds nothing of the person who asks, and whether it is empty."""
    streams = selectors.live_find(category=category, query=query) if form.is_valid() else selectors.NO_STREAMS
    page = Paginator(range(streams.total), CARDS_PER_PAGE).get_page(number)
    shown = selectors.Directory([], counts_available=True)
    if streams.total:
        shown = selectors.directory(
            streams=streams, offset=page.start_index() - 1, limit=CARDS_PER_PAGE, featured_first=True
        )
    chosen = {"q": query, "category": category.slug if category else ""}
    context = {
        "cards": shown.cards,
        "counts_available": shown.counts_available,
        "total": streams.total,
        "house_viewers": selectors.house_viewers(),
        "page_obj": page,
        "query": query,
        "search_form": form,
        "categories": selectors.category_list(),
        "category": category,
        "filter_query": urlencode({name: value for name, value in chosen.items() if value}),
    }
    return render_to_string("streams/listing.html", context), not shown.cards


def _chosen_category(request: HttpRequest) -> Category | None:
    slug = request.GET.get("category", "")
    if not slug:
        return None
    category = selectors.category_find(slug=slug)
    if category is None:
        raise Http404("no such category")
    return category


# Never cached: the page carries a token made for this browser.
@never_cache
@require_safe
def live(request: HttpRequest, stream_id: int) -> HttpResponse:
    """One stream: the counts of now and what its socket needs, or the final figures once it has ended.

    A stream behind a zone is shown to who came through its waiting room; the others are sent there.
    """
    stream = selectors.stream_find(stream_id=stream_id)
    if stream is None:
        raise Http404("no such stream")
    identity = viewer_identity(request)
    at_the_door = _door(request, stream, identity)
    if at_the_door is not None:
        remember_browser(at_the_door, identity)  # a pass is given to the browser that it is made for
        return at_the_door
    counts = selectors.stream_counts(stream=stream) if stream.is_live else None
    context = {
        "stream": stream,
        "is_live": stream.is_live,
        "is_protected": stream.is_protected,
        "counts": counts,
        "counts_available": counts is not None or not stream.is_live,
        "socket_path": f"/ws/streams/{stream.pk}/",
        "socket_token": _socket_token(identity, stream.pk) if stream.is_live else "",
        "token_url": f"/api/streams/{stream.pk}/token",
        "viewers_url": f"/api/streams/{stream.pk}/viewers",
        "is_owner": request.user.is_authenticated and stream.broadcaster.user_id == request.user.pk,
    }
    response = render(request, "streams/live.html", context)
    remember_browser(response, identity)
    passage.passage_give(response, stream, identity, now=time.time())
    return response


def _door(request: HttpRequest, stream: Stream, identity: ViewerIdentity) -> HttpResponse | None:
    """What who may not (yet) see this stream is answered; None: come in."""
    has_passage = passage.passage_has(request, stream, identity)
    # A HEAD is somebody's preview of a link; it must not use a pass up.
    has_pass = stream.zone_id is not None and passage.PARAMETER in request.GET and request.method == "GET"
    if has_passage and not has_pass:
        return None
    clean_address = HttpResponseRedirect(stream.get_absolute_url())
    if has_passage:
        return clean_address
    if not has_pass:
        return HttpResponseRedirect(passage.waiting_address(stream))
    try:
        claims = passage.pass_read(request, stream, identity)
        is_first_use = stream.zone is None or pass_redeem(zone=stream.zone, claims=claims)
    except PassError as error:
        return _pass_refused(request, stream, error.reason)
    except PassUnchecked:
        return _pass_refused(request, stream, "unchecked", status=503)
    if not is_first_use:
        return _pass_refused(request, stream, "used")
    passage.passage_give(clean_address, stream, identity, now=time.time())
    return clean_address


def _pass_refused(request: HttpRequest, stream: Stream, reason: str, *, status: int = 403) -> HttpResponse:
    context = {"stream": stream, "reason": reason, "waiting_address": passage.waiting_address(stream)}
    return render(request, "streams/pass_refused.html", context, status=status)


def _socket_token(identity: ViewerIdentity, stream_id: int) -> str:
    try:
        return ports.audience().viewer_token(identity=identity, stream_id=stream_id)
    except ports.AudienceUnavailable:
        return ""
