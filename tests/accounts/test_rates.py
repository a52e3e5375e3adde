"""Limits on how often the API may be asked: who is one caller, and that callers do not get into each other's way."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest
from django.test import RequestFactory
from ninja.throttling import SimpleRateThrottle, UserRateThrottle

from apps.accounts.models import User
from apps.accounts.rates import AddressRate, CallerRate
from tests.services.redis_server import RedisServer


@pytest.fixture(autouse=True)
def still(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """All within one moment, on an empty cache."""
    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda throttle: 1_000.0)


def asked(address: str = "203.0.113.7", user_id: int | None = None, forwarded: str = "") -> HttpRequest:
    """A request from there, of a user or of nobody."""
    request = RequestFactory().get("/", REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR=forwarded)
    request.user = AnonymousUser() if user_id is None else User(pk=user_id)
    return request


def allowed(rate: SimpleRateThrottle, request: HttpRequest, times: int = 3) -> list[bool]:
    return [rate.allow_request(request) for _ in range(times)]


def test_an_address_has_so_many_whatever_it_says_of_itself() -> None:
    rate = AddressRate("2/s")
    assert [rate.allow_request(asked(forwarded=f"10.0.0.{n}")) for n in range(3)] == [True, True, False]
    assert allowed(rate, asked("203.0.113.8")) == [True, True, False]
    assert allowed(rate, asked("2001:db8::7")) == [True, True, False]


def test_who_is_signed_in_has_as_many_wherever_he_is() -> None:
    rate = CallerRate("2/s")
    assert [rate.allow_request(asked(f"203.0.113.{n}", user_id=5)) for n in range(3)] == [True, True, False]
    assert allowed(rate, asked(user_id=6)) == [True, True, False]
    assert allowed(rate, asked()) == [True, True, False]


def test_the_cache_has_no_address_and_nothing_that_can_be_guessed(settings: Any) -> None:
    keys = []
    for secret in ("one", "another"):
        settings.SECRET_KEY = secret
        for address in ("203.0.113.7", "203.0.113.8"):
            rate = AddressRate("2/s")
            assert rate.allow_request(asked(address)) is True
            assert isinstance(rate.key, str)
            assert cache.get(rate.key) == [1_000.0]
            keys.append(rate.key)
    assert len(set(keys)) == 4
    assert [key for key in keys if "203.0.113" in key] == []


def counted_of_two_at_once(rate: CallerRate | UserRateThrottle, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two users ask at once: each request has been looked at before either is counted. How many are, of each."""
    barrier = Barrier(2, timeout=20)

    def meet(throttle: SimpleRateThrottle) -> float:
        barrier.wait()
        return 1_000.0

    monkeypatch.setattr(SimpleRateThrottle, "timer", meet)
    requests = [asked(user_id=5), asked(user_id=6)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rate.allow_request, requests)) == [True, True]
    return sorted(len(cache.get(rate.get_cache_key(request), [])) for request in requests)


def test_two_users_at_once_are_counted_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    # What this is there for: of one nothing is counted, and the other may stand for both.
    assert counted_of_two_at_once(UserRateThrottle("5/s"), monkeypatch) in ([0, 1], [0, 2])
    cache.clear()
    assert counted_of_two_at_once(CallerRate("5/s"), monkeypatch) == [1, 1]
