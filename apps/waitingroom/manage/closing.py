"""What is asked before a schedule, new or brought back, closes a zone that is open."""

from django.utils import timezone
from django.utils.translation import gettext as _

from ..events import Schedule
from .display import value_words


def closing_words(schedule: Schedule) -> str:
    """What becomes of a zone that this schedule closes, from now on until its opening."""
    told = {"opens": value_words("opens_at", schedule.opens_at)}
    if schedule.prequeue_from is None:
        return (
            _("This closes the zone now: nobody enters until %(opens)s, and newcomers get no place before then.") % told
        )
    if schedule.is_drawing(timezone.now()):
        return (
            _("This stops the zone now: nobody enters until %(opens)s. Newcomers gather for the draw until then.")
            % told
        )
    told["gathers"] = value_words("prequeue_from", schedule.prequeue_from)
    return (
        _("This closes the zone now: nobody enters until %(opens)s, and newcomers get no place before %(gathers)s.")
        % told
    )
