"""What owners and staff type: a zone's other fields, a new zone, who manages it; and what of the past is asked for."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User

from .. import rules
from ..manager_models import Role, ZoneManager
from ..models import FailMode, Zone, ZoneMode, origins_refusal
from ..reports import LONGEST
from ..role_services import Seen
from .forms import CountField, Hidden, MomentField, VersionedForm, shows_what_it_held, why_field


def _app_of(known: forms.Field, apps: Sequence[str]) -> forms.ChoiceField:
    """The field of the app as one to choose from these; "" is no app."""
    return forms.ChoiceField(
        label=known.label,
        choices=[(app, app or _("none")) for app in apps],
        required="" not in apps,
        help_text=known.help_text,
    )


def _app_field() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("App"), max_length=40, required=False, help_text=gettext_lazy("Which app sends people here.")
    )


def _screen_field() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Screen"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("Which of its screens is behind it."),
    )


def _origins_check(text: str) -> None:
    if told := origins_refusal(text):
        raise ValidationError(told)


def _origins_field() -> forms.CharField:
    return forms.CharField(
        validators=[_origins_check],
        label=gettext_lazy("Sites to return to"),
        max_length=2_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("One a line, such as https://shop.example. This site itself needs no line."),
    )


class SettingsForm(VersionedForm):
    """All that an owner decides."""

    name = forms.CharField(label=gettext_lazy("Name in English"), max_length=rules.MAX_NAME)
    name_ko = forms.CharField(label=gettext_lazy("Name in Korean"), max_length=rules.MAX_NAME, required=False)
    app = _app_field()
    screen = _screen_field()
    origins = _origins_field()
    idle_s = CountField(
        label=gettext_lazy("Idle limit, seconds"),
        min_value=rules.IDLE_LIMITS_S[0],
        max_value=rules.IDLE_LIMITS_S[1],
        help_text=gettext_lazy("Who is silent for longer is out of the line."),
    )
    poll_ms = CountField(
        label=gettext_lazy("Polling period, milliseconds"),
        min_value=rules.POLL_LIMITS_MS[0],
        max_value=rules.POLL_LIMITS_MS[1],
        help_text=gettext_lazy("It grows by itself with a long wait."),
    )
    fail_mode = forms.ChoiceField(label=gettext_lazy("When Redis is away"), choices=FailMode.choices)
    pass_s = CountField(
        label=gettext_lazy("Pass good for, seconds"), min_value=rules.PASS_LIMITS_S[0], max_value=rules.PASS_LIMITS_S[1]
    )
    single_use = forms.BooleanField(label=gettext_lazy("Passes open once"), required=False)
    field_order = (
        *("name", "name_ko", "app", "screen", "origins", "idle_s", "poll_ms"),
        *("fail_mode", "pass_s", "single_use", "why", "version"),
    )

    def clean(self) -> dict[str, Any]:
        """What two fields make of each other, told along with what is wrong with others."""
        data = super().clean() or {}
        idle_s, poll_ms = data.get("idle_s"), data.get("poll_ms")
        if idle_s is not None and poll_ms is not None and poll_ms * 2 > idle_s * 1_000:
            self.add_error("poll_ms", _("Must fit into the idle limit at least twice."))
        return data

    def for_apps(self, apps: Sequence[str] | None) -> "SettingsForm":
        """The same form with these apps to choose from, None: any; call it before the form is looked at.

        The app that the form showed may be sent as it stood: what nobody touched is not written.
        """
        if apps is not None:
            shown = self.data.get(self.add_initial_prefix("app"))
            self.fields["app"] = _app_of(self.fields["app"], sorted({*apps, *([] if shown is None else [shown])}))
            shows_what_it_held(self.fields["app"])
        return self


class CreateForm(forms.Form):
    """A new zone: what cannot be left to a default."""

    name = forms.CharField(label=gettext_lazy("Name in English"), max_length=rules.MAX_NAME)
    name_ko = forms.CharField(label=gettext_lazy("Name in Korean"), max_length=rules.MAX_NAME, required=False)
    zone_id = forms.CharField(
        label=gettext_lazy("Id"),
        # The one of its validators that tells of the length, too: once is enough.
        validators=[one for one in Zone._meta.get_field("zone_id").validators if isinstance(one, RegexValidator)],
        help_text=gettext_lazy("Letters, digits, _ and -, as apps send it. It cannot be changed later."),
        widget=forms.TextInput(
            attrs={"maxlength": "64", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    per_minute = CountField(
        label=gettext_lazy("Entries a minute"), min_value=0, max_value=rules.MAX_PER_MINUTE, initial=100
    )
    mode = forms.ChoiceField(label=gettext_lazy("Mode"), choices=ZoneMode.choices, initial=ZoneMode.OPEN)
    app = _app_field()
    screen = _screen_field()
    origins = _origins_field()
    why = why_field()

    def __init__(self, data: QueryDict | None = None, *, apps: Sequence[str] | None = None) -> None:
        """`apps`: those to choose from; None for any."""
        super().__init__(data)
        if apps is not None:
            self.fields["app"] = _app_of(self.fields["app"], apps)

    def clean_zone_id(self) -> str:
        """One that is free, as far as can be seen: told along with what is wrong with other fields."""
        zone_id: str = self.cleaned_data["zone_id"]
        taken = Zone.objects.filter(zone_id__iexact=zone_id).values_list("pk", flat=True).first()
        if taken == zone_id:
            raise ValidationError(_("There is a zone with this id."))
        if taken is not None:
            raise ValidationError(_("There is a zone whose id differs only in upper and lower case."))
        return zone_id


class ManagerForm(forms.Form):
    """Somebody gets a role. It carries who had which when it was shown: of those nobody's is overwritten unseen."""

    username = forms.CharField(
        label=gettext_lazy("Username"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    role = forms.TypedChoiceField(
        label=gettext_lazy("Role"), choices=Role.choices, coerce=lambda value: Role(int(value)), initial=Role.OPERATOR
    )
    why = why_field()
    shown = forms.CharField(widget=Hidden, required=False)

    @classmethod
    def of(cls, shown: Iterable[ZoneManager]) -> Self:
        """The form beside these roles."""
        return cls(initial={"shown": _roles_text(shown)})

    def seen_of(self, user: User) -> Seen:
        """What the page showed of this person; the form must be valid."""
        roles = dict(re.findall(r"(\d+):(\d)", self.cleaned_data["shown"]))
        return Seen(int(roles[str(user.pk)]) if str(user.pk) in roles else None)

    def again(self, shown: Iterable[ZoneManager]) -> Self:
        """The form once more after a conflict: what was typed, beside these roles."""
        return type(self)({**{name: self.data[name] for name in self.data}, "shown": _roles_text(shown)})


def _roles_text(shown: Iterable[ZoneManager]) -> str:
    return ",".join(f"{one.user_id}:{one.role}" for one in shown)


class SpanForm(forms.Form):
    """From when to when a report is."""

    start = MomentField(label=gettext_lazy("From"))
    end = MomentField(label=gettext_lazy("To"))

    def clean(self) -> dict[str, Any]:
        """A span that lies the right way round, and is no longer than a report may be."""
        data = super().clean() or {}
        start, end = data.get("start"), data.get("end")
        for name, moment in (("start", start), ("end", end)):
            # Further off there are moments that no database takes, and some that no clock of ours can tell.
            if moment is not None and not 0 <= moment.timestamp() * 1_000 <= rules.MAX_OPENS_MS:
                self.add_error(name, _("Must lie between 1970 and 2200."))
        if start is not None and end is not None and not self.errors:
            if end - start < timedelta(minutes=1):
                self.add_error("end", _("The end must come after the start."))
            elif end - start > LONGEST:
                text = _("A report covers at most %(days)d days.") % {"days": LONGEST.days}
                self.add_error("end", text)
        return data


class SiftForm(forms.Form):
    """What of the wall is shown."""

    q = forms.CharField(required=False, max_length=80)
    app = forms.CharField(required=False, max_length=40)
    mode = forms.ChoiceField(required=False, choices=[("", ""), *ZoneMode.choices])
