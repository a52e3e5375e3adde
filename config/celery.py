"""The Celery app. Apps declare their tasks in tasks.py; the timetable of all of them is here, in one place."""

import os

from celery import Celery
from celery.schedules import crontab
from kombu.entity import Queue

from apps.analytics.daily import COUNTED_AT

from .worker_metrics import worker_metrics_prepare

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
worker_metrics_prepare()

app = Celery("fullhouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# What may take minutes has a queue of its own, so that a worker can be kept free for what is due every few seconds. A
# worker that is not told which (-Q) serves both.
PROMPT, BULK = "celery", "bulk"
app.conf.task_default_queue = PROMPT
app.conf.task_queues = (Queue(PROMPT, routing_key=PROMPT), Queue(BULK, routing_key=BULK))

# Who looks whether all is well goes before what may hang because it is not: a task that asks a silent Redis takes ten
# seconds and more, and there are enough of them to keep every process of a worker busy. 0 is first in line; for that
# reason, too, no process takes tasks in advance, which then would stand before the alerts.
FIRST, USUAL = 0, 6
app.conf.worker_prefetch_multiplier = 1
app.conf.task_routes = {
    "apps.operations.tasks.alerts": {"queue": PROMPT, "priority": FIRST},
    "apps.operations.tasks.alerts_send": {"queue": PROMPT, "priority": FIRST},
    "apps.analytics.tasks.daily": {"queue": BULK, "priority": USUAL},
    "apps.analytics.tasks.rankings": {"queue": BULK, "priority": USUAL},
    "apps.analytics.tasks.partitions": {"queue": BULK, "priority": USUAL},
    "apps.waitingroom.tasks.statistics_forget": {"queue": BULK, "priority": USUAL},
    "apps.operations.tasks.alerts_forget": {"queue": BULK, "priority": USUAL},
    "apps.*": {"queue": PROMPT, "priority": USUAL},
}
# Alerts may be looked at late, too: of two evaluations the earlier changes nothing.
ALERTS_EXPIRE_S = 120

# A task that no worker took before it is due again is dropped (expires): after an hour without workers there is one
# sweep to do and not 1,200.
app.conf.beat_schedule = {
    "audience-sweep": {"task": "apps.audience.tasks.sweep", "schedule": 3.0, "options": {"expires": 3}},
    "audience-reindex": {"task": "apps.audience.tasks.reindex", "schedule": 30.0, "options": {"expires": 30}},
    "audience-bans": {"task": "apps.audience.tasks.bans", "schedule": 30.0, "options": {"expires": 30}},
    "audience-reconcile": {"task": "apps.audience.tasks.reconcile", "schedule": 30.0, "options": {"expires": 30}},
    "waitingroom-evict": {"task": "apps.waitingroom.tasks.evict", "schedule": 30.0, "options": {"expires": 30}},
    "waitingroom-publish": {"task": "apps.waitingroom.tasks.publish", "schedule": 30.0, "options": {"expires": 30}},
    "waitingroom-statistics": {
        "task": "apps.waitingroom.tasks.statistics",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "waitingroom-statistics-forget": {
        "task": "apps.waitingroom.tasks.statistics_forget",
        "schedule": crontab(hour="4", minute="40"),
        "options": {"expires": 3600},
    },
    "analytics-snapshot": {
        "task": "apps.analytics.tasks.snapshot",
        "schedule": crontab(minute="*/5"),  # on the clock's marks, whenever beat was started
        "options": {"expires": 60},  # later than this it finds that another has come, or what it was in the trails
    },
    # A mark at which no worker came, and what waits since the database was away. Mostly there is nothing to do.
    "analytics-snapshot-late": {"task": "apps.analytics.tasks.snapshot", "schedule": 30.0, "options": {"expires": 30}},
    # All at once that wait; with nothing waiting it costs three short questions to Redis.
    "analytics-sessions": {"task": "apps.analytics.tasks.sessions", "schedule": 2.0, "options": {"expires": 2}},
    "analytics-daily": {
        "task": "apps.analytics.tasks.daily",
        "schedule": crontab(minute=",".join(map(str, COUNTED_AT))),  # at 00:12 with the day that has just ended
        "options": {"expires": 1500},
    },
    # Looks whether rankings of today and of the week are there and young enough; makes them every five minutes.
    "analytics-rankings": {"task": "apps.analytics.tasks.rankings", "schedule": 15.0, "options": {"expires": 15}},
    "analytics-partitions": {
        "task": "apps.analytics.tasks.partitions",
        "schedule": crontab(hour="4", minute="20"),  # Seoul's quietest hour
        "options": {"expires": 3600},
    },
    "operations-alerts": {
        "task": "apps.operations.tasks.alerts",
        "schedule": 15.0,
        "options": {"expires": ALERTS_EXPIRE_S},
    },
    # Notices are sent when they are made; this is for those that failed, whose channels have rested by now.
    "operations-alerts-send": {
        "task": "apps.operations.tasks.alerts_send",
        "schedule": 15.0,
        "options": {"expires": ALERTS_EXPIRE_S},
    },
    "operations-alerts-forget": {
        "task": "apps.operations.tasks.alerts_forget",
        "schedule": crontab(hour="4", minute="50"),
        "options": {"expires": 3600},
    },
}
