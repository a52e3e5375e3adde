"""What people decide about zones, and what their lines did, minute by minute.

Gates never read these tables: a zone's rules are published to Redis (publishing.py), and its line lives there.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from . import rules
from .manager_models import ChangeAction as ChangeAction
from .manager_models import Role as Role
from .manager_models import ZoneChange as ZoneChange
from .manager_models import ZoneManager as ZoneManager
from .rules import Mode, RulesError, ZoneRules


class ZoneMode(models.TextChoices):
    """`rules.Mode` with names for people."""

    OPEN = Mode.OPEN.value, _("Open: in at once while there is room")
    QUEUE_ALL = Mode.QUEUE_ALL.value, _("Queue all: everybody gets in line")
    PAUSED = Mode.PAUSED.value, _("Paused: the line stands still")
    BLOCKED = Mode.BLOCKED.value, _("Blocked: nobody gets in line")
    BYPASS = Mode.BYPASS.value, _("Bypass: everybody in at once")
    OBSERVE = Mode.OBSERVE.value, _("Observe: everybody in, count who would wait")


class FailMode(models.TextChoices):
    """What happens to those who come while Redis is away."""

    CLOSED = "closed", _("Closed: they wait")
    OPEN = "open", _("Open: they enter")


def _between(least: int, most: int) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


def version_now() -> int:
    """The least version, and epoch, that a zone may be given now: epoch seconds.

    They are raised by one a change at least, and changes are far slower than time. So whatever was before is older: a
    zone that is made again under the id of a deleted one, or changed after an old backup came back, wins in Redis, and
    no ticket of the line before is good.
    """
    return int(timezone.now().timestamp())


class Zone(models.Model):
    """A door with a line before it. What people decide about it is written through the services alone, which count
    `version` and publish; only up to where its minutes are counted (`counted_to`) is written by statistics.py."""

    # MariaDB compares ids without regard to case, so clean() holds that for every database.
    zone_id = models.CharField(
        _("id"),
        max_length=64,
        primary_key=True,
        validators=[RegexValidator(rf"\A{rules.ZONE_ID_PATTERN}\Z", _("1 to 64 letters, digits, _ or -."))],
        help_text=_("As apps send it; it cannot be changed later."),
    )
    name = models.CharField(_("name in English"), max_length=rules.MAX_NAME)
    name_ko = models.CharField(_("name in Korean"), max_length=rules.MAX_NAME, blank=True)
    app = models.CharField(_("app"), max_length=40, blank=True, help_text=_("Which app sends people here."))
    screen = models.CharField(_("screen"), max_length=40, blank=True, help_text=_("Which of its screens is behind it."))
    per_minute = models.PositiveIntegerField(
        _("entries a minute"), default=100, validators=_between(0, rules.MAX_PER_MINUTE)
    )
    mode = models.CharField(_("mode"), max_length=9, choices=ZoneMode, default=ZoneMode.OPEN)
    message = models.TextField(_("message in English"), max_length=rules.MAX_MESSAGE, blank=True)
    message_ko = models.TextField(_("message in Korean"), max_length=rules.MAX_MESSAGE, blank=True)
    idle_s = models.PositiveIntegerField(
        _("idle limit"),
        default=60,
        validators=_between(*rules.IDLE_LIMITS_S),
        help_text=_("Seconds of silence after which someone is out of the line."),
    )
    poll_ms = models.PositiveIntegerField(
        _("polling period"),
        default=3_000,
        validators=_between(*rules.POLL_LIMITS_MS),
        help_text=_("Milliseconds; it grows by itself with a long wait."),
    )
    fail_mode = models.CharField(_("when Redis is away"), max_length=6, choices=FailMode, default=FailMode.CLOSED)
    opens_at = models.DateTimeField(_("opens at"), null=True, blank=True)
    prequeue_from = models.DateTimeField(
        _("pre-queue from"),
        null=True,
        blank=True,
        help_text=_("Who comes from here to the opening is put in a drawn order, not first come first served."),
    )
    # Of the draw. Drawn with the first schedule and then kept: another seed would deal places that are taken. 0: none.
    seed = models.BigIntegerField(_("seed"), default=0, editable=False)
    pass_s = models.PositiveIntegerField(
        _("pass good for"), default=600, validators=_between(*rules.PASS_LIMITS_S), help_text=_("Seconds.")
    )
    single_use = models.BooleanField(_("passes open once"), default=False)
    epoch = models.BigIntegerField(_("epoch"), default=version_now, editable=False)
    # Editable, so that forms carry back the version that they showed; nobody types it.
    version = models.BigIntegerField(_("version"), default=version_now)
    origins = models.TextField(
        _("sites to return to"),
        max_length=2_000,
        blank=True,
        help_text=_("One a line, such as https://shop.example. This site itself needs no line."),
    )
    slowed_at = models.DateTimeField(_("last slowed"), null=True, editable=False)
    # The last minute whose figures are in zone_statistics; written together with them.
    counted_to = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed by"),
    )

    class Meta:
        db_table = "zones"
        ordering = ["app", "screen", "zone_id"]
        verbose_name = _("zone")
        verbose_name_plural = _("zones")
        indexes = [models.Index(fields=["app", "screen"], name="zones_by_screen")]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name in the active language."""
        korean = (get_language() or "").startswith("ko")
        return self.name_ko if korean and self.name_ko else self.name

    def rules(self) -> ZoneRules:
        """What gates are told; RulesError if this row breaks a limit, as none that a service wrote does."""
        return ZoneRules(
            zone_id=self.zone_id,
            name=self.name,
            per_minute=self.per_minute,
            mode=Mode(self.mode),
            message=self.message,
            idle_s=self.idle_s,
            poll_ms=self.poll_ms,
            fail_open=self.fail_mode == FailMode.OPEN,
            opens_at_ms=_ms(self.opens_at),
            prequeue_from_ms=_ms(self.prequeue_from),
            seed=self.seed,
            pass_s=self.pass_s,
            single_use=self.single_use,
            epoch=self.epoch,
            version=self.version,
            origins=rules.origins_of(self.origins),
            name_ko=self.name_ko,
            message_ko=self.message_ko,
            slowed_at_ms=_ms(self.slowed_at) or 0,
        )

    def clean(self) -> None:
        """Hold what ZoneRules holds, in words for people."""
        if self._state.adding and Zone.objects.exclude(pk=self.pk).filter(zone_id__iexact=self.pk).exists():
            raise ValidationError({"zone_id": _("There is a zone whose id differs only in upper and lower case.")})
        self.message, self.message_ko = (text.replace("\r\n", "\n") for text in (self.message, self.message_ko))
        try:
            self.rules()
        except RulesError as error:
            column, told = _PROBLEMS.get(error.field, (error.field, error.detail))
            if column == "origins":
                told = origins_refusal(self.origins)
            try:
                self.clean_fields(exclude={field.name for field in self._meta.fields} - {column})
            except ValidationError:
                return  # full_clean has said so already
            raise ValidationError({column: told}) from error
        except ValueError:
            return  # no such mode, which its field says


