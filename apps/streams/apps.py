"""Django's registration of the streams app."""

from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "apps.streams"
    default_auto_field = "django.db.models.BigAutoField"
