"""Alerts: what is watched, who is told, and what happened.

The rows of AlertState are where evaluations leave off; AlertNotice is the outbox from which notices are sent. Both are
written by the services alone.
"""

import math
import zoneinfo
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from apps.waitingroom.models import Zone

from .alert_kinds import KINDS, AlertKind, KindFacts, NoticeKind, NoticeState, Severity, facts_of
from .alerts import Phase, Quiet, Terms, Watch

DAY_S = 86_400


def _between(least: int, most: int) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Language(models.TextChoices):
    """What a channel's notices are written in."""

    ENGLISH = "en", _("English")
    KOREAN = "ko", _("Korean")


class AlertChannel(models.Model):
    """A place to which notices go. Its address is a secret: it is kept encrypted, and `shown` is all anybody sees."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    sealed = models.TextField(editable=False)  # the Apprise address; see alert_address.py
    shown = models.CharField(_("address"), max_length=200, editable=False)
    language = models.CharField(_("language"), max_length=2, choices=Language, default=Language.ENGLISH)
    enabled = models.BooleanField(_("in use"), default=True)
    last_sent_at = models.DateTimeField(_("last sent"), null=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)
    last_error_at = models.DateTimeField(_("last failed"), null=True, editable=False)
    failures = models.PositiveIntegerField(_("failures since it last worked"), default=0, editable=False)
    next_at = models.DateTimeField(null=True, editable=False)  # after a failure: not before
    busy_until = models.DateTimeField(null=True, editable=False)  # somebody is sending; past it they are taken for dead

    class Meta:
        db_table = "alert_channels"
        ordering = ["name"]
        verbose_name = _("alert channel")
        verbose_name_plural = _("alert channels")

    def __str__(self) -> str:
        return self.name

    @property
    def is_failing(self) -> bool:
        """Whether what was last sent there was not taken, a notice or a test: a test counts no failure."""
        is_last = self.last_error_at is not None and (
            self.last_sent_at is None or self.last_error_at > self.last_sent_at
        )
        return bool(self.failures) or is_last


class AlertRule(models.Model):
    """What is trouble, for how long it must be so, and who is told when."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=9, choices=AlertKind)
    zone = models.ForeignKey(
        Zone,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("zone"),
        help_text=_("Without a zone and an app, a rule about zones watches all of them."),
    )
    app = models.CharField(_("app"), max_length=40, blank=True, help_text=_("All zones of this app."))
    limit = models.FloatField(
        _("limit"),
        null=True,
        blank=True,
        validators=_between(0, 10**9),
        help_text=_("Trouble is above it. Empty: what is usual for the kind."),
    )
    hold_s = models.PositiveIntegerField(
        _("must last"),
        null=True,
        blank=True,
        validators=_between(0, DAY_S),
        help_text=_("Seconds above the limit before it is trouble. Empty: what is usual for the kind."),
    )
    calm_s = models.PositiveIntegerField(
        _("over after"),
        default=60,
        validators=_between(0, DAY_S),
        help_text=_("Seconds well below the limit (at four fifths of it) before it is over."),
    )
    severity = models.CharField(_("severity"), max_length=8, choices=Severity, default=Severity.WARNING)
    channels = models.ManyToManyField(
        AlertChannel,
        blank=True,
        db_table="alert_rule_channels",
        verbose_name=_("channels"),
        help_text=_("Without one, nobody is told; the history is kept."),
    )
    repeat_minutes = models.PositiveIntegerField(
        _("told again after"),
        default=30,
        validators=_between(1, 10_080),
        help_text=_("Minutes. The same trouble is told once in this time at most, however often it comes and goes."),
    )
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_to = models.TimeField(
        _("quiet until"), null=True, blank=True, help_text=_("Nobody is told meanwhile; what is still so is told then.")
    )
    time_zone = models.CharField(_("time zone of the quiet hours"), max_length=40, default="Asia/Seoul")
    enabled = models.BooleanField(_("in use"), default=True)
    # Of the last evaluation, epoch ms: who comes later with an earlier moment changes nothing.
    evaluated_ms = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        db_table = "alert_rules"
        ordering = ["name"]
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Hold what concerns more than one field."""
        problems: dict[str, Any] = {}
        facts = KINDS.get(self.kind)
        if facts is not None and not facts.is_of_zones and (self.zone_id or self.app):
            problems["kind"] = _("This kind watches the whole house: choose neither a zone nor an app.")
        elif self.zone_id and self.app:
            problems["app"] = _("Choose a zone or an app, not both.")
        if self.limit is not None and not math.isfinite(self.limit):
            problems["limit"] = _("Enter a number.")
        if (self.quiet_from is None) != (self.quiet_to is None):
            problems["quiet_to"] = _("Enter both ends of the quiet hours, or neither.")
        elif self.quiet_from is not None and self.quiet_from == self.quiet_to:
            problems["quiet_to"] = _("Quiet hours that end when they begin are none.")
        if self.time_zone not in zoneinfo.available_timezones():
            problems["time_zone"] = _("There is no such time zone; write it like Asia/Seoul.")
        if problems:
            raise ValidationError(problems)

    @property
    def facts(self) -> KindFacts:
        """What its kind measures."""
        return facts_of(self.kind)

    @property
    def limit_used(self) -> float:
        """The limit, or what is usual."""
        return self.facts.limit if self.limit is None else self.limit

    def terms(self) -> Terms:
        """What the evaluation goes by."""
        quiet = None
        if self.quiet_from is not None and self.quiet_to is not None:
            quiet = Quiet(self.quiet_from, self.quiet_to, zoneinfo.ZoneInfo(self.time_zone))
        return Terms(
            limit=self.limit_used,
            recovers_at=self.limit_used * self.facts.recovery,
            hold_ms=(self.facts.hold_s if self.hold_s is None else self.hold_s) * 1000,
            calm_ms=self.calm_s * 1000,
            repeat_ms=self.repeat_minutes * 60_000,
            quiet=quiet,
        )


class AlertEvent(models.Model):
    """Trouble that was, or is. It keeps the words of its rule, which may be changed or gone by now."""

    rule = models.ForeignKey(
        AlertRule, on_delete=models.SET_NULL, null=True, related_name="events", verbose_name=_("rule")
    )
    rule_name = models.CharField(_("rule"), max_length=80)
    kind = models.CharField(_("kind"), max_length=9, choices=AlertKind)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    subject = models.CharField(_("id"), max_length=120, blank=True)  # a zone's id, a server; "" for the house
    place = models.CharField(_("where"), max_length=200, blank=True)
    place_ko = models.CharField(_("where, in Korean"), max_length=200, blank=True)
    limit = models.FloatField(_("limit"))
    last_value = models.FloatField(_("last value"))
    worst_value = models.FloatField(_("worst value"))
    opened_at = models.DateTimeField(_("since"))
    closed_at = models.DateTimeField(_("until"), null=True)
    # It is over because its subject is not there any more: a zone that was deleted, a server off the register.
    is_gone = models.BooleanField(_("subject gone"), default=False, db_default=False)

    class Meta:
        db_table = "alert_events"
        ordering = ["-opened_at", "-id"]
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="alert_events_newest"),
            models.Index(fields=["closed_at"], name="alert_events_open"),
            # For the admin's search, by the beginning of each.
            models.Index(fields=["subject"], name="alert_events_subject"),
            models.Index(fields=["place"], name="alert_events_place"),
            models.Index(fields=["place_ko"], name="alert_events_place_ko"),
            models.Index(fields=["rule_name"], name="alert_events_rule_name"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_name}: {self.shown_place or self.subject}" if self.subject else self.rule_name

    @property
    def shown_place(self) -> str:
        """Where, in the language of who reads it; "" for the house."""
        return self.place_ko if (get_language() or "").startswith("ko") else self.place


class AlertNotice(models.Model):
    """One thing to tell one channel, kept until it was told or given up, and then as history."""

    event = models.ForeignKey(AlertEvent, on_delete=models.CASCADE, related_name="notices", verbose_name=_("alert"))
    channel = models.ForeignKey(
        AlertChannel, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("channel")
    )
    channel_name = models.CharField(_("channel"), max_length=80)
    kind = models.CharField(_("kind"), max_length=8, choices=NoticeKind)
    value = models.FloatField(_("value"))
    made_at = models.DateTimeField(_("made"))
    state = models.CharField(_("result"), max_length=8, choices=NoticeState, default=NoticeState.WAITING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True)

    class Meta:
        db_table = "alert_notices"
        ordering = ["id"]
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [models.Index(fields=["state", "channel", "id"], name="alert_notices_waiting")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.channel_name}"


class AlertState(models.Model):
    """Where one subject of a rule stands, from one evaluation to the next; a subject at rest has no row."""

    pk = models.CompositePrimaryKey("rule_id", "subject")
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="states")
    subject = models.CharField(max_length=120)
    phase = models.CharField(max_length=7)
    since_ms = models.BigIntegerField()
    calm_since_ms = models.BigIntegerField(null=True)
    is_told = models.BooleanField()
    told_ms = models.BigIntegerField(null=True)
    at_ms = models.BigIntegerField()
    memory = models.JSONField(null=True)  # see alert_memory.py
    event = models.ForeignKey(AlertEvent, on_delete=models.SET_NULL, null=True, related_name="+")  # the last one

    class Meta:
        db_table = "alert_states"
        verbose_name = _("alert state")
        verbose_name_plural = _("alert states")

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}: {self.phase}"

    @property
    def watch(self) -> Watch:
        """As the evaluation wants it."""
        return Watch(
            phase=Phase(self.phase),
            since_ms=self.since_ms,
            calm_since_ms=self.calm_since_ms,
            is_told=self.is_told,
            told_ms=self.told_ms,
            at_ms=self.at_ms,
        )
