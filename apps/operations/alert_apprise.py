"""All that is asked of Apprise: which service an address means, and that a message be handed to it.

Imported when it is first needed, by functions: it takes a quarter of a second and 27 MB, which no page of ours needs.
Services are named one by one. Asked for one by its address, Apprise would import all of some 130.

The reason of a failure is what Apprise complains of in its log. At lower levels that log holds whole addresses, so
settings keep those shut.
"""

import logging
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email import NotifyEmail
from apprise.plugins.slack import NotifySlack
from apprise.plugins.workflows import NotifyWorkflows

from .alert_kinds import Severity

CONNECT_S, READ_S = 4.0, 8.0
SERVICES: dict[str, type[NotifyBase]] = {
    "slack": NotifySlack,
    "workflow": NotifyWorkflows,
    "workflows": NotifyWorkflows,
    "mailto": NotifyEmail,
    "mailtos": NotifyEmail,
    "json": NotifyJSON,
    "jsons": NotifyJSON,
}
# Those that take a webhook's address as they show it.
NATIVE: dict[str, type[NotifySlack] | type[NotifyWorkflows]] = {"slack": NotifySlack, "workflows": NotifyWorkflows}
TYPES = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}

Parts = dict[str, Any]


def native_parse(url: str) -> tuple[str, Parts] | None:
    """The service, by its scheme, and the parts of a webhook's address as Slack or Teams shows it."""
    found = ((scheme, service.parse_native_url(url)) for scheme, service in NATIVE.items())
    return next(((scheme, parts) for scheme, parts in found if parts), None)


def parts_of(scheme: str, url: str) -> Parts | None:
    """The parts of an Apprise address; None if it is none. `qsd` has the names of its options in lower case."""
    return SERVICES[scheme].parse_url(url) or None


def service_make(scheme: str, parts: Parts) -> NotifyBase | None:
    """The service, ready to be spoken to; None if something is missing. It follows no redirect and writes no file."""
    asset = AppriseAsset(http_redirects=False, storage_mode="memory", app_id="Fullhouse", app_desc="Fullhouse")
    try:
        service = SERVICES[scheme](**{**parts, "asset": asset})
    except TypeError:  # what services raise for parts that are missing or malformed
        return None
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_S, READ_S
    return service


def host_of(service: NotifyBase) -> str:
    """The host that it will speak to, if the address chooses that."""
    return getattr(service, "smtp_host", None) or service.host or ""


def message_send(service: NotifyBase, *, title: str, body: str, severity: str) -> str | None:
    """Hand over a message, for as long as that takes; None if it was taken, else the reason, secrets and all."""
    sender = Apprise()
    sender.add(service)
    kind = TYPES[Severity(severity)] if severity else NotifyType.SUCCESS
    complaints: list[str] = []
    taken = sender.notify(
        title=title,
        body=body,
        notify_type=kind,
        body_format=NotifyFormat.TEXT,
        log_callback=lambda entry, service: complaints.append(entry.message),
        log_level=logging.WARNING,
    )
    return None if taken else " ".join(complaints) or "not taken"
