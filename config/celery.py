"""The Celery app. Apps declare their tasks in tasks.py; the timetable of all of them is here, in one place."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")

app = Celery("fullhouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
