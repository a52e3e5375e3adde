"""Celery's entrance to the audience. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task

from . import reconciliation, removal_services, services

# What takes this long hangs, mostly in a dead connection to the database, and is killed with its process, which the
# worker replaces: all processes would come to hang there one by one.
HANGS_S = 300


@shared_task(time_limit=HANGS_S)
def sweep() -> None:
    """Every few seconds: silent sessions go, rankings are set right."""
    services.audience_sweep()


@shared_task(time_limit=HANGS_S)
def reindex() -> None:
    """Every half minute: the catalogue of live streams follows the database."""
    services.catalog_rebuild()


@shared_task(time_limit=HANGS_S)
def bans() -> None:
    """Every half minute: the bans that servers know follow the database."""
    removal_services.bans_restate()


@shared_task(time_limit=HANGS_S)
def reconcile() -> None:
    """Every half minute: Redis is compared with what servers hold, and repaired."""
    reconciliation.audience_reconcile()
