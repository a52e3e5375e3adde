"""Django's registration of the streams app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StreamsConfig(AppConfig):
    name = "apps.streams"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Streams")

    def ready(self) -> None:
        """Tell the waiting room which streams behind its zones have ended."""
        from apps.waitingroom.endings import endings_register

        from .selectors import addresses_over

        endings_register(addresses_over)
