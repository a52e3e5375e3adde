"""Who broadcasts, what about, and every broadcast that was made."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Case, F, ProtectedError, Q, QuerySet, When
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

# The addresses end up in pages as src and href, so a scheme such as javascript: must never get in.
validate_web_address = URLValidator(schemes=["http", "https"])


class Broadcaster(models.Model):
    """A channel. It belongs to a user, or to nobody when it came with demo or imported data."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="broadcaster",
        verbose_name=_("user"),
    )
    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("slug"), max_length=60, unique=True, allow_unicode=True)
    bio = models.TextField(_("about"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        db_table = "broadcasters"
        ordering = ["name", "id"]
        verbose_name = _("broadcaster")
        verbose_name_plural = _("broadcasters")
        indexes = [models.Index(fields=["name"], name="broadcasters_by_name")]

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    """What a stream is about, named in both languages of the pages."""

    slug = models.SlugField(_("slug"), max_length=60, unique=True)
    name = models.CharField(_("name in English"), max_length=60)
    name_ko = models.CharField(_("name in Korean"), max_length=60, blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        db_table = "categories"
        ordering = ["position", "name", "id"]
        verbose_name = _("category")
        verbose_name_plural = _("categories")

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name in the active language."""
        korean = (get_language() or "").startswith("ko")
        return self.name_ko if korean and self.name_ko else self.name


class StreamStatus(models.TextChoices):
    """A broadcast is live once and ended for good."""

    LIVE = "live", _("Live")
    ENDED = "ended", _("Ended")


# Streams that are named as the reason why something stays.
PROTECTED_SHOWN = 10


def release_ended(collector: Any, field: Any, streams: "QuerySet[Stream]", using: str) -> None:
    """What happens to streams whose zone is deleted: ended ones forget it, and a live one keeps it from going.

    Only ended rows are written: a stream that went live since the look keeps its zone, and the foreign key holds it.
    """
    live = streams.filter(status=StreamStatus.LIVE)[:PROTECTED_SHOWN]
    if live:
        raise ProtectedError("a live stream stands behind the zone", set(live))
    collector.add_field_update(field, None, streams.filter(status=StreamStatus.ENDED))


release_ended.lazy_sub_objs = True  # type: ignore[attr-defined]  # Django: do not load the rows before asking


def keep_with_streams(collector: Any, field: Any, streams: "QuerySet[Stream]", using: str) -> None:
    """What keeps a broadcaster or a category from being deleted: its streams. As PROTECT, which would read all of them.

    They may be a million, and the admin asks already when it shows the question.
    """
    if some := streams[:PROTECTED_SHOWN]:
        raise ProtectedError("there are streams of it", set(some))


keep_with_streams.lazy_sub_objs = True  # type: ignore[attr-defined]  # as above


class Stream(models.Model):
    """One broadcast. Starting again makes a new row, so that its figures stay its own."""

    broadcaster = models.ForeignKey(
        Broadcaster,
        on_delete=keep_with_streams,
        related_name="streams",
        db_index=False,  # streams_by_broadcaster starts with it
        verbose_name=_("broadcaster"),
    )
    category = models.ForeignKey(
        Category,
        on_delete=keep_with_streams,
        related_name="streams",
        db_index=False,  # streams_live_by_category starts with it
        verbose_name=_("category"),
    )
    title = models.CharField(_("title"), max_length=120)
    zone = models.ForeignKey(
        "waitingroom.Zone",
        on_delete=release_ended,
        null=True,
        blank=True,
        related_name="streams",
        verbose_name=_("waiting room"),
        help_text=_("While the stream is live, viewers need a pass of this zone."),
    )
    status = models.CharField(_("status"), max_length=8, choices=StreamStatus, default=StreamStatus.LIVE)
    poster_url = models.CharField(
        _("poster address"), max_length=500, blank=True, default="", validators=[validate_web_address]
    )
    playback_url = models.CharField(
        _("playback address"), max_length=500, blank=True, default="", validators=[validate_web_address]
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    peak_viewers = models.PositiveIntegerField(_("peak viewers"), default=0)
    total_viewers = models.PositiveIntegerField(_("total viewers"), default=0)
    # Featured while this is set, the end is empty or still to come, and the stream is live.
    featured_order = models.PositiveSmallIntegerField(_("place among the featured"), null=True, blank=True)
    featured_until = models.DateTimeField(_("featured until"), null=True, blank=True)
    # The broadcaster while live, else NULL; unique below. MariaDB and MySQL have no partial unique index, but a unique
    # index holds any number of NULLs. The database computes it, so no writer can forget it.
    live_key = models.GeneratedField(
        expression=Case(When(status=StreamStatus.LIVE, then=F("broadcaster_id"))),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "streams"
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        constraints = [
            models.UniqueConstraint(fields=["live_key"], name="streams_one_live_each"),
            models.CheckConstraint(
                condition=Q(status=StreamStatus.LIVE, ended_at__isnull=True)
                | Q(status=StreamStatus.ENDED, ended_at__isnull=False),
                name="streams_ended_has_time",
            ),
        ]
        # Search is a substring match, which no b-tree serves: it scans the live rows that streams_live holds together
        # (thousands), never the history (millions).
        indexes = [
            models.Index(fields=["status", "started_at"], name="streams_live"),
            models.Index(fields=["category", "status", "started_at"], name="streams_live_by_category"),
            models.Index(fields=["broadcaster", "started_at"], name="streams_by_broadcaster"),
            models.Index(fields=["featured_order"], name="streams_featured"),
            # The admin's list: all there ever were, newest first, and found by the beginning of a title.
            models.Index(fields=["started_at"], name="streams_by_start"),
            models.Index(fields=["category", "started_at"], name="streams_by_category"),
            models.Index(fields=["zone", "started_at"], name="streams_by_zone"),
            models.Index(fields=["title"], name="streams_by_title"),
            # Live ones have no end, so this holds those that are over, and the newest together.
            models.Index(fields=["ended_at", "started_at"], name="streams_ended"),
        ]
        permissions = [
            ("feature_stream", "Can put streams first in the directory"),
            ("protect_stream", "Can put streams behind zones"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("streams:live", args=[self.pk])

    @property
    def is_live(self) -> bool:
        """Whether viewers can still come."""
        return self.status == StreamStatus.LIVE

    @property
    def is_protected(self) -> bool:
        """Whether viewers need a pass. The final figures of a stream that has ended are for everybody."""
        return self.is_live and self.zone_id is not None

    @property
    def is_featured(self) -> bool:
        """Whether the directory shows it before all that are not."""
        is_over = self.featured_until is not None and self.featured_until <= timezone.now()
        return self.is_live and self.featured_order is not None and not is_over

    @property
    def duration(self) -> timedelta:
        """How long it has been going, or went."""
        return (self.ended_at or timezone.now()) - self.started_at
