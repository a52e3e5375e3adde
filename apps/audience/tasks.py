"""Celery's entrance to the audience. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task

from . import reconciliation, removal_services, services


@shared_task
def sweep() -> None:
    """Every few seconds: silent sessions go, rankings are set right."""
    services.audience_sweep()


@shared_task
def reindex() -> None:
    """Every half minute: the catalogue of live streams follows the database."""
    services.catalog_rebuild()


@shared_task
def bans() -> None:
    """Every half minute: the bans that servers know follow the database."""
    removal_services.bans_restate()


@shared_task
def reconcile() -> None:
    """Every half minute: Redis is compared with what servers hold, and repaired."""
    reconciliation.audience_reconcile()
