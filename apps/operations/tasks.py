"""Celery's entrance to operations. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task

from . import alert_sending, alert_services


@shared_task
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


@shared_task
def alerts_send() -> None:
    """When there are notices, and every 15 seconds for those that failed: begin to send them, and be done at once."""
    alert_sending.sending_begin()


@shared_task
def alerts_forget() -> None:
    """Every night: alerts older than ALERTS_KEPT_DAYS are gone."""
    alert_services.events_forget()
