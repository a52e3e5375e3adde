"""Sending the notices that wait: one message a channel for all of them, tried a few times, and never twice at once.

A channel is claimed before something is sent to it, and every notice counts the attempt then: so a worker that dies in
the middle neither blocks the channel for longer than CLAIM_S nor is tried for ever. After a failure the channel rests,
longer each time; what comes meanwhile goes out with the next message. A notice that failed ATTEMPTS times, or is as
old as KEPT_S, is given up. Somebody may be told twice when a worker dies between the endpoint's answer and the note of
it, which is better than not at all.
"""

import logging
import threading
from datetime import datetime, timedelta

from django.db import connections, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from .alert_delivery import ERROR_KEPT, DeliveryFailed, deliver
from .alert_kinds import NoticeState
from .alert_texts import Message, message_of, test_message
from .metrics import NOTICES
from .models import AlertChannel, AlertNotice

logger = logging.getLogger(__name__)

ATTEMPTS = 6
# After the first failure, the second, and so on; the last for all later ones: 80 minutes until the sixth attempt.
RESTS_S = (15, 60, 240, 900, 3_600)
# Longer than a delivery may take; see alert_delivery.SEND_S.
CLAIM_S = 60
KEPT_S = 6 * 3_600
NOTICES_AT_ONCE = 500

_sending = threading.Lock()


def sending_begin() -> bool:
    """Send beside the caller, which goes on at once; False if this process is sending already.

    A worker that takes one task at a time would else do nothing else while an endpoint does not answer.
    """
    if not _sending.acquire(blocking=False):
        return False
    threading.Thread(target=_send_beside, name="alert-sending", daemon=True).start()
    return True


def _send_beside() -> None:
    try:
        while channels_send():
            pass  # what came meanwhile
    except Exception:  # a thread has nobody above it who would say so; the next task begins anew
        logger.exception("Notices wait: sending failed")
    finally:
        connections.close_all()
        _sending.release()


def channels_send(*, now: datetime | None = None) -> int:
    """Send what waits to every channel that is not resting; to how many channels a message was sent or tried."""
    at = now or timezone.now()
    _give_up(at)
    tried = 0
    for channel_id in _due(at).order_by("failures", "pk").values_list("pk", flat=True):
        tried += _channel_send(channel_id, now or timezone.now())
    return tried


def _give_up(at: datetime) -> None:
    """What is as old as KEPT_S is news no more, whatever became of its channel: it may be gone, or out of use.

    Looked up first: a search that writes would lock rows on its way that an evaluation is writing.
    """
    is_old = AlertNotice.objects.filter(state=NoticeState.WAITING, made_at__lt=at - timedelta(seconds=KEPT_S))
    while old := list(is_old.values_list("pk", flat=True)[:NOTICES_AT_ONCE]):
        gone = AlertNotice.objects.filter(pk__in=old, state=NoticeState.WAITING).update(state=NoticeState.GIVEN_UP)
        NOTICES.labels("given_up").inc(gone)


def _due(at: datetime) -> QuerySet[AlertChannel]:
    """Channels in use for which something waits. Moments further ahead than any of ours were set by another clock."""
    rests = Q(next_at__gt=at, next_at__lte=at + timedelta(seconds=RESTS_S[-1]))
    is_busy = Q(busy_until__gt=at, busy_until__lte=at + timedelta(seconds=CLAIM_S))
    waiting = AlertNotice.objects.filter(channel=OuterRef("pk"), state=NoticeState.WAITING)
    return AlertChannel.objects.filter(Exists(waiting), enabled=True).exclude(rests).exclude(is_busy)


def _claim(channel_id: int, at: datetime) -> tuple[AlertChannel, list[AlertNotice]] | None:
    """The channel and what waits for it, each with one attempt more; None if somebody else has it."""
    with transaction.atomic():
        if not _due(at).filter(pk=channel_id).update(busy_until=at + timedelta(seconds=CLAIM_S)):
            return None
        waiting = AlertNotice.objects.filter(channel=channel_id, state=NoticeState.WAITING)
        notices = list(waiting.select_related("event").order_by("pk")[:NOTICES_AT_ONCE])
        AlertNotice.objects.filter(pk__in=[notice.pk for notice in notices]).update(attempts=F("attempts") + 1)
    return AlertChannel.objects.get(pk=channel_id), notices


def _channel_send(channel_id: int, at: datetime) -> bool:
    claimed = _claim(channel_id, at)
    if claimed is None:
        return False
    channel, notices = claimed
    if not notices:
        AlertChannel.objects.filter(pk=channel.pk).update(busy_until=None)
        return False
    try:
        message = message_of(notices, language=channel.language)
    except Exception:  # of what another release wrote: other channels are not to wait for it
        logger.exception("Notices to %s cannot be put into words", channel.name)
        message = None
    error = _try(channel, message) if message is not None else _("The notices cannot be put into words.")
    mine = AlertNotice.objects.filter(pk__in=[notice.pk for notice in notices])
    if error is None:
        mine.update(state=NoticeState.SENT, sent_at=timezone.now(), last_error="")
        NOTICES.labels("sent").inc(len(notices))
    else:
        mine.update(last_error=error)
        gone = mine.filter(attempts__gte=ATTEMPTS).update(state=NoticeState.GIVEN_UP)
        NOTICES.labels("failed").inc(len(notices) - gone)
        NOTICES.labels("given_up").inc(gone)
    _note(channel, error, at)
    return True


def _try(channel: AlertChannel, message: Message) -> str | None:
    """Why it failed; None if it was taken."""
    try:
        deliver(sealed=channel.sealed, title=message.title, body=message.body, severity=message.severity)
    except DeliveryFailed as failure:
        logger.warning("Notices to %s could not be sent: %s", channel.name, failure)
        return str(failure)[:ERROR_KEPT] or "?"
    return None


def _note(channel: AlertChannel, error: str | None, at: datetime) -> None:
    """Write down how the channel does. After a failure it rests from `at` on."""
    if error is None:
        told = {"last_sent_at": timezone.now(), "failures": 0, "next_at": None}
    else:
        rest = RESTS_S[min(channel.failures, len(RESTS_S) - 1)]
        told = {
            "last_error": error,
            "last_error_at": timezone.now(),
            "failures": channel.failures + 1,
            "next_at": at + timedelta(seconds=rest),
        }
    AlertChannel.objects.filter(pk=channel.pk).update(busy_until=None, **told)


def channel_test(channel: AlertChannel) -> str | None:
    """Send a test notice now; why it failed, None if it was taken. One that works ends the channel's rest."""
    error = _try(channel, test_message(language=channel.language))
    if error is None:
        AlertChannel.objects.filter(pk=channel.pk).update(last_sent_at=timezone.now(), failures=0, next_at=None)
    else:
        AlertChannel.objects.filter(pk=channel.pk).update(last_error=error, last_error_at=timezone.now())
    return error
