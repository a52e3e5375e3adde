"""Health checks are answered before anything else."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from . import views

CHECKS = {"/health/live": views.live, "/health/ready": views.ready}


@sync_and_async_middleware
def health_checks(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Put first. A load balancer asks by IP address, which ALLOWED_HOSTS would refuse, and a busy server must not
    answer late because sessions and languages are looked up in threads first."""
    if not iscoroutinefunction(get_response):
        return get_response  # the URLs answer

    async def middleware(request: HttpRequest) -> HttpResponse:
        check = CHECKS.get(request.path_info)
        answer: Awaitable[HttpResponse] = check(request) if check else get_response(request)
        return await answer

    return middleware
