"""A ranking is the same bytes for everybody who asks in the same moment, and only then."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from apps.operations.middleware import RANKINGS_KEPT, rankings_of_the_moment

pytestmark = pytest.mark.asyncio


class Site:
    """What is behind the middleware: answers with how often it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.asked = 0
        self.status = status

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.asked += 1
        return HttpResponse(str(self.asked), status=self.status, headers={"X-Content-Type-Options": "nosniff"})


def request_make(query: str = "", *, path: str = "/api/rankings", method: str = "GET") -> HttpRequest:
    request = HttpRequest()
    request.method, request.path_info = method, path
    request.META["QUERY_STRING"] = query
    return request


async def test_the_same_question_in_the_same_moment_is_answered_once(settings: Any) -> None:
    settings.RANKINGS_KEPT_S = 60.0
    site = Site()
    ask = rankings_of_the_moment(site)
    answers = [await ask(request_make("limit=5")) for _ in range(3)]
    assert [answer.content for answer in answers] == [b"1"] * 3
    assert [answer["X-Content-Type-Options"] for answer in answers] == ["nosniff"] * 3
    assert (await ask(request_make("limit=6"))).content == b"2"
    assert (await ask(request_make("limit=5", method="POST"))).content == b"3"
    assert (await ask(request_make("limit=5", path="/api/streams"))).content == b"4"


async def test_when_the_moment_is_over_it_is_asked_again(settings: Any) -> None:
    settings.RANKINGS_KEPT_S = 0.0
    ask = rankings_of_the_moment(Site())
    assert [(await ask(request_make())).content for _ in range(2)] == [b"1", b"2"]


async def test_rankings_of_other_days_are_kept_apart(settings: Any) -> None:
    settings.RANKINGS_KEPT_S = 60.0
    ask = rankings_of_the_moment(Site())
    paths = ("/api/rankings", "/api/rankings/today", "/api/rankings/week", "/api/rankings/today", "/api/rankings/year")
    assert [(await ask(request_make(path=path))).content for path in (*paths, paths[-1])] == [
        *(b"1", b"2", b"3"),
        b"2",
        *(b"4", b"5"),
    ]


async def test_while_one_is_made_anew_others_are_given_the_old_one_but_not_for_long(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("apps.operations.middleware.time", SimpleNamespace(monotonic=lambda: clock[0]))
    go_on = asyncio.Event()
    site = Site()

    async def slow(request: HttpRequest) -> HttpResponse:
        answer = await site(request)
        if site.asked == 2:
            await go_on.wait()
        return answer

    settings.RANKINGS_KEPT_S = 60.0
    ask = rankings_of_the_moment(slow)
    assert (await ask(request_make())).content == b"1"
    clock[0] += 61
    renewing = asyncio.ensure_future(ask(request_make()))
    await asyncio.sleep(0)  # it begins
    assert (site.asked, (await ask(request_make())).content) == (2, b"1")
    clock[0] += 60
    assert (await ask(request_make())).content == b"3"
    go_on.set()
    assert (await renewing).content == b"2"


async def test_errors_are_not_kept(settings: Any) -> None:
    settings.RANKINGS_KEPT_S = 60.0
    ask = rankings_of_the_moment(Site(status=503))
    assert [(await ask(request_make())).content for _ in range(2)] == [b"1", b"2"]


async def test_many_questions_do_not_grow_it_without_bound(settings: Any) -> None:
    settings.RANKINGS_KEPT_S = 60.0
    ask = rankings_of_the_moment(Site())
    for number in range(RANKINGS_KEPT + 1):
        await ask(request_make(f"offset={number}"))
    assert (await ask(request_make("offset=0"))).content == str(RANKINGS_KEPT + 2).encode()
    assert (await ask(request_make(f"offset={RANKINGS_KEPT}"))).content == str(RANKINGS_KEPT + 1).encode()
