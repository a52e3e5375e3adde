"""Every answer of the API is one that its own description promises, whatever a client sends."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts.services import operator_ensure
from apps.audience.services import audience_sweep
from apps.streams.services import broadcaster_ensure, category_ensure, stream_end, stream_start
from tests.services.waiting import eventually
from tests.services.web import WebServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database, pytest.mark.slow]

EXAMPLES = 60
STATISTICS_EXAMPLES = 20  # these share their parameters and how they are checked
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OPERATIONS = [
    ("/api/broadcasters/{slug}/days", "GET"),
    ("/api/broadcasters/{slug}/export", "GET"),
    ("/api/broadcasters/{slug}/growth", "GET"),
    ("/api/broadcasters/{slug}/heat-map", "GET"),
    ("/api/broadcasters/{slug}/series", "GET"),
    ("/api/broadcasters/{slug}/streams", "GET"),
    ("/api/rankings", "GET"),
    ("/api/rankings/{period}", "GET"),
    ("/api/streams", "GET"),
    ("/api/streams/{stream_id}", "GET"),
    ("/api/streams/{stream_id}/comparison", "GET"),
    ("/api/streams/{stream_id}/days", "GET"),
    ("/api/streams/{stream_id}/export", "GET"),
    ("/api/streams/{stream_id}/series", "GET"),
    ("/api/streams/{stream_id}/token", "POST"),
    ("/api/streams/{stream_id}/viewers", "GET"),
]
SLUG = "ara"


@pytest.fixture
def stream_ids(transactional_db: None) -> list[int]:
    """A live stream, the one before it, and another's that has ended, so that answers are not all 404."""
    category = category_ensure(slug="games", name="Games", name_ko="게임")
    made = []
    for name in (SLUG, "bora", SLUG):
        stream = stream_start(
            broadcaster=broadcaster_ensure(name=name, slug=name), category=category, title=f"{name}'s stream"
        )
        made.append(stream)
        if len(made) < 3:
            stream_end(stream=stream)
    audience_sweep()  # the live one's trail has a point
    return [stream.pk for stream in made]


@pytest.fixture
def staff(client: Client, stream_ids: list[int]) -> dict[str, str]:
    """Headers of somebody to whom everybody's statistics are open."""
    client.force_login(operator_ensure(username="olga", password="a walk at night 7"))
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


@pytest.fixture
def described(web: Callable[..., WebServer]) -> Any:
    """The description that a running server gives of itself."""
    return schemathesis.openapi.from_url(f"{web().base_url}/api/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_described(
    described: Any, stream_ids: list[int], staff: dict[str, str], mode: GenerationMode
) -> None:
    found = [result.ok() for result in described.get_all_operations()]
    assert sorted((operation.path, operation.method.upper()) for operation in found) == OPERATIONS
    for operation in found:
        seen = _ask(operation, mode, stream_ids, staff)
        if mode is GenerationMode.POSITIVE:
            assert 200 in seen, f"{operation.label} was never answered with 200: {seen}"


def _ask(operation: Any, mode: GenerationMode, stream_ids: list[int], headers: dict[str, str]) -> set[int]:
    """Send generated requests and check each answer; the statuses that came."""
    seen: set[int] = set()

    # No database of failures and a fixed seed: a run in CI says the same as one at home.
    @settings(
        max_examples=STATISTICS_EXAMPLES if "statistics" in operation.tags else EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), known=strategies.sampled_from([None, *stream_ids]))
    def send(case: Any, known: int | None) -> None:
        if known is not None and mode is GenerationMode.POSITIVE and case.path_parameters:
            known_parts = {"stream_id": known, "slug": SLUG}
            case.path_parameters.update(
                {name: known_parts[name] for name in case.path_parameters if name in known_parts}
            )

        def answered() -> bool:
            response = case.call(timeout=10, headers=headers if case.method == "GET" else None)
            seen.add(response.status_code)
            case.validate_response(response, checks=CHECKS)
            # Statistics may be asked for 20 times a second: what is refused for that is asked once more.
            return response.status_code != 429 or "statistics" not in operation.tags

        eventually(answered, every=0.2, not_yet=())

    send()
    return seen
