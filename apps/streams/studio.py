"""The broadcaster's own pages: start a stream, change what it says, end it, look back. They work without JavaScript."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import User

from . import selectors, services
from .forms import StreamForm
from .models import Stream

PAST_PER_PAGE = 20


@never_cache
@login_required
@require_safe
def studio(request: HttpRequest) -> HttpResponse:
    """What is on now, or the form to start, and the list of past streams."""
    return _studio_page(request)


@login_required
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Start a stream. Someone's first start also makes their channel."""
    form = StreamForm(request.POST, for_staff=_user(request).is_staff)
    if not form.is_valid():
        return _studio_page(request, start_form=form)
    try:
        stream = services.stream_start(
            broadcaster=services.broadcaster_ensure(user=_user(request)), **form.cleaned_data
        )
    except services.StreamAlreadyLive:
        messages.error(request, _("You are already live. End that stream first."))
        return _studio_page(request, status=409)
    except ValidationError as error:
        form.add_error(None, error)
        return _studio_page(request, start_form=form)
    messages.success(request, _("You are live: %(title)s") % {"title": stream.title})
    return redirect("streams:studio")


@login_required
@require_POST
def edit(request: HttpRequest, stream_id: int) -> HttpResponse:
    """Change title, category and addresses of the running stream."""
    stream = _own_stream(request, stream_id)
    form = StreamForm(request.POST, for_staff=_user(request).is_staff)
    if not form.is_valid():
        return _studio_page(request, edit_form=form)
    try:
        services.stream_update(stream=stream, **form.cleaned_data)
    except services.StreamIsOver:
        messages.error(request, _("That stream has ended, so it stays as it was."))
        return _studio_page(request, status=409)
    messages.success(request, _("Saved."))
    return redirect("streams:studio")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: HttpRequest, stream_id: int) -> HttpResponse:
    """Ask whether to end the stream; a POST ends it. Ending twice says the same as ending once."""
    stream = _own_stream(request, stream_id)
    if request.method == "POST":
        services.stream_end(stream=stream)
        messages.success(request, _("The stream has ended."))
        return redirect("streams:studio")
    if not stream.is_live:
        return redirect("streams:studio")
    context = {"stream": stream, "live_counts": selectors.stream_counts(stream=stream)}
    return render(request, "streams/studio_end.html", context)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # login_required has seen to it


def _own_stream(request: HttpRequest, stream_id: int) -> Stream:
    # Someone else's stream is answered like one that does not exist.
    stream = selectors.stream_find(stream_id=stream_id)
    if stream is None or stream.broadcaster.user_id != request.user.pk:
        raise Http404("no such stream of yours")
    return stream


def _studio_page(
    request: HttpRequest,
    *,
    start_form: StreamForm | None = None,
    edit_form: StreamForm | None = None,
    status: int = 200,
) -> HttpResponse:
    broadcaster = selectors.broadcaster_of(user=_user(request))
    stream = selectors.broadcaster_live_stream(broadcaster=broadcaster) if broadcaster else None
    past = selectors.broadcaster_past_streams(broadcaster=broadcaster) if broadcaster else Stream.objects.none()
    counts = selectors.stream_counts(stream=stream) if stream else None
    for_staff = _user(request).is_staff
    context: dict[str, Any] = {
        "broadcaster": broadcaster,
        "live_stream": stream,
        "live_counts": counts,
        "counts_available": counts is not None or stream is None,
        "start_form": None if stream else start_form or StreamForm(for_staff=for_staff),
        "edit_form": (edit_form or StreamForm.of(stream, for_staff=for_staff)) if stream else None,
        "page_obj": Paginator(past, PAST_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "streams/studio.html", context, status=status)
