"""Limits on how often the API may be asked: so many requests a second, by who asks.

ninja's own limits write addresses into the cache as they are, and keep what they found of one request on an object that
all threads share, where another's is put in its place.
"""

import threading

from django.http import HttpRequest
from ninja.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

from .throttle import digest


class _Unnamed(threading.local, SimpleRateThrottle):
    """Each thread has attributes of its own, and nobody who reads the cache learns an address."""

    def get_ident(self, request: HttpRequest) -> str:
        """Whose request it is, as far as can be told without an account."""
        return digest("apps.accounts.rates", super().get_ident(request) or "")


class AddressRate(_Unnamed, AnonRateThrottle):
    """Requests of one address."""


class CallerRate(_Unnamed, UserRateThrottle):
    """Requests of one user, or of one address where nobody is signed in."""
