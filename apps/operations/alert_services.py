"""Evaluating alert rules: look, step every subject's watch, and write down what came of it.

It may run twice, late, or on two machines at once. Each rule's row is locked while the rule is evaluated, and says of
which moment it was last: who comes with an earlier one changes nothing. Notices are written in the same transaction, so
each is made once, and are sent by somebody else (alert_sending.py): no endpoint can hold an evaluation up. A rule that
cannot be evaluated holds up no other.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from apps.realtime.bulk import bulk_upsert

from . import alert_figures
from .alert_figures import House
from .alert_kinds import AlertKind, Severity
from .alert_readings import Reading
from .alerts import Change, Notice, Step, Terms, Watch, step
from .metrics import EVALUATED, FIRING, RULE_FAILURES
from .models import AlertChannel, AlertEvent, AlertNotice, AlertRule, AlertState

logger = logging.getLogger(__name__)

# Clocks of workers may differ by this. A rule that was evaluated further ahead was so before the clock was set back.
SKEW_MS = 60_000
FORGOTTEN_AT_ONCE = 1_000
PLACE_KEPT = 200
USUALLY_CRITICAL = (AlertKind.STILL, AlertKind.LATE, AlertKind.SILENT, AlertKind.UNREAD)
STATE_COLUMNS = ("phase", "since_ms", "calm_since_ms", "is_told", "told_ms", "at_ms", "memory", "event_id")


class RulesFailed(Exception):
    """Some rules or figures could not be looked at; all others were. `made`: how many notices there are to send now."""

    def __init__(self, names: list[str], made: int) -> None:
        super().__init__(f"alerts that could not be looked at: {', '.join(names)}")
        self.made = made


def rules_evaluate(*, now_ms: int | None = None) -> int:
    """Evaluate every rule in use; how many notices there are to send now. RulesFailed, after all that could be done."""
    rules = AlertRule.objects.filter(enabled=True)
    house = alert_figures.house_read(kinds=set(rules.values_list("kind", flat=True)), now_ms=now_ms)
    made, failed = 0, [f"figures of the kind {kind}" for kind in house.broken]
    for rule_id, name, kind in list(rules.values_list("pk", "name", "kind")):
        try:
            made += _rule_evaluate(rule_id, house)
        except Exception:  # whatever it is, the rules after it are looked at, and somebody is told
            logger.exception("Alert rule %s (%s) cannot be evaluated", rule_id, name)
            RULE_FAILURES.labels(kind if kind in AlertKind.values else "unknown").inc()
            failed.append(name)
    _end_unwatched(moment(house.now_ms))
    _measure(house.now_ms)
    if failed:
        raise RulesFailed(failed, made)
    return made


@contextmanager
def _held(rule_id: int) -> Iterator[AlertRule | None]:
    """The rule, if it is still in use, and nobody else evaluates it meanwhile."""
    with transaction.atomic():
        yield AlertRule.objects.select_for_update().filter(pk=rule_id, enabled=True).first()


def _rule_evaluate(rule_id: int, house: House) -> int:
    with _held(rule_id) as rule:
        if rule is None or 0 <= rule.evaluated_ms - house.now_ms <= SKEW_MS:
            return 0
        states = {state.subject: state for state in AlertState.objects.filter(rule=rule).select_related("event")}
        found = _readings(rule, house, states)
        if found is None:
            return 0
        evaluation = _Evaluation(rule, rule.terms(), house.now_ms, list(rule.channels.filter(enabled=True)))
        let_go = {each.zone.pk for each in house.zones or ()} - found.keys() if rule.facts.is_of_zones else set()
        for subject in sorted({*found, *states}):
            if subject in let_go:
                evaluation.let_go(states[subject])
            else:
                evaluation.look(subject, states.get(subject), found.get(subject))
        evaluation.write()
        return len(evaluation.notices)


def _readings(rule: AlertRule, house: House, states: Mapping[str, AlertState]) -> dict[str, Reading] | None:
    try:
        return alert_figures.readings(rule, house, {subject: state.memory for subject, state in states.items()})
    except (LookupError, TypeError, ValueError, AttributeError):
        # Written by another release, it would be in the way of every look to come.
        logger.exception("What alert rule %s remembers cannot be understood, and is forgotten", rule.pk)
        return alert_figures.readings(rule, house, {})


@dataclass(slots=True)
class _Evaluation:
    """One evaluation of one rule, and what it is going to write."""

    rule: AlertRule
    terms: Terms
    now_ms: int
    channels: list[AlertChannel]
    states: list[Mapping[str, Any]] = field(default_factory=list)
    at_rest: list[str] = field(default_factory=list)
    changed: list[AlertEvent] = field(default_factory=list)
    notices: list[AlertNotice] = field(default_factory=list)

    def look(self, subject: str, state: AlertState | None, found: Reading | None) -> None:
        """Step one subject's watch. What is not there any more (a zone, a server) is not in trouble."""
        reading = found or Reading(0.0)
        came = step(self.terms, state.watch if state else Watch(), reading.value, self.now_ms)
        event = self._event(state.event if state else None, subject, reading, came)
        if found is None and event is not None and came.change is Change.CLOSED:
            event.is_gone = True
        if came.notice is not None and event is not None:
            self._tell(came.notice, event)
        if not came.watch.is_at_rest(self.terms, self.now_ms) or reading.memory is not None:
            self.states.append(self._row(subject, came.watch, reading, event))
        elif state is not None:
            self.at_rest.append(subject)

    def let_go(self, state: AlertState) -> None:
        """Close what is there, in trouble or not, and not this rule's any more since it was changed. Nobody is told."""
        if state.event is not None and state.event.closed_at is None:
            state.event.closed_at = max(moment(self.now_ms), state.event.opened_at)
            self.changed.append(state.event)
        self.at_rest.append(state.subject)

    def _event(self, event: AlertEvent | None, subject: str, reading: Reading, came: Step) -> AlertEvent | None:
        """The event that the subject's watch is of now: a new one, the one before with what is new of it, or none."""
        value = reading.value
        if came.change is Change.OPENED and value is not None:
            return AlertEvent.objects.create(
                rule=self.rule,
                rule_name=self.rule.name,
                kind=self.rule.kind,
                severity=self.rule.severity,
                subject=subject,
                place=reading.place[:PLACE_KEPT],
                place_ko=reading.place_ko[:PLACE_KEPT],
                limit=self.terms.limit,
                last_value=value,
                worst_value=value,
                opened_at=moment(came.watch.since_ms),
            )
        if event is None or value is None or event.closed_at is not None:
            return event
        was = (event.last_value, event.worst_value)
        event.last_value, event.worst_value = value, max(event.worst_value, value)
        if came.change is Change.CLOSED:
            event.closed_at = max(moment(self.now_ms), event.opened_at)
        if came.change is not None or was != (event.last_value, event.worst_value):
            self.changed.append(event)
        return event

    def _tell(self, kind: Notice, event: AlertEvent) -> None:
        made_at = moment(self.now_ms)
        self.notices += [
            AlertNotice(
                event=event,
                channel=channel,
                channel_name=channel.name,
                kind=kind.value,
                value=event.last_value,
                made_at=made_at,
            )
            for channel in self.channels
        ]

    def _row(self, subject: str, watch: Watch, reading: Reading, event: AlertEvent | None) -> Mapping[str, Any]:
        return {
            "rule_id": self.rule.pk,
            "subject": subject,
            "phase": watch.phase.value,
            "since_ms": watch.since_ms,
            "calm_since_ms": watch.calm_since_ms,
            "is_told": watch.is_told,
            "told_ms": watch.told_ms,
            "at_ms": watch.at_ms,
            "memory": reading.memory,
            "event_id": event.pk if event else None,
        }

    def write(self) -> None:
        """All of it; in the transaction that holds the rule."""
        AlertEvent.objects.bulk_update(
            self.changed, ["last_value", "worst_value", "closed_at", "is_gone"], batch_size=500
        )
        AlertNotice.objects.bulk_create(self.notices, batch_size=500)
        bulk_upsert(AlertState, self.states, update=STATE_COLUMNS)
        AlertState.objects.filter(rule=self.rule, subject__in=self.at_rest).delete()
        AlertRule.objects.filter(pk=self.rule.pk).update(evaluated_ms=self.now_ms)


