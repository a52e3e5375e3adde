"""The account table."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """Someone who signs in: a viewer, a broadcaster or an operator."""

    display_name = models.CharField(_("display name"), max_length=40, blank=True)
    # Banned while banned_at is set and banned_until is empty (for good) or still to come.
    banned_at = models.DateTimeField(_("banned"), null=True, blank=True, editable=False)
    banned_until = models.DateTimeField(_("banned until"), null=True, blank=True, editable=False)
    ban_reason = models.CharField(_("reason of the ban"), max_length=200, blank=True, default="", editable=False)
    # Set while a request is answered that came from elsewhere than ADMIN_ALLOWED_ADDRESSES: see house_addresses.py.
    is_outside = False
    # Part of what a session is checked against: raising it ends all sessions, for good.
    sessions_ended = models.PositiveIntegerField(default=0, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"
        permissions = [
            ("ban_user", "Can ban and unban users"),
            ("disconnect_user", "Can close the sockets of viewers"),
        ]
        # For the admin's list, which is searched by the beginning of a name, filtered, and ordered by newest first.
        indexes = [
            models.Index(fields=["date_joined"], name="users_joined"),
            models.Index(fields=["is_staff", "date_joined"], name="users_staff"),
            models.Index(fields=["is_active", "date_joined"], name="users_active"),
            models.Index(fields=["display_name"], name="users_display_name"),
            models.Index(fields=["email"], name="users_email"),
            models.Index(fields=["banned_at"], name="users_banned"),
        ]

    @property
    def shown_name(self) -> str:
        """The name that pages show: the chosen one, else the one used to sign in."""
        return self.display_name or self.username

    @property
    def viewer_id(self) -> str:
        """What this user is counted as while watching."""
        return f"u{self.pk}"

    @property
    def is_banned(self) -> bool:
        """Whether the user may not sign in now."""
        return self.banned_at is not None and (self.banned_until is None or self.banned_until > timezone.now())

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's own for who never had sessions ended, so that nobody else is signed out.
        if not self.sessions_ended:
            return str(super()._get_session_auth_hash(secret))  # type: ignore[misc]  # not in its stubs
        proof = f"{self.password}\n{self.sessions_ended}"
        return salted_hmac("apps.accounts.sessions", proof, secret=secret, algorithm="sha256").hexdigest()
