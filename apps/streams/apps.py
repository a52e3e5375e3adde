"""Django's registration of the streams app."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "apps.streams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the waiting room which streams behind its zones have ended."""
        from apps.waitingroom.endings import endings_register

        from .selectors import addresses_over

        endings_register(addresses_over)
