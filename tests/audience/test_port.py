"""What the streams app is given: counts, rankings and tokens, or one word that says they are unavailable."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.viewers import ViewerIdentity
from apps.audience import house_store
from apps.audience.port import AudienceReader
from apps.audience.tokens import ViewerClaims, viewer_token_read
from apps.realtime import redis
from apps.realtime.tokens import TokenError
from apps.streams.ports import AudienceUnavailable, Counts, audience
from tests.audience.stage import Stage, both, run_one, tab
from tests.services.redis_server import RedisServer

BROWSER = "0123456789abcdef" * 2
ANN = ViewerIdentity(viewer_id="u42", browser_id=BROWSER, is_new=False)


def test_the_audience_registered_itself() -> None:
    assert type(audience()) is AudienceReader


@both
def test_counts_answer_for_every_asked_stream(stage: Stage) -> None:
    stage.open()
    stage.arrive(tab("t1", "ann"), tab("t2", "bob"))
    stage.depart(tab("t1", "ann"))
    assert audience().counts([7, 8]) == {7: Counts(1, 2, 2), 8: Counts(0, 0, 0)}
    assert audience().counts([]) == {}
    many = audience().counts(range(1, 1202))
    assert (len(many), many[7]) == (1201, Counts(1, 2, 2))


@both
def test_rankings_by_viewers(stage: Stage) -> None:
    assert audience().house_viewers() is None
    redis.run_now(
        [house_store.rank(None, {7: 5, 8: 9, 9: 0}), house_store.rank(3, {7: 5, 9: 0}), house_store.house_put(14)]
    )
    assert audience().ranking(category_id=None, offset=0, limit=10) == [8, 7, 9]
    assert audience().ranking(category_id=None, offset=1, limit=1) == [7]
    assert audience().ranking(category_id=3, offset=0, limit=10) == [7, 9]
    assert audience().ranking(category_id=4, offset=0, limit=10) == []
    assert audience().ranking(category_id=None, offset=3, limit=10) == []
    assert audience().house_viewers() == 14


def test_a_token_is_for_a_new_tab_of_this_viewer() -> None:
    tokens = [audience().viewer_token(identity=ANN, stream_id=7) for _ in range(2)]
    claims = [viewer_token_read(token=token, browser_id=BROWSER) for token in tokens]
    assert claims == [ViewerClaims(7, "u42", each.session_id) for each in claims]
    assert len({each.session_id for each in claims}) == 2
    assert {len(each.session_id) for each in claims} == {16}
    with pytest.raises(TokenError, match="foreign"):
        viewer_token_read(token=tokens[0], browser_id="f" * 32)


@pytest.fixture(params=["stopped", "confused"])
def lost_redis(request: pytest.FixtureRequest, private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    """A Redis that is away, or whose keys hold what they should not."""
    use_redis(private_redis.url)
    if request.param == "stopped":
        private_redis.stop()
    else:
        for key in ("live:{streams}:ranking:all", "live:{streams}:viewers"):
            run_one(("LPUSH", key, 1))


ASKED: dict[str, Callable[[Any], Any]] = {
    "ranking": lambda port: port.ranking(category_id=None, offset=0, limit=1),
    "house_viewers": lambda port: port.house_viewers(),
}


@pytest.mark.parametrize("asked", ASKED)
def test_without_redis_it_says_unavailable(lost_redis: None, asked: str) -> None:
    with pytest.raises(AudienceUnavailable):
        ASKED[asked](audience())


def test_without_redis_counts_are_unavailable_and_tokens_are_not(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    private_redis.stop()
    with pytest.raises(AudienceUnavailable):
        audience().counts([7])
    token = audience().viewer_token(identity=ANN, stream_id=7)
    assert viewer_token_read(token=token, browser_id=BROWSER).stream_id == 7


def test_a_cluster_that_is_away_is_unavailable_too(use_redis: Callable[[str], str]) -> None:
    use_redis("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(AudienceUnavailable):
        audience().counts([7])
