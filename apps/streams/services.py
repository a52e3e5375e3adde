"""Every write to broadcasters, categories and streams."""

from datetime import datetime
from enum import Enum
from functools import partial

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Greatest
from django.dispatch import Signal
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.waitingroom.models import Zone
from apps.waitingroom.publishing import publish_on_commit

from . import ports, signals
from .models import Broadcaster, Category, Stream, StreamStatus
from .selectors import featured_now


class StreamAlreadyLive(Exception):
    """The broadcaster already has a live stream, which is `stream`."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(f"broadcaster {stream.broadcaster_id} is live in stream {stream.pk}")
        self.stream = stream


class StreamIsOver(Exception):
    """The stream has ended, and ended is final."""


class FeaturedFull(Exception):
    """As many streams are featured as may be."""


class Unchanged(Enum):
    """Stands for a value that the caller leaves as it is, where None is a value."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED

# The featured ones share the directory's first page with the rest.
FEATURED_MAX = 12


def category_ensure(*, slug: str, name: str, name_ko: str = "", position: int = 0) -> Category:
    """The category with this slug, made or brought up to date. Safe to repeat and to race."""
    category, _created = Category.objects.update_or_create(
        slug=slug, defaults={"name": name, "name_ko": name_ko, "position": position}
    )
    return category


def broadcaster_ensure(*, user: User | None = None, name: str = "", slug: str = "", bio: str = "") -> Broadcaster:
    """The broadcaster of this user, or the one with this slug; made when there is none. Safe to repeat and to race.

    Without a user, `name` is needed. Without a slug it is made from the name, with a number when that is taken.
    """
    if user is None and not name:
        raise ValidationError({"name": _("A broadcaster without a user needs a name.")})
    name = name.strip() or (user.shown_name if user else "")
    base = slug or slugify(name, allow_unicode=True)[:50] or "channel"
    for attempt in range(1, 1000):
        existing = _broadcaster_find(user=user, slug=slug)
        if existing is not None:
            return existing
        broadcaster = Broadcaster(user=user, name=name, slug=base if attempt == 1 else f"{base}-{attempt}", bio=bio)
        broadcaster.clean_fields()
        try:
            with transaction.atomic():
                broadcaster.save(force_insert=True)
        except IntegrityError:
            # Someone holds the slug, or made this very broadcaster a moment ago: look again, then try the next number.
            continue
        return broadcaster
    raise ValidationError({"slug": _("No free address for this name.")})


def _broadcaster_find(*, user: User | None, slug: str) -> Broadcaster | None:
    if user is not None:
        return Broadcaster.objects.filter(user=user).first()
    return Broadcaster.objects.filter(slug=slug).first() if slug else None


def stream_start(
    *,
    broadcaster: Broadcaster,
    category: Category,
    title: str,
    poster_url: str = "",
    playback_url: str = "",
    started_at: datetime | None = None,
    zone: Zone | None = None,
) -> Stream:
    """Open a broadcast. Raises StreamAlreadyLive when this broadcaster has one: asked first, for the ordinary case,
    and held by the database, for two requests that ask at the same moment."""
    _already_live_check(broadcaster)
    stream = Stream(
        broadcaster=broadcaster,
        category=category,
        title=title.strip(),
        poster_url=poster_url.strip(),
        playback_url=playback_url.strip(),
        started_at=started_at or timezone.now(),
        zone=zone,
    )
    stream.clean_fields()
    try:
        with transaction.atomic():
            stream.save(force_insert=True)
    except IntegrityError:
        _already_live_check(broadcaster)
        raise
    _announce(signals.stream_started, stream)
    return stream


def _already_live_check(broadcaster: Broadcaster) -> None:
    live = Stream.objects.filter(live_key=broadcaster.pk).first()
    if live is not None:
        raise StreamAlreadyLive(live)


