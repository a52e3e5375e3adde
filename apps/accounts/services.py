"""Every write to accounts."""

from datetime import datetime
from functools import partial

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from . import signals
from .models import User
from .viewers import is_like_an_id


class BanRefused(Exception):
    """Nobody bans themselves, and only who may do everything bans an operator."""


def user_register(*, username: str, password: str, display_name: str = "") -> User:
    """Create an ordinary account. A taken name is a ValidationError on `username`, also when two people race for it.

    So is a name like the id of a viewer, which operators would take for the other.
    """
    user = User(username=User.normalize_username(username), display_name=display_name.strip())
    user.set_password(password)
    user.clean_fields()
    username_check(user.username)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise ValidationError({"username": _("A user with that username already exists.")}) from error
    return user


def username_check(username: str) -> None:
    """A ValidationError on `username` for a name like the id of a viewer, which operators would take for the other."""
    if is_like_an_id(username):
        raise ValidationError({"username": _("This username is like a viewer's number. Choose another one.")})


def operator_ensure(*, username: str, password: str) -> User:
    """Make sure that an operator with this name and password exists, who may do everything in the admin.

    Safe to repeat: an existing account gets its rights and password set again.
    """
    user, _created = User.objects.get_or_create(username=User.normalize_username(username))
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return user


def user_ban(*, actor: User, user: User, until: datetime | None, reason: str = "") -> User:
    """Keep a user out until then, or (None) for good: sessions end, sign-in and tokens are refused, sockets close.

    Banning again replaces the end and the reason. BanRefused, and nothing is written, for oneself, and for an operator
    unless `actor` may do everything. A moment that has passed is a ValidationError on `until`.
    """
    _ban_check(actor, user)
    now = timezone.now()
    if until is not None and until <= now:
        raise ValidationError({"until": _("The end of a ban lies in the future.")})
    User.objects.filter(pk=user.pk).update(
        banned_at=now, banned_until=until, ban_reason=reason.strip()[:200], sessions_ended=F("sessions_ended") + 1
    )
    user.refresh_from_db()
    _announce(signals.user_banned, user)
    return user


def _ban_check(actor: User, user: User) -> None:
    if user.pk == actor.pk or ((user.is_staff or user.is_superuser) and not actor.is_superuser):
        raise BanRefused(f"{actor.pk} may not ban {user.pk}, nor lift a ban")


def user_unban(*, actor: User, user: User) -> bool:
    """Let a user in again, who then signs in anew. True when there was a ban to lift; repeating changes nothing.

    BanRefused, and nothing is written, where `actor` could not have banned them.
    """
    _ban_check(actor, user)
    lifted = User.objects.filter(pk=user.pk, banned_at__isnull=False).update(
        banned_at=None, banned_until=None, ban_reason=""
    )
    user.refresh_from_db()
    if lifted:
        _announce(signals.user_unbanned, user)
    return bool(lifted)


def _announce(signal: Signal, user: User) -> None:
    # Robust: the row is already true, so a listener that fails is logged and must not fail the request.
    transaction.on_commit(partial(signal.send_robust, sender=User, user=user))