# Limits that concern more than a field's own value: the column that is to blame, and what people are told.
_PROBLEMS: dict[str, tuple[str, Any]] = {
    "poll_ms": ("poll_ms", _("Must fit into the idle limit at least twice.")),
    "opens_at_ms": ("opens_at", _("Must lie between 1970 and 2200.")),
    "prequeue_from_ms": ("prequeue_from", _("Needs an opening that comes after it.")),
}


def origins_refusal(text: str) -> str:
    """What is wrong with these sites to return to, if anything: which line, or that they are too many."""
    for line in text.splitlines():
        if line.strip() and not all(rules.is_origin(origin) for origin in rules.origins_of(line)):
            told = {"line": Truncator(line.strip()).chars(80)}
            return gettext("Not an address like https://shop.example, without a path: %(line)s") % told
    if len(rules.origins_of(text)) > rules.MAX_ORIGINS:
        return gettext("At most %(most)d sites, one a line.") % {"most": rules.MAX_ORIGINS}
    return ""


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


class ZoneStatistic(models.Model):
    """What one zone's line did in one minute of the clock.

    Counts of that minute: `joins` places given, `entries` passes given, `evicted` for silence, `left` of their own
    accord, `refused` requests to join while the zone took nobody (who asks again counts again, so these are polls and
    not people), `would_wait` entries in mode observe that would have had to wait. `waiting` is the length of the line,
    as last seen in that minute; `peak` the longest that was seen in it, every five seconds, null for minutes from
    before that was kept. `wait_p50` and so on are seconds that those who entered had waited, within a tenth; null if
    nobody did. `waits` counts them by bucket, {"bucket": entries}, so
    that minutes can be added up; see statistics.wait_quantile.
    """

    # No foreign key: rows outlive their zone, and the table can be partitioned by time.
    pk = models.CompositePrimaryKey("zone_id", "minute")
    zone_id = models.CharField(_("zone"), max_length=64)
    minute = models.DateTimeField(_("minute"))
    joins = models.PositiveIntegerField(_("joins"))
    entries = models.PositiveIntegerField(_("entries"))
    evicted = models.PositiveIntegerField(_("evicted"))
    left = models.PositiveIntegerField(_("left"))
    refused = models.PositiveIntegerField(_("refused"))
    waiting = models.PositiveIntegerField(_("waiting"))
    peak = models.PositiveIntegerField(_("longest line"), null=True)
    would_wait = models.PositiveIntegerField(_("would have waited"))
    wait_p50 = models.PositiveIntegerField(_("half waited at most"), null=True)
    wait_p90 = models.PositiveIntegerField(_("nine in ten waited at most"), null=True)
    wait_p99 = models.PositiveIntegerField(_("99 in 100 waited at most"), null=True)
    waits: Any = models.JSONField(_("waits"), default=dict)

    class Meta:
        db_table = "zone_statistics"
        verbose_name = _("zone statistics")
        verbose_name_plural = _("zone statistics")
        # All zones at a moment; what is too old, for retention.
        indexes = [models.Index(fields=["minute"], name="zone_statistics_at")]

    def __str__(self) -> str:
        return f"zone {self.zone_id} at {self.minute:%Y-%m-%d %H:%M}: {self.entries} entries"


class ZoneGap(models.Model):
    """Minutes of a zone that ZoneStatistic lacks for good, from `lost_from` until before `lost_to`: no job wrote them
    while Redis had them, and nobody knows what happened."""

    pk = models.CompositePrimaryKey("zone_id", "lost_from")
    zone_id = models.CharField(_("zone"), max_length=64)
    lost_from = models.DateTimeField(_("From"))
    lost_to = models.DateTimeField(_("To"))

    class Meta:
        db_table = "zone_gaps"
        verbose_name = _("gap in zone statistics")
        verbose_name_plural = _("gaps in zone statistics")

    def __str__(self) -> str:
        return f"zone {self.zone_id} from {self.lost_from:%Y-%m-%d %H:%M} to {self.lost_to:%Y-%m-%d %H:%M}: lost"
