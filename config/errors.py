"""How errors are answered: JSON with one shape under /api/ and on a gate, pages elsewhere.

An API error is `{"error": "<machine_word>", "detail": "<sentence>"}`.
"""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

API_PREFIX = "/api/"


def api_error(status: int, detail: str, error: str = "") -> JsonResponse:
    """An API error; the machine word is the name of the status unless one is given."""
    return JsonResponse({"error": error or HTTPStatus(status).name.lower(), "detail": detail}, status=status)


def _is_api(request: HttpRequest) -> bool:
    # A gate has none of the pages that an error page leads to.
    return request.path.startswith(API_PREFIX) or settings.ROLE == "gate"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what Django refuses before a view sees it."""
    if _is_api(request):
        return api_error(400, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if _is_api(request):
        return api_error(403, "This is not allowed.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if _is_api(request):
        return api_error(404, "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. What went wrong is in the log, never in the answer."""
    if _is_api(request):
        return api_error(500, "Something went wrong on our side.")
    return defaults.server_error(request)
