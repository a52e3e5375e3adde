"""A gate as its clients see it: zones put into Redis without a database, and questions asked over HTTP."""

import dataclasses
import http.client
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from channels.testing import HttpCommunicator
from prometheus_client import REGISTRY

from apps.realtime.redis import run, run_now
from apps.waitingroom import store
from apps.waitingroom.replies import LineStatus, status_read
from apps.waitingroom.rules import Mode, ZoneRules

CONCERT = ZoneRules(zone_id="concert", name="The concert", per_minute=60, mode=Mode.OPEN, message="", version=1)


def zone_open(**changes: Any) -> ZoneRules:
    """A new zone, published as the house would."""
    rules = dataclasses.replace(CONCERT, **changes)
    run_now([store.publish(rules, fresh=True), *store.catalog_put(rules)])
    return rules


def zone_change(rules: ZoneRules, **changes: Any) -> ZoneRules:
    """The same zone with other rules."""
    changed = dataclasses.replace(rules, version=rules.version + 1, **changes)
    run_now([store.publish(changed), *store.catalog_put(changed)])
    return changed


async def line_of(zone_id: str = "concert") -> LineStatus:
    """What Redis says of a zone's line."""
    status = status_read((await run([store.status(zone_id)]))[0])
    assert status is not None
    return status


def refused(reason: str, entrance: str = "gate") -> float:
    """How often this process refused something for this reason."""
    labels = {"entrance": entrance, "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_rejected_input_total", labels) or 0.0


class Reply(NamedTuple):
    """An answer."""

    status: int
    json: Any
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, str]:
        """Status and machine word of a refusal, whose form is checked."""
        assert set(self.json) == {"error", "detail"}, self.json
        assert self.headers["content-type"] == "application/json"
        return self.status, self.json["error"]

    @property
    def waiting(self) -> dict[str, Any]:
        """The numbers of an answer."""
        assert self.status == 200, self.json
        return dict(self.json["waiting"])


async def ask(
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    headers: Sequence[tuple[bytes, bytes]] = (),
    application: Any = None,
) -> Reply:
    """Ask this process's own application; a body of bytes is sent as it is."""
    if application is None:
        from config.asgi import application
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answer: Any = await HttpCommunicator(  # type: ignore[attr-defined]
        application, method, f"/traffic/{path}", body=raw, headers=list(headers)
    ).get_response(timeout=10)
    told = {name.decode(): value.decode() for name, value in answer["headers"]}
    return Reply(answer["status"], json.loads(answer["body"]) if answer["body"] else None, told)


class Client:
    """A kept connection to a gate that runs as a process of its own."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Reply:
        """One question."""
        text = None if body is None else json.dumps(body)
        self.connection.request(method, f"/traffic/{path}", text, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        raw = answer.read()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, json.loads(raw) if raw else None, told)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()
