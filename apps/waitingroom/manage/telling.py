"""What people are told once their change is saved: that it is done, or that no gate knows of it yet."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from ..publishing import untold_now, untold_zones

UNTOLD: Any = gettext_lazy("Saved. Gates cannot be told now and go on as before; they follow once Redis is back.")


def hears_of_gates(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a view that changes zones, so that `say_done` knows whether gates were told."""

    @wraps(view)
    def hearing(*args: Any, **kwargs: Any) -> HttpResponse:
        with untold_zones():
            return view(*args, **kwargs)

    return hearing


def say_done(request: HttpRequest, text: str, *, level: int = messages.SUCCESS) -> None:
    """This was done, if gates know; and if they do not, that it is saved and they go on as before."""
    if untold_now():
        messages.warning(request, UNTOLD)
    if level != messages.SUCCESS or not untold_now():
        messages.add_message(request, level, text)
