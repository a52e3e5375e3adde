"""What happens to accounts, as far as it concerns the waiting room: who is banned leaves the pages of managers."""

from typing import Any

from django.dispatch import receiver

from apps.accounts.signals import user_banned

from .role_services import roles_changed


@receiver(user_banned)
def see_out_banned(**_: Any) -> None:
    """Their session is over; open pages look at once rather than some seconds later."""
    roles_changed()
