"""Every answer of a gate is one that its own description promises, whatever a client sends."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from apps.waitingroom.rules import Mode
from tests.services.web import WebServer
from tests.waitingroom.gate import Client, zone_open

pytestmark = pytest.mark.slow

EXAMPLES = 20  # of each operation and mode: 200 in all
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Of the description's own address schemathesis sends nothing.
OPERATIONS = {
    ("/traffic/entry", "POST"),
    ("/traffic/leave", "POST"),
    ("/traffic/redeem", "POST"),
    ("/traffic/wait", "POST"),
    ("/traffic/zones/{zoneId}", "GET"),
}


class Gate:
    """A gate, its description, and what a client may know: zones, tickets, passes."""

    def __init__(self, server: WebServer) -> None:
        self.described: Any = schemathesis.openapi.from_url(f"{server.base_url}/traffic/openapi.json")
        client = Client(server.port)
        self.known: list[dict[str, str]] = [{}]
        for zone_id in ("open", "line"):
            given = client.ask("wait", {"zoneId": zone_id}).json
            self.known.append({"zoneId": zone_id, "token": given["token"], "pass": given.get("pass", "")})
        client.close()


@pytest.fixture
def described(gate: Callable[..., WebServer]) -> Gate:
    """A gate with a zone in which there is room and one in which everybody waits."""
    zone_open(zone_id="open", single_use=True)
    zone_open(zone_id="line", mode=Mode.QUEUE_ALL, per_minute=0)
    return Gate(gate())


def test_every_answer_is_described(described: Gate) -> None:
    found = [result.ok() for result in described.described.get_all_operations()]
    assert {(operation.path, operation.method.upper()) for operation in found} == OPERATIONS
    for operation in found:
        seen = _ask(operation, GenerationMode.POSITIVE, described.known)
        assert 200 in seen, f"{operation.label} was never answered with 200: {seen}"
        assert 200 not in _ask(operation, GenerationMode.NEGATIVE, [{}])


def _ask(operation: Any, mode: GenerationMode, known: list[dict[str, str]]) -> set[int]:
    """Send generated requests, some of them with what a client may know, and check each answer; the statuses."""
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), knows=strategies.sampled_from(known))
    def send(case: Any, knows: dict[str, str]) -> None:
        if isinstance(case.body, dict):
            case.body.update({name: knows[name] for name in case.body if name in knows})
        if knows and case.path_parameters:
            case.path_parameters["zoneId"] = knows["zoneId"]
        response = case.call(timeout=10)
        seen.add(response.status_code)
        # Schemathesis does not count 413 among the answers that reject a body; it is one.
        rejects = [] if response.status_code == 413 else [negative_data_rejection]
        case.validate_response(response, checks=[*CHECKS, *rejects])

    send()
    return seen
