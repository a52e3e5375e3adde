"""Sockets of the managers' pages: let in by the session of the page, seated in the feed."""

from channels.db import database_sync_to_async
from django.conf import settings
from django.http import parse_cookie

from apps.realtime.close_codes import FORBIDDEN, NOT_FOUND, UNAUTHORIZED
from apps.realtime.consumers import LeanWebsocketConsumer

from ..managers import NoSuchZone, Role
from .access import NoZones, Person, SignedOut, let_in
from .feed import manage_feed


class _ManagerConsumer(LeanWebsocketConsumer):
    """A page of somebody who is signed in."""

    person: Person
    zone_id: str | None = None
    zones: frozenset[str] = frozenset()
    role: Role | None = None
    is_greeted = False
    _is_seated = False
    _session_key = ""

    def connecting(self) -> None:
        """The session's cookie is a header."""
        for header, value in self.scope["headers"]:
            if header == b"cookie":
                self._session_key = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")

    async def opened(self) -> None:
        """Look at the session and the roles, then take a seat."""
        self.zone_id = self.scope["url_route"]["kwargs"].get("zone_id")
        try:
            address = (self.scope.get("client") or ("",))[0]
            self.person, roles = await database_sync_to_async(let_in)(self._session_key, self.zone_id, address)
        except SignedOut:
            return await self.reject(UNAUTHORIZED, "signed_out", "sign in first")
        except NoSuchZone:
            return await self.reject(NOT_FOUND, "unknown_zone", "there is no such zone")
        except NoZones:
            return await self.reject(FORBIDDEN, "no_zones", "you manage no zone")
        self.zones = frozenset(roles)
        self.role = roles.get(self.zone_id) if self.zone_id is not None else None
        self._is_seated = True
        manage_feed().add(self)
        return None

    def closed(self) -> None:
        """Give the seat up."""
        if self._is_seated:
            manage_feed().remove(self)


class WallConsumer(_ManagerConsumer):
    """`/ws/manage/wall/`: all zones of whoever watches."""

    kind = "manage_wall"


class ZonePageConsumer(_ManagerConsumer):
    """`/ws/manage/zones/{zone}/`: one zone in detail."""

    kind = "manage_zone"
