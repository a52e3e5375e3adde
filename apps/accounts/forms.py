"""The forms of sign-up and sign-in, and what the admin's share with them."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm, UserCreationForm
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from .models import User
from .services import username_check


class SignInForm(AuthenticationForm):
    """Django's own, which tells a banned user so, and until when."""

    def get_invalid_login_error(self) -> ValidationError:
        """Why not. That an account is banned is told to who knows its password, and to nobody else."""
        name, password = self.cleaned_data["username"], self.cleaned_data["password"]
        user = User.objects.filter(username=User.normalize_username(name)).first()
        if user is None or not user.is_active or not user.is_banned or not user.check_password(password):
            return super().get_invalid_login_error()
        if user.banned_until is None:
            return ValidationError(_("This account is banned."), code="banned")
        until = date_format(timezone.localtime(user.banned_until), "DATETIME_FORMAT")
        return ValidationError(_("This account is banned until %(until)s.") % {"until": until}, code="banned")


class SignUpForm(UserCreationForm):
    """Django's checks of name and password, and the name that pages show."""

    class Meta:
        model = User
        fields = ("username", "display_name")


class NameForm(ModelForm):
    """Refuses new names that sign-up refuses; an account that has such a name from before may keep it."""

    def clean(self) -> dict[str, Any] | None:
        told = super().clean()
        if "username" in self.changed_data:
            username_check(self.cleaned_data.get("username", ""))
        return told
