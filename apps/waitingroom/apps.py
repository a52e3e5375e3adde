"""Django's registration of the waiting room."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WaitingRoomConfig(AppConfig):
    """Zones, and the lines before them."""

    name = "apps.waitingroom"
    verbose_name = _("Waiting room")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear what happens to accounts."""
        from . import receivers  # noqa: F401  it connects its signals
