"""What is kept of one viewer: given out, and forgotten, when the viewer asks for it.

A viewer is u<user id>, or a<browser id> of somebody who did not sign in. Sessions name no address: no table and no key
holds one.

Erasing keeps the rows and takes the person out of them: each broadcaster's rows get a random mark of their own in place
of the viewer, which is written down nowhere else. So days can be computed again and come to the same figures, and
nothing links the rows to the person, nor those of one broadcaster to those of another.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.audience import past_store
from apps.audience.selectors import open_tabs
from apps.realtime import redis
from apps.streams.models import Stream

from .claim import PATIENCE_S, claimed
from .models import UserSession, Visitor
from .session_services import sessions_bring_in

VIEWER = re.compile(r"[ua][0-9A-Za-z_-]{1,39}")


class NoSuchViewer(ValueError):
    """That is not how viewers are called."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Sessions, broadcasters that knew the viewer, records set aside; and streams that the viewer watches right now."""

    sessions: int
    broadcasters: int
    rejected: int
    watching: list[int]


def viewer_export(viewer_id: str) -> Iterator[dict[str, Any]]:
    """All that is kept of a viewer, as values for JSON, one thing each. NoSuchViewer, SessionsWait, RedisError."""
    _check(viewer_id)
    sessions_bring_in()
    for session in UserSession.objects.filter(viewer_id=viewer_id).order_by("joined_at").iterator():
        yield {
            "kind": "session",
            "session": session.session_id,
            "stream": session.stream_id,
            "joined_at": session.joined_at.isoformat(),
            "left_at": session.left_at.isoformat(),
            "seconds": session.seconds,
            "reason": session.reason,
        }
    for visitor in Visitor.objects.filter(viewer_id=viewer_id).order_by("broadcaster_id").iterator():
        yield {
            "kind": "visitor",
            "broadcaster": visitor.broadcaster_id,
            "first_at": visitor.first_at.isoformat(),
            "last_day": visitor.last_day.isoformat(),
        }
    for _, fields in _rejected(viewer_id):
        yield {"kind": "rejected", **fields}
    for stream_id, tabs in open_tabs(viewer_id).items():
        yield {"kind": "watching", "stream": stream_id, "tabs": tabs}


def viewer_erase(viewer_id: str) -> Erased:
    """Take a viewer out of all that is kept. NoSuchViewer, SessionsWait, StatisticsBusy, RedisError.

    What the viewer watches at this moment is written down when they leave, with the viewer's name: then erase again.
    """
    _check(viewer_id)
    sessions_bring_in()
    # Statistics note visitors out of the sessions: a statement that had read the name would write it down once more.
    with claimed(wait_s=PATIENCE_S) as claim, transaction.atomic():
        erased, known = _replace(viewer_id)
        claim.keep()
    ids = [record_id for record_id, _ in _rejected(viewer_id)]
    if ids:
        redis.ask_now([past_store.rejected_drop(ids)])
    return Erased(erased, known, len(ids), sorted(open_tabs(viewer_id)))


def _replace(viewer_id: str) -> tuple[int, int]:
    """Put marks in place of the viewer; how many sessions it was in, and how many broadcasters knew it."""
    sessions = UserSession.objects.filter(viewer_id=viewer_id)
    visitors = Visitor.objects.filter(viewer_id=viewer_id)
    streams = sorted(sessions.order_by().values_list("stream_id", flat=True).distinct())
    owners = dict(Stream.objects.filter(pk__in=streams).values_list("pk", "broadcaster_id"))
    # A stream that is gone belongs to nobody: it stands for itself.
    groups: dict[tuple[str, int], list[int]] = {}
    for stream_id in streams:
        owner = ("broadcaster", owners[stream_id]) if stream_id in owners else ("stream", stream_id)
        groups.setdefault(owner, []).append(stream_id)
    for broadcaster_id in visitors.values_list("broadcaster_id", flat=True):
        groups.setdefault(("broadcaster", broadcaster_id), [])
    erased = known = 0
    for (kind, number), of_group in groups.items():
        mark = f"x{secrets.token_hex(16)}"
        if of_group:
            erased += sessions.filter(stream_id__in=of_group).update(viewer_id=mark)
        if kind == "broadcaster":
            known += visitors.filter(broadcaster_id=number).update(viewer_id=mark)
    return erased, known


def _check(viewer_id: str) -> None:
    if not VIEWER.fullmatch(viewer_id):
        raise NoSuchViewer(f"{viewer_id!r} is no viewer: u<user id>, or a<browser id>")


def _rejected(viewer_id: str) -> list[tuple[bytes, dict[str, str]]]:
    """Records that were set aside and name the viewer."""
    found = []
    for record_id, fields in past_store.rejected_read(redis.ask_now([past_store.rejected()])[0]):
        if viewer_id in fields.get("record", "").split("|"):
            found.append((record_id, fields))
    return found
