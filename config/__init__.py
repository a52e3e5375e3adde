"""Project configuration. Importing it makes Celery's app the default one for @shared_task."""

from .celery import app as celery_app

__all__ = ["celery_app"]
