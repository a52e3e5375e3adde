"""Addresses to which only forms are sent, and which people come to without one all the same.

They signed in anew after sending it, or chose another language on the answer.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from ..managers import Action, zone_for
from .views import person


def lead_back(request: HttpRequest, zone_id: str, *, page: str, action: Action) -> HttpResponse:
    """To the page of the form, for those who may see it, saying that nothing was done."""
    zone, _role = zone_for(person(request), zone_id, action)
    if request.method == "GET":
        messages.warning(request, _("Nothing was changed. If you sent something, send it again from here."))
    return redirect(page, zone_id=zone.pk)
