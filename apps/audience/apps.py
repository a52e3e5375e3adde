"""Django's registration of the audience app."""

from django.apps import AppConfig


class AudienceConfig(AppConfig):
    name = "apps.audience"
    default_auto_field = "django.db.models.BigAutoField"
