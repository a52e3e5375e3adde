"""What MySQL keeps of the present: one row a live stream, renewed every five minutes."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class CurrentViewers(models.Model):
    """A stream's figures at the last snapshot. Redis has the present; this is for reports and for a cold start.

    The primary key is the stream's id without a foreign key: an upsert touches this one row and locks no other.
    """

    stream_id = models.BigIntegerField(_("stream"), primary_key=True)
    current = models.PositiveIntegerField(_("viewers"), default=0)
    peak = models.PositiveIntegerField(_("peak"), default=0)
    total = models.PositiveBigIntegerField(_("visits"), default=0)
    unique_today = models.PositiveIntegerField(_("unique today"), default=0)
    captured_at = models.DateTimeField(_("as of"))

    class Meta:
        db_table = "current_viewers"
        verbose_name = _("current viewers")
        verbose_name_plural = _("current viewers")
        # The ranking of a house without Redis: most viewers first.
        indexes = [models.Index(fields=["-current"], name="current_viewers_ranking")]

    def __str__(self) -> str:
        return f"{self.stream_id}: {self.current}"
