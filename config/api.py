"""The JSON API: which routers it mounts, and its one shape of errors."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from ninja import NinjaAPI
from ninja.errors import HttpError, Throttled, ValidationError

from apps.analytics.api import router as statistics_router
from apps.analytics.export_api import router as export_router
from apps.audience.api import router as audience_router
from apps.realtime.metrics import REJECTED
from apps.streams.api import router as streams_router

from .errors import api_error, not_found

# The largest body that any operation takes is a token of a few hundred bytes.
MAX_BODY_BYTES = 16 * 1024

api = NinjaAPI(title="Fullhouse API", version="1.0.0", description="Live streams and their audiences, in real time.")
api.add_router("", streams_router)
api.add_router("", audience_router)
api.add_router("", statistics_router)
api.add_router("", export_router)


def _refusal(status: int, detail: str, error: str = "") -> HttpResponse:
    """An API error that is the client's doing, counted."""
    refusal = api_error(status, detail, error)
    REJECTED.labels("api", error or HTTPStatus(status).name.lower()).inc()
    return refusal


@api.exception_handler(Http404)
def _on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return _refusal(404, str(error) or "There is nothing at this address.")


@api.exception_handler(HttpError)
def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    answer = _refusal if error.status_code < 500 else api_error
    response = answer(error.status_code, str(error))
    if isinstance(error, Throttled) and error.wait:
        response["Retry-After"] = str(error.wait)
    return response


@api.exception_handler(ValidationError)
def _on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    # The place without its first word, which is ninja's name for where the value came from.
    said = [f"{'.'.join(str(part) for part in item['loc'][-1:])}: {item['msg']}" for item in error.errors]
    return _refusal(422, "; ".join(said), error="invalid")


def _refused(request: HttpRequest) -> HttpResponse | None:
    """The answer to a body that is too large, whose size is not told, or that is no JSON object."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if "HTTP_TRANSFER_ENCODING" in request.META:
        return _refusal(411, "Send the body with a Content-Length.")
    if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return _refusal(413, f"The body may have at most {MAX_BODY_BYTES} bytes.", error="too_large")
    if request.content_type == "application/json" and request.body and not request.body.lstrip().startswith(b"{"):
        return _refusal(422, "The body is a JSON object.", error="invalid")
    return None


def _enter(request: HttpRequest) -> HttpResponse | None:
    if request.method == "HEAD":
        # As Django's own views do: answered like GET, and the server leaves the body out.
        request.method = "GET"
    return _refused(request)


def _leave(response: HttpResponse) -> HttpResponse:
    if response.status_code != 405:
        return response
    refusal = _refusal(405, "This method is not allowed here.")
    refusal["Allow"] = response["Allow"]
    return refusal


def _guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view` with its body limited, HEAD answered and 405 in JSON, be it a coroutine function or not."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return _enter(request) or _leave(await view(request, *args, **kwargs))

        return guarded_async

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _enter(request) or _leave(view(request, *args, **kwargs))

    return guarded


def _no_such_operation(request: HttpRequest, rest: str) -> HttpResponse:
    return not_found(request, Http404())


def api_urls() -> tuple[list[URLPattern | URLResolver], str, str]:
    """What config/urls.py mounts at /api/: every operation guarded, and JSON for any other address."""
    patterns, app_name, namespace = api.urls
    for entry in patterns:
        if isinstance(entry, URLPattern) and entry.callback is not None:
            entry.callback = _guarded(entry.callback)
    return [*patterns, path("<path:rest>", _no_such_operation)], app_name, namespace
