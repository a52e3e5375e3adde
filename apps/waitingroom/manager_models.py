"""Who runs which zone, and who did what to it."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

MAX_WHY = 200


class Role(models.IntegerChoices):
    """What somebody may do with a zone; a higher one may do all that a lower one may."""

    VIEWER = 1, _("Viewer: looks")
    OPERATOR = 2, _("Operator: runs the line")
    OWNER = 3, _("Owner: everything")


class ZoneManager(models.Model):
    """Somebody's role for one zone, or for all zones of an app. Written through role_services.py alone."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="managed", verbose_name=_("person")
    )
    zone = models.ForeignKey(
        "waitingroom.Zone",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="managers",
        verbose_name=_("zone"),
    )
    # Null and not empty for a zone's role: of empty ones a person could have only one.
    app = models.CharField(_("app"), max_length=40, null=True, blank=True)  # noqa: DJ001
    role = models.PositiveSmallIntegerField(_("role"), choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("given by"),
    )

    class Meta:
        db_table = "zone_managers"
        ordering = ["-role", "pk"]
        verbose_name = _("zone manager")
        verbose_name_plural = _("zone managers")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(zone__isnull=False, app__isnull=True)
                | models.Q(zone__isnull=True, app__isnull=False, app__gt=""),
                name="zone_managers_of_zone_or_app",
            ),
            models.UniqueConstraint(fields=["user", "zone"], name="zone_managers_once_a_zone"),
            models.UniqueConstraint(fields=["user", "app"], name="zone_managers_once_an_app"),
        ]

    def __str__(self) -> str:
        told = {
            "user": self.user.get_username(),
            "role": str(Role(self.role).label).partition(":")[0],
            "zone": self.zone_id,
            "app": self.app,
        }
        text = (
            gettext("%(user)s: %(role)s of zone %(zone)s")
            if self.zone_id
            else gettext("%(user)s: %(role)s of app %(app)s")
        )
        return text % told

    def clean(self) -> None:
        """Exactly one of zone and app."""
        self.app = self.app or None
        if (self.zone_id is None) == (self.app is None):
            raise ValidationError(_("Choose either a zone or an app."))

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Nothing: `clean`, the form and the services say the same in words for people, and the database holds it."""


class ChangeAction(models.TextChoices):
    """What was done to a zone."""

    CREATED = "created", _("Made")
    CHANGED = "changed", _("Changed")
    CLEARED = "cleared", _("Line cleared")
    DELETED = "deleted", _("Deleted")
    UNDONE = "undone", _("Undone")
    ROLE = "role", _("Role given or taken")


# What changed fields of a zone, and may be taken back.
UNDOABLE = (ChangeAction.CHANGED, ChangeAction.UNDONE)


class ZoneChange(models.Model):
    """One change of a zone, written in the transaction that made it. No row is ever changed but for `undone_by`.

    `before` and `after` hold what differs, {field: value} in JSON's types (moments in ISO 8601). `who` is None for the
    system, and for somebody whose account is gone: `who_name` stays. `version` is what the zone had from then on.
    """

    # No foreign key: rows outlive their zone. "" for a role in a whole app.
    zone_id = models.CharField(_("zone"), max_length=64)
    version = models.BigIntegerField(_("version"))
    who = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("who")
    )
    who_name = models.CharField(_("name then"), max_length=150, blank=True)
    at = models.DateTimeField(_("when"), default=timezone.now)
    action = models.CharField(_("action"), max_length=8, choices=ChangeAction)
    before: Any = models.JSONField(_("before"), default=dict)
    after: Any = models.JSONField(_("after"), default=dict)
    why = models.CharField(_("why"), max_length=MAX_WHY, blank=True)
    undone_by = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, related_name="undoes", verbose_name=_("undone by")
    )

    class Meta:
        db_table = "zone_changes"
        ordering = ["-pk"]
        verbose_name = _("change of a zone")
        verbose_name_plural = _("changes of zones")
        indexes = [
            models.Index(fields=["zone_id", "-id"], name="zone_changes_of_zone"),
            models.Index(fields=["zone_id", "action"], name="zone_changes_by_action"),  # when was it made?
        ]

    def __str__(self) -> str:
        at = timezone.localtime(self.at)
        return f"{self.zone_id}: {self.get_action_display()}, {at:%Y-%m-%d %H:%M:%S}"

    @property
    def can_be_undone(self) -> bool:
        """Whether `change_undo` may be tried: it changed fields, and was not undone yet."""
        return self.action in UNDOABLE and self.undone_by_id is None
