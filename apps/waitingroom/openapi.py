"""The OpenAPI 3.1 description of /traffic/*, as the gate serves it and as tests hold every answer to it."""

import json
from typing import Any

from .http import MAX_AGENT, MAX_IP, MAX_PASS, MAX_TOKEN

_ZONE = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": ["integer", "null"], "minimum": 0}
_MOMENT = {"type": "integer", "description": "milliseconds since 1970"}

_REASONS = {
    400: ("malformed", "The body is not JSON."),
    401: ("malformed_token", "The token or pass was not made here, or not for this zone: also `forged`, `other_zone`."),
    404: ("unknown_zone", "There is no such zone."),
    405: ("method_not_allowed", "See `Allow`."),
    408: ("slow_body", "The body did not arrive in time."),
    409: ("replayed", "This pass was used before."),
    410: ("expired", "The place is gone: also `cleared`, `evicted`, `spent`. Ask for a new one."),
    413: ("too_large", "The body is larger than any that this address takes."),
    422: ("invalid", "A field is missing or of the wrong kind; `detail` names it."),
    429: ("too_fast", "More than a person asks; see `Retry-After`."),
    503: ("unavailable", "The line cannot be reached now; see `Retry-After`."),
}


def _said(longest: int) -> dict[str, Any]:
    return {"type": ["string", "null"], "maxLength": longest}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": properties, **more}


_SCHEMAS = {
    "Error": _object({"error": _TEXT, "detail": _TEXT}),
    "Wait": _object(
        {"zoneId": _ZONE},
        {
            "clientIp": {**_said(MAX_IP), "description": "whom the pass is bound to"},
            "clientAgent": {**_said(MAX_AGENT), "description": "the same"},
            "token": {**_said(MAX_TOKEN), "description": "a place that is held already"},
        },
    ),
    "Entry": _object(
        {"zoneId": _ZONE, "token": _said(MAX_TOKEN)},
        {
            "clientIp": {**_said(MAX_IP), "description": "for an empty token, as for /traffic/wait"},
            "clientAgent": {**_said(MAX_AGENT), "description": "the same"},
        },
    ),
    "Leave": _object({"zoneId": _ZONE, "token": _said(MAX_TOKEN)}),
    "Redeem": _object({"zoneId": _ZONE, "pass": {"type": "string", "minLength": 1, "maxLength": MAX_PASS}}),
    "Answer": _object(
        {
            "canEnter": {"type": "boolean"},
            "token": {"type": "string", "description": "the place in the line; empty while none is given"},
            "waiting": _object(
                {
                    "rank": _COUNT,
                    "total": _COUNT,
                    "behind": _COUNT,
                    "etaSeconds": {**_SECONDS, "description": "null: nobody knows, as nobody is let in"},
                    "pollingPeriod": {"type": "integer", "minimum": 1000, "maximum": 20000, "description": "in ms"},
                },
                additionalProperties=False,
            ),
            "state": {"enum": ["waiting", "admitted", "paused", "blocked", "before", "prequeue", "holding"]},
            "message": {"type": "string", "description": "from the zone's manager"},
        },
        {
            "messageKo": {"type": "string", "description": "the same in Korean, if there is one"},
            "slowed": {"const": True, "description": "fewer a minute than before: rank and time may have risen"},
            "opensAt": _MOMENT,
            "over": {
                "type": "array",
                "items": _TEXT,
                "description": "paths of this site at which there is nothing to wait for any more",
            },
            "pass": {"type": "string", "description": "what opens the protected site"},
            "passExpiresAt": {"type": "integer", "description": "seconds since 1970"},
        },
        additionalProperties=False,
    ),
    "Left": _object({"left": {"type": "boolean"}}, additionalProperties=False),
    "Redeemed": _object(
        {
            "redeemed": {"const": True},
            "singleUse": {"type": "boolean", "description": "whether this use was counted"},
            "place": _COUNT,
        },
        additionalProperties=False,
    ),
    "Zone": _object(
        {
            "zoneId": _ZONE,
            "name": _TEXT,
            "nameKo": _TEXT,
            "mode": {"enum": ["open", "queue-all", "paused", "blocked", "bypass", "observe"]},
            "state": {"enum": ["waiting", "paused", "blocked", "before", "prequeue", "holding"]},
            "perMinute": _COUNT,
            "waiting": _COUNT,
            "enteringPerMinute": _COUNT,
            "etaSeconds": {**_SECONDS, "description": "for who comes now"},
            "opensAt": {"type": ["integer", "null"], "description": "milliseconds since 1970"},
            "message": _TEXT,
            "messageKo": _TEXT,
            "stale": {"type": "boolean", "description": "the figures are older than 5 s"},
        },
        additionalProperties=False,
    ),
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _answers(name: str, description: str, *refusals: int) -> dict[str, Any]:
    refused = {
        str(status): _json("Error", f"`{error}`: {detail}")
        for status, (error, detail) in _REASONS.items()
        if status in refusals
    }
    return {"200": _json(name, description), **refused}


_REFUSED = (400, 401, 404, 405, 408, 413, 422, 429, 503)


def _post(summary: str, asked: str, answered: str, description: str, *refusals: int) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(asked)}}},
            "responses": _answers(answered, description, *_REFUSED, *refusals),
        }
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Fullhouse waiting room",
        "version": "1.0.0",
        "description": "Stand in line for a zone, ask how long it takes, and be let in with a pass.",
    },
    "paths": {
        "/traffic/wait": _post(
            "Get in, or get a place in the line", "Wait", "Answer", "In, or the place and how long it takes."
        ),
        "/traffic/entry": _post(
            "Ask again, every pollingPeriod, until canEnter", "Entry", "Answer", "As from /traffic/wait.", 410
        ),
        "/traffic/leave": _post("Give the place up", "Leave", "Left", "Whether there was a place to give up."),
        "/traffic/redeem": _post("Use up a pass", "Redeem", "Redeemed", "The pass is good.", 409, 410),
        "/traffic/zones/{zoneId}": {
            "get": {
                "summary": "How the line is now",
                "parameters": [{"name": "zoneId", "in": "path", "required": True, "schema": _ZONE}],
                "responses": _answers("Zone", "The line as this gate last saw it.", 404, 405, 503),
            }
        },
        "/traffic/openapi.json": {
            "get": {
                "summary": "This description",
                "responses": {
                    "200": {
                        "description": "OpenAPI 3.1",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    },
    "components": {"schemas": _SCHEMAS},
}
DOCUMENT_BYTES = json.dumps(DOCUMENT, separators=(",", ":")).encode()
