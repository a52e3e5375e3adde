"""What happens to accounts, as far as the waiting room goes: who is banned or deleted leaves the managers' pages."""

from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.accounts.models import User
from apps.accounts.signals import user_banned

from .role_services import roles_changed, roles_end


@receiver(user_banned)
def see_out_banned(**_: Any) -> None:
    """Their session is over; open pages look at once rather than some seconds later."""
    roles_changed()


@receiver(pre_delete, sender=User)
def see_out_deleted(instance: User, **_: Any) -> None:
    """Their roles go with their account, and a zone's past says so."""
    roles_end(user=instance)
