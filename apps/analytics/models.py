"""What is kept of the past: snapshots, sessions, days.

On MySQL and MariaDB the tables are partitioned by time (partitions.py): the column that decides the partition is part
of the primary key, as is asked of every unique key, and there are no foreign keys, which such tables may not have. Ids
of streams and broadcasters are plain numbers therefore; rows may outlive what they speak of.

Django admin cannot register models with composite primary keys, so there is no admin.py here.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ViewerHistory(models.Model):
    """One stream's figures at one 5-minute mark of the clock.

    `current` viewers (people, not tabs) at that moment, `peak` the most at once and `total` the visits since the stream
    started, `unique_today` the different viewers of that day in Seoul, an estimate with a standard error of 0.81%.
    """

    # Clustered by stream: a chart of one stream reads neighbouring rows. Partitioned by month of captured_at.
    pk = models.CompositePrimaryKey("stream_id", "captured_at")
    stream_id = models.BigIntegerField(_("stream"))
    captured_at = models.DateTimeField(_("captured at"))
    current = models.PositiveIntegerField(_("current viewers"))
    peak = models.PositiveIntegerField(_("peak viewers"))
    total = models.PositiveBigIntegerField(_("visits"))
    unique_today = models.PositiveIntegerField(_("unique viewers today"))

    class Meta:
        db_table = "viewer_history"
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        # All streams at a moment, and a whole day for its statistics; rows arrive in this order, so it costs little.
        indexes = [models.Index(fields=["captured_at"], name="viewer_history_at")]

    def __str__(self) -> str:
        return f"stream {self.stream_id} at {self.captured_at:%Y-%m-%d %H:%M}: {self.current}"


class LeaveReason(models.TextChoices):
    """Why a viewing session ended. A tab that is opened elsewhere takes its session along: that ends nothing."""

    LEFT = "left", _("Left")
    EXPIRED = "expired", _("Not heard of any more")
    ENDED = "ended", _("Stream ended")


class UserSession(models.Model):
    """One viewing session: one tab on one stream, from joining to leaving. Written once, after it is over."""

    # Partitioned by day of joined_at. A session joins once, so this is unique by session id, too.
    pk = models.CompositePrimaryKey("session_id", "joined_at")
    session_id = models.CharField(_("session"), max_length=40)
    joined_at = models.DateTimeField(_("joined at"))
    left_at = models.DateTimeField(_("left at"))
    # Whole seconds, beside the two moments so that sums need no date arithmetic, which every database spells apart.
    seconds = models.PositiveIntegerField(_("seconds watched"))
    viewer_id = models.CharField(_("viewer"), max_length=40)  # u<user id>, or a<browser id> of an anonymous one
    stream_id = models.BigIntegerField(_("stream"))
    reason = models.CharField(_("reason"), max_length=8, choices=LeaveReason)

    class Meta:
        db_table = "user_sessions"
        verbose_name = _("viewing session")
        verbose_name_plural = _("viewing sessions")
        indexes = [
            # A stream's day, for statistics; one viewer's sessions, to export or erase them.
            models.Index(fields=["stream_id", "joined_at"], name="user_sessions_of_stream"),
            models.Index(fields=["viewer_id", "joined_at"], name="user_sessions_of_viewer"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} on stream {self.stream_id}: {self.seconds} s"


class Visitor(models.Model):
    """A viewer whom a broadcaster has had: what tells new viewers from those who return, long after sessions are gone.

    Not partitioned: rows go VISITORS_KEPT_DAYS after the viewer was last seen there, not by when they were made.
    """

    pk = models.CompositePrimaryKey("broadcaster_id", "viewer_id")
    broadcaster_id = models.BigIntegerField(_("broadcaster"))
    viewer_id = models.CharField(_("viewer"), max_length=40)
    first_at = models.DateTimeField(_("first joined"))  # as joined_at of the session has it
    last_day = models.DateField(_("last seen"))  # a day of Seoul

    class Meta:
        db_table = "visitors"
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        indexes = [
            models.Index(fields=["last_day"], name="visitors_last_seen"),
            models.Index(fields=["viewer_id"], name="visitors_of_viewer"),  # to export or erase
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} with broadcaster {self.broadcaster_id} since {self.first_at:%Y-%m-%d}"


class DailyStatistics(models.Model):
    """One stream's figures of one day in Seoul. Computed from history and sessions, and the same however often."""

    # Partitioned by year of day.
    pk = models.CompositePrimaryKey("day", "stream_id")
    day = models.DateField(_("day"))
    stream_id = models.BigIntegerField(_("stream"))
    broadcaster_id = models.BigIntegerField(_("broadcaster"))
    peak_viewers = models.PositiveIntegerField(_("peak viewers"))
    average_viewers = models.FloatField(_("average viewers"))  # mean over the minutes that it was live
    unique_viewers = models.PositiveIntegerField(_("unique viewers"))
    new_viewers = models.PositiveIntegerField(_("new viewers"))  # came to this broadcaster for the first time
    returning_viewers = models.PositiveIntegerField(_("returning viewers"))
    watch_minutes = models.PositiveBigIntegerField(_("minutes watched"))  # summed over all viewers
    live_minutes = models.PositiveIntegerField(_("minutes live"))

    class Meta:
        db_table = "daily_statistics"
        verbose_name = _("daily statistics")
        verbose_name_plural = _("daily statistics")
        indexes = [models.Index(fields=["broadcaster_id", "day"], name="daily_statistics_of_owner")]

    def __str__(self) -> str:
        return f"stream {self.stream_id} on {self.day:%Y-%m-%d}"
