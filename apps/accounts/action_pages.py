"""The page between choosing an action in the admin and its being done: what will happen, to whom, and what to say."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

REASON_MAX = 200


class ActionForm(forms.Form):
    """What is asked before an action is done. Bound once somebody has answered."""

    @classmethod
    def of(cls, request: HttpRequest, **initial: Any) -> "ActionForm":
        """The form as this request has it."""
        return cls(request.POST) if "confirmed" in request.POST else cls(initial=initial)


class ReasonForm(ActionForm):
    """Why."""

    reason = forms.CharField(
        label=_("Reason"), max_length=REASON_MAX, required=False, widget=UnfoldAdminTextInputWidget()
    )


HOURS = {"1": _("1 hour"), "6": _("6 hours"), "24": _("1 day"), "168": _("7 days"), "720": _("30 days")}


class EndField(forms.ChoiceField):
    """For how long from now; cleaned to the moment of the end, None without one."""

    def __init__(self, *, endless: Any, **kwargs: Any) -> None:
        super().__init__(choices=[*HOURS.items(), ("0", endless)], widget=UnfoldAdminSelectWidget(), **kwargs)

    def clean(self, value: Any) -> datetime | None:  # type: ignore[override]
        hours = int(super().clean(value))
        return timezone.now() + timedelta(hours=hours) if hours else None


def row_named(model_admin: ModelAdmin, request: HttpRequest, object_id: str) -> Any:
    """The row that an address of the admin names; Http404 if there is none, or nothing could be called so."""
    row = model_admin.get_object(request, unquote(object_id))
    if row is None:
        raise Http404(f"no {model_admin.opts.model_name} {object_id!r}")
    return row


def action_page(
    model_admin: ModelAdmin,
    request: HttpRequest,
    *,
    action: str,
    rows: Iterable[Any],
    form: forms.Form,
    title: str,
    warning: str,
    button: str,
    is_dangerous: bool = True,
    target: str = "",
    notes: Mapping[Any, str] | None = None,
    carried: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Ask: the form leads back to the list's own `action` with `confirmed` and the same rows chosen, or to `target`.

    `notes` says of a row what else is to be known before, such as how many people it concerns. `carried` comes back
    with the answer, unseen.
    """
    chosen = list(rows)
    opts = model_admin.model._meta
    changelist = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    if request.path == changelist:
        changelist = request.get_full_path()  # with what was searched for
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": opts,
        "warning": warning,
        "rows": [(row, (notes or {}).get(row, "")) for row in chosen],
        "form": form,
        "button": button,
        "is_dangerous": is_dangerous,
        "target": target or changelist,
        "back": changelist,
        "hidden": [
            ("confirmed", "yes"),
            *(carried or {}).items(),
            *([("action", action), *((ACTION_CHECKBOX_NAME, row.pk) for row in chosen)] if action else []),
        ],
    }
    return TemplateResponse(request, "admin/action_form.html", context)
