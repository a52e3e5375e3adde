"""Who may not watch: viewers sent away by an operator, as this process knows them.

An operator's word travels twice. A control event acts at once; it may be lost, so every process also reads the same
from Redis every few seconds, together with its report. Acting twice does nothing: only connections that were made
before the word are closed, and a ban is a ban.
"""

from typing import Any

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.close_codes import REMOVED

from . import removal_store
from .edge import Edge
from .removal_store import Removal
from .seats import Seat

# How far back a process looks for what it may have missed: longer than it takes to notice that Redis was away.
LOOK_BACK_MS = 60_000
BANNED_WORD = "banned: this account may not watch now"


class Removals:
    """Bans and removals of one edge. Every method runs on its event loop."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._banned: dict[str, int] = {}  # viewer -> epoch ms until which tokens are refused
        self._done: set[Removal] = set()

    def is_banned(self, viewer_id: str) -> bool:
        """Whether a token of this viewer is refused. No I/O: asked at every connect."""
        return self._banned.get(viewer_id, 0) > epoch_ms()

    # --- control events ---------------------------------------------------------------------------------------

    def heard(self, event: dict[str, Any]) -> None:
        """`viewer.banned`, `viewer.unbanned` or `viewer.removed` from a service, wherever it ran."""
        viewer_id = event["viewer"]
        if event["type"] == "viewer.unbanned":
            self._banned.pop(viewer_id, None)
        elif event["type"] == "viewer.banned":
            self._ban({viewer_id: event["until_ms"]})
        else:
            self._remove([Removal(viewer_id, event["stream"], event["reason"], event["at_ms"])])

    # --- what Redis says --------------------------------------------------------------------------------------

    def look(self) -> list[redis.Command]:
        """Commands whose replies `looked` takes."""
        now_ms = epoch_ms()
        return [removal_store.banned(now_ms), removal_store.removed(now_ms - LOOK_BACK_MS)]

    def looked(self, replies: list[Any]) -> None:
        """Take over what Redis has; it is the whole list of bans, so one that is not in it was lifted."""
        banned = removal_store.banned_read(replies[0])
        self._banned = {viewer_id: until for viewer_id, until in self._banned.items() if viewer_id in banned}
        self._ban(banned)
        removals = removal_store.removed_read(replies[1])
        self._done.intersection_update(removals)
        self._remove(removals)

    # --- closing ----------------------------------------------------------------------------------------------

    def _ban(self, banned: dict[str, int]) -> None:
        new = banned.keys() - self._banned.keys()
        self._banned.update(banned)
        if new:
            self._close([seat for seat in self._edge.seats() if seat.session.viewer_id in new], BANNED_WORD)

    def _remove(self, removals: list[Removal]) -> None:
        for removal in removals:
            if removal in self._done:
                continue
            self._done.add(removal)
            word = f"removed: {removal.reason}" if removal.reason else "removed"
            self._close([seat for seat in self._seats_of(removal.stream_id) if _is_meant(seat, removal)], word)

    def _seats_of(self, stream_id: int) -> list[Seat]:
        if stream_id == 0:
            return self._edge.seats()
        stream = self._edge.streams.get(stream_id)
        return list(stream.seats.values()) if stream is not None else []

    def _close(self, seats: list[Seat], word: str) -> None:
        for seat in seats:
            self._edge.leave(seat)
            seat.dismiss(REMOVED, word)


def _is_meant(seat: Seat, removal: Removal) -> bool:
    # The owner begins with the moment of the connection; who came back afterwards may stay.
    return seat.session.viewer_id == removal.viewer_id and int(seat.session.owner[:13]) <= removal.at_ms
