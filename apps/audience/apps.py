"""Django's registration of the audience app."""

from django.apps import AppConfig


class AudienceConfig(AppConfig):
    """Live counting."""

    name = "apps.audience"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hand ourselves to the apps below, and listen to them."""
        from apps.accounts.ports import register_sockets
        from apps.streams.ports import register_audience

        from . import receivers  # noqa: F401  importing it connects the receivers
        from .port import AudienceReader, ViewerSockets

        register_audience(AudienceReader())
        register_sockets(ViewerSockets())
