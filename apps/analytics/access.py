"""Whose statistics somebody may see: a broadcaster its own, staff everybody's. Others are told that there are none."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from apps.accounts.models import User
from apps.streams.models import Broadcaster, Stream
from apps.streams.selectors import broadcaster_find, stream_find


def broadcaster_open(*, user: AbstractBaseUser | AnonymousUser, slug: str) -> Broadcaster:
    """The broadcaster with this slug, if its statistics are open to the user; Http404."""
    broadcaster = broadcaster_find(slug=slug) if user.is_authenticated else None
    if broadcaster is None or not _is_open(user, broadcaster):
        raise Http404("There is no such broadcaster.")
    return broadcaster


def stream_open(*, user: AbstractBaseUser | AnonymousUser, stream_id: int) -> Stream:
    """The stream with this id, if its statistics are open to the user; Http404."""
    stream = stream_find(stream_id=stream_id) if user.is_authenticated else None
    if stream is None or not _is_open(user, stream.broadcaster):
        raise Http404("There is no such stream.")
    return stream


def _is_open(user: AbstractBaseUser | AnonymousUser, broadcaster: Broadcaster) -> bool:
    return isinstance(user, User) and (user.is_staff or broadcaster.user_id == user.pk)
