"""The sign-up form. Sign-in uses Django's own."""

from django.contrib.auth.forms import UserCreationForm

from .models import User


class SignUpForm(UserCreationForm):
    """Django's checks of name and password, and the name that pages show."""

    class Meta:
        model = User
        fields = ("username", "display_name")
