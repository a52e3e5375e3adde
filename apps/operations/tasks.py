"""Celery's entrance to operations. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task

from . import alert_sending, alert_services

# Killed with its process, which the worker replaces: an evaluation takes seconds. One that hangs in a dead connection
# to the database would keep its place for ever, and soon all places of the worker would be taken so.
ALERTS_LIMIT_S = 120
FORGET_LIMIT_S = 3_600


@shared_task(time_limit=ALERTS_LIMIT_S)
def alerts() -> None:
    """Every 15 seconds: alert rules are looked at. What they want told is sent by a task of its own.

    It fails if a rule could not be evaluated, which is then seen among the jobs, and told by the rule about them.
    """
    try:
        made = alert_services.rules_evaluate()
    except alert_services.RulesFailed as failure:
        if failure.made:
            alerts_send.delay()
        raise
    if made:
        alerts_send.delay()


@shared_task(time_limit=ALERTS_LIMIT_S)
def alerts_send() -> None:
    """When there are notices, and every 15 seconds for those that failed: begin to send them, and be done at once."""
    alert_sending.sending_begin()


@shared_task(time_limit=FORGET_LIMIT_S)
def alerts_forget() -> None:
    """Every night: alerts older than ALERTS_KEPT_DAYS are gone."""
    alert_services.events_forget()