def stream_update(
    *,
    stream: Stream,
    title: str,
    category: Category,
    poster_url: str = "",
    playback_url: str = "",
    zone: Zone | Unchanged | None = UNCHANGED,
) -> Stream:
    """Change what viewers read about a live stream, and which zone it stands behind. Raises StreamIsOver, and writes
    nothing, when it has ended.

    Who watches a stream already stays when it gets a zone: a socket outlives its token, a token lasts an hour.
    """
    previous_category_id = stream.category_id
    stream.title = title.strip()
    stream.category = category
    stream.poster_url = poster_url.strip()
    stream.playback_url = playback_url.strip()
    if not isinstance(zone, Unchanged):
        stream.zone = zone
    stream.clean_fields()
    # The condition is in the UPDATE, so that an edit that crosses with the end cannot touch an ended row.
    changed = Stream.objects.filter(pk=stream.pk, status=StreamStatus.LIVE).update(
        title=stream.title,
        category=category,
        poster_url=stream.poster_url,
        playback_url=stream.playback_url,
        **({} if isinstance(zone, Unchanged) else {"zone": zone}),
    )
    if not changed:
        raise StreamIsOver(f"stream {stream.pk} has ended")
    _announce(signals.stream_changed, stream, previous_category_id=previous_category_id)
    return stream


def stream_end(*, stream: Stream) -> bool:
    """Close a broadcast with its final figures. True when this call closed it; repeating changes nothing."""
    figures = _final_figures(stream)
    closed = Stream.objects.filter(pk=stream.pk, status=StreamStatus.LIVE).update(
        status=StreamStatus.ENDED,
        ended_at=timezone.now(),
        peak_viewers=figures.peak,
        total_viewers=figures.total,
        featured_order=None,
        featured_until=None,
    )
    stream.refresh_from_db()
    if closed:
        _announce(signals.stream_ended, stream)
        if stream.zone_id is not None:
            publish_on_commit(stream.zone_id)  # those who wait for it hear that it is over
    return bool(closed)


def stream_feature(*, stream: Stream, order: int, until: datetime | None = None) -> Stream:
    """Put a live stream before all others in the directory, by `order` among those featured, until then or its end.

    Doing it again changes order and end. Raises StreamIsOver, FeaturedFull past FEATURED_MAX, or a ValidationError for
    an end that has passed; nothing is written then.
    """
    now = timezone.now()
    if until is not None and until <= now:
        raise ValidationError({"featured_until": _("The end lies in the future.")})
    stream.featured_order, stream.featured_until = order, until
    stream.clean_fields()
    if featured_now().exclude(pk=stream.pk).count() >= FEATURED_MAX:
        raise FeaturedFull(f"{FEATURED_MAX} streams are featured")
    changed = Stream.objects.filter(pk=stream.pk, status=StreamStatus.LIVE).update(
        featured_order=order, featured_until=until
    )
    if not changed:
        raise StreamIsOver(f"stream {stream.pk} has ended")
    return stream


def stream_unfeature(*, stream: Stream) -> bool:
    """Put a stream back among the others. True when it was featured; repeating changes nothing."""
    changed = Stream.objects.filter(pk=stream.pk, featured_order__isnull=False).update(
        featured_order=None, featured_until=None
    )
    stream.refresh_from_db()
    return bool(changed)


def _final_figures(stream: Stream) -> ports.Counts:
    # A broadcaster can always end, also while Redis is away; stream_figures_raise then brings the figures later.
    try:
        return ports.audience().counts([stream.pk])[stream.pk]
    except ports.AudienceUnavailable:
        return ports.Counts(current=0, peak=0, total=0)


def stream_figures_raise(*, stream_id: int, peak: int, total: int) -> bool:
    """Bring later, larger final figures to an ended stream; figures never shrink, so this is safe to repeat."""
    return bool(
        Stream.objects.filter(pk=stream_id, status=StreamStatus.ENDED).update(
            peak_viewers=Greatest("peak_viewers", peak), total_viewers=Greatest("total_viewers", total)
        )
    )


def _announce(signal: Signal, stream: Stream, **extra: object) -> None:
    # Robust: the row is already true, so a listener that fails is logged and must not fail the request.
    transaction.on_commit(partial(signal.send_robust, sender=Stream, stream=stream, **extra))
