"""The account table."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """Someone who signs in: a viewer, a broadcaster or an operator."""

    display_name = models.CharField(_("display name"), max_length=40, blank=True)

    class Meta(AbstractUser.Meta):
        db_table = "users"

    @property
    def shown_name(self) -> str:
        """The name that pages show: the chosen one, else the one used to sign in."""
        return self.display_name or self.username
