"""Our own middleware: health checks and rankings before all else, a content policy, one thread for all the rest."""

import time
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import async_only_middleware, sync_only_middleware

from apps.realtime.content_policy import CONTENT_POLICY, PACKAGES_POLICY

from . import views

CHECKS = {"/health/live": views.live, "/health/ready": views.ready}
RANKINGS = ("/api/rankings", "/api/rankings/today", "/api/rankings/week")
# Different questions kept at once; past it all are forgotten, which costs a moment.
RANKINGS_KEPT = 256

# Pages of packages, with scripts inside.
OF_PACKAGES = ("/admin/", "/api/docs")


@async_only_middleware
def health_checks(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Put first. A load balancer asks by IP address, which ALLOWED_HOSTS would refuse, and a busy server must not
    answer late because sessions and languages are looked up in a thread first."""

    async def middleware(request: HttpRequest) -> HttpResponse:
        check = CHECKS.get(request.path_info)
        return await (check(request) if check else get_response(request))

    return middleware


@sync_only_middleware
def content_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell browsers what our pages may load, so that text that slipped in as markup runs nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_packaged = request.path_info.startswith(OF_PACKAGES)
        response["Content-Security-Policy"] = PACKAGES_POLICY if is_packaged else CONTENT_POLICY
        return response

    return middleware


@async_only_middleware
def rankings_of_the_moment(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Give everyone who asks for a ranking in the same moment the same bytes, without a thread, a session or Redis.

    A ranking is public and the same for all; its `at` says of which moment it is. RANKINGS_KEPT_S is that moment. Once
    it is over, one request makes the ranking anew, and those that come meanwhile are given the old one for up to
    another moment: two hundred a second would all have to wait for it, twice a second.
    """
    kept: dict[str, tuple[float, bytes, dict[str, str]]] = {}
    making: set[str] = set()

    async def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "GET" or request.path_info not in RANKINGS:
            return await get_response(request)
        asked, now = f"{request.path_info}?{request.META['QUERY_STRING']}", time.monotonic()
        moments = 2 if asked in making else 1
        if (found := kept.get(asked)) is not None and now - found[0] < moments * settings.RANKINGS_KEPT_S:
            return HttpResponse(found[1], headers=found[2])
        making.add(asked)
        try:
            response = await get_response(request)
        finally:
            making.discard(asked)
        if response.status_code == 200:
            if len(kept) >= RANKINGS_KEPT:
                kept.clear()
            kept[asked] = (now, response.content, dict(response.items()))
        return response

    return middleware


@sync_only_middleware
def in_one_thread(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Put last. Django's own middleware hops into a thread and back twice each when the view is asynchronous; behind a
    synchronous end the whole chain and the view run in one hop. Measured: 4.7 ms of CPU a request became 2.7."""
    return get_response
