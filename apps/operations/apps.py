"""Django's registration of the operations app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    name = "apps.operations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Alerts")

    def ready(self) -> None:
        """Have tasks say how they ended."""
        from .jobs import jobs_watch

        jobs_watch()
