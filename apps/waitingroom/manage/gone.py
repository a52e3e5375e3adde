"""Zones that go while a page of theirs is being made."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse

from ..models import Zone, ZoneChange


def may_go(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of a zone that may be deleted between two of its reads: 404 then, as if it had not been there."""

    @wraps(view)
    def answering(*args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except (Zone.DoesNotExist, ZoneChange.DoesNotExist) as error:
            raise Http404("the zone is gone") from error

    return answering