def _end_unwatched(now: datetime) -> None:
    """Close what nobody looks after any more: its rule is gone, or not in use. Nobody is told.

    What it is, is read first: a search that writes would lock rows on its way that an evaluation is writing.
    """
    unwatched = Q(rule=None) | Q(rule__enabled=False)
    events = list(AlertEvent.objects.filter(unwatched, closed_at=None).values_list("pk", flat=True))
    states = list(AlertState.objects.filter(rule__enabled=False).values_list("pk", flat=True))
    AlertEvent.objects.filter(pk__in=events, closed_at=None).update(closed_at=now)
    AlertState.objects.filter(pk__in=states).delete()


def _measure(now_ms: int) -> None:
    is_open = dict(AlertEvent.objects.filter(closed_at=None).order_by().values_list("kind").annotate(Count("pk")))
    for kind in AlertKind.values:
        FIRING.labels(kind).set(is_open.get(kind, 0))
    EVALUATED.set(now_ms / 1000)


def moment(ms: int) -> datetime:
    """Epoch ms as a datetime."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def usual_missing() -> list[AlertKind]:
    """Kinds that no rule watches, in use or not."""
    known = set(AlertRule.objects.order_by().values_list("kind", flat=True))
    return [kind for kind in AlertKind if kind.value not in known]


def usual_add() -> list[AlertRule]:
    """Make a rule of each kind that has none, with the usual limit, told to all channels in use; those made."""
    channels = list(AlertChannel.objects.filter(enabled=True))
    made = []
    with transaction.atomic():
        for kind in usual_missing():
            severity = Severity.CRITICAL if kind in USUALLY_CRITICAL else Severity.WARNING
            rule, is_new = AlertRule.objects.get_or_create(
                name=str(kind.label)[:80], defaults={"kind": kind.value, "severity": severity}
            )
            if is_new:
                rule.channels.set(channels)
                made.append(rule)
    return made


def events_forget(*, now: datetime | None = None) -> int:
    """Delete alerts that were over more than ALERTS_KEPT_DAYS ago, with their notices; how many alerts."""
    if not settings.ALERTS_KEPT_DAYS:
        return 0
    kept_from = (now or timezone.now()) - timedelta(days=settings.ALERTS_KEPT_DAYS)
    gone = 0
    while True:
        part = list(AlertEvent.objects.filter(closed_at__lt=kept_from).values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
        AlertEvent.objects.filter(pk__in=part).delete()
        gone += len(part)
        if len(part) < FORGOTTEN_AT_ONCE:
            return gone
