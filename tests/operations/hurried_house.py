"""The real worker and beat with all their times HOUSE_HASTE times as short: minutes of an outage pass in seconds."""

import os

import django
from celery.schedules import crontab

from apps.realtime import redis
from config.celery import app

django.setup()

from apps.operations import alert_figures, alert_memory, alerts, jobs  # noqa: E402  models need the settings

__all__ = ["app"]

HASTE = int(os.environ["HOUSE_HASTE"])

redis.TIMEOUTS.update({name: seconds / HASTE for name, seconds in redis.TIMEOUTS.items()})
alerts.GAP_MS //= HASTE
alert_memory.BRIDGED_MS //= HASTE
alert_figures.PATIENCE_S /= HASTE
jobs.REST_MS //= HASTE

app.conf.beat_schedule = {
    name: {**entry, "schedule": entry["schedule"] / HASTE, "options": {"expires": entry["options"]["expires"] / HASTE}}
    for name, entry in app.conf.beat_schedule.items()
    if not isinstance(entry["schedule"], crontab)
}
