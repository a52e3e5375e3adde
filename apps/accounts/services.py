"""Every write to accounts."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from .models import User


def user_register(*, username: str, password: str, display_name: str = "") -> User:
    """Create an ordinary account. A taken name is a ValidationError on `username`, also when two people race for it."""
    user = User(username=User.normalize_username(username), display_name=display_name.strip())
    user.set_password(password)
    user.clean_fields()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise ValidationError({"username": _("A user with that username already exists.")}) from error
    return user


def operator_ensure(*, username: str, password: str) -> User:
    """Make sure that an operator with this name and password exists, who may do everything in the admin.

    Safe to repeat: an existing account gets its rights and password set again.
    """
    user, _created = User.objects.get_or_create(username=User.normalize_username(username))
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return user
