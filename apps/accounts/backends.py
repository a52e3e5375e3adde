"""Who may be signed in: Django's check of name and password, less those who are banned."""

from typing import Any

from django.contrib.auth.backends import ModelBackend


class AccountBackend(ModelBackend):
    """Asked at every sign-in and at every request of a session, so a ban holds from its first moment."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Neither inactive nor banned."""
        return super().user_can_authenticate(user) and not user.is_banned
