"""Counters of the alerts, served with all others at /metrics."""

from prometheus_client import Counter, Gauge

EVALUATED = Gauge(
    "fullhouse_alerts_evaluated_seconds", "When alert rules were last looked at.", multiprocess_mode="mostrecent"
)
FIRING = Gauge("fullhouse_alerts_firing", "Alerts that are open.", ["kind"], multiprocess_mode="mostrecent")
UNREAD = Counter("fullhouse_alert_figures_unread", "Times that a rule's figures could not be read.", ["kind"])
RULE_FAILURES = Counter("fullhouse_alert_rule_failures", "Times that an alert rule could not be evaluated.", ["kind"])
NOTICES = Counter("fullhouse_alert_notices", "Notices sent, tried in vain and given up.", ["result"])
