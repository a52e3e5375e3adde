"""The draw of the pre-queue: every place once, each alike likely, and the same in Redis's Lua as in Python."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.waitingroom.shuffle import BLOCK, MAX_SEED, round_constants, shuffled
from tests.services.redis_server import RedisServer

# The docstring's formula, spelled in doubles and the `bit` library as a script must.
IN_LUA = """
local WORD, LOW = 2^32, 2^21
local function mix(h)
  for _, step in ipairs({{15, 0x9E379}, {13, 0xD35A5}, {16, 0xB4F4B}}) do
    h = bit.bxor(h, math.floor(h / 2^step[1])) % WORD
    h = h * step[2] % WORD
  end
  return bit.bxor(h, math.floor(h / 2^15)) % WORD
end
local seed = tonumber(ARGV[1])
local low, high = seed % 2^27, math.floor(seed / 2^27)
local function word(n) return mix(bit.bxor(mix(n * 2^27 + low), high) % WORD) end
local places = {}
for i = 2, #ARGV do
  local index = tonumber(ARGV[i])
  local x = index % LOW
  for r = 1, 4 do
    x = bit.bxor(x, word(2 * r - 1) % LOW)
    x = x * (word(2 * r) % 2^20 * 2 + 1) % LOW
    x = bit.bxor(x, math.floor(x / 2^11))
  end
  places[#places + 1] = string.format('%d', index - index % LOW + x)
end
return places
"""

SEEDS = st.one_of(st.integers(0, 100), st.integers(0, MAX_SEED), st.integers(0, 53).map(lambda bit: 1 << bit))


@pytest.mark.parametrize(
    ("seed", "places"),
    [
        (0, [1944642, 646481, 400988, 1532570, 4041794]),
        (1, [941202, 473500, 1756634, 1838327, 3038354]),
        (20260501, [172425, 861491, 1899905, 476136, 2269577]),
        (MAX_SEED, [199598, 1523068, 868054, 1914077, 2296750]),
    ],
)
def test_a_stored_seed_gives_the_same_draw_in_every_release(seed: int, places: list[int]) -> None:
    assert [shuffled(seed, index) for index in (0, 1, 2, BLOCK - 1, BLOCK)] == places


def test_every_place_of_a_block_is_drawn_once() -> None:
    drawn = bytearray(BLOCK)
    for index in range(BLOCK):
        drawn[shuffled(20260501, index)] = 1
    assert drawn.count(1) == BLOCK


@given(seed=SEEDS, start=st.integers(0, BLOCK - 300))
def test_no_seed_draws_a_place_twice_or_outside_of_its_block(seed: int, start: int) -> None:
    places = {shuffled(seed, 3 * BLOCK + index) for index in range(start, start + 300)}
    assert len(places) == 300
    assert 3 * BLOCK <= min(places) <= max(places) < 4 * BLOCK


@given(seed=SEEDS)
def test_the_constants_fit_into_the_arithmetic_of_lua(seed: int) -> None:
    for key, odd in round_constants(seed):
        assert 0 <= key < BLOCK
        assert 0 < odd < BLOCK
        assert odd % 2 == 1


@settings(deadline=None)
@given(seed=SEEDS, indexes=st.lists(st.integers(0, 40 * BLOCK), min_size=1, max_size=20))
def test_redis_draws_the_same(shared_redis: RedisServer, seed: int, indexes: list[int]) -> None:
    with shared_redis.client() as client:
        drawn = client.eval(IN_LUA, 0, seed, *indexes)
    assert [int(place) for place in drawn] == [shuffled(seed, index) for index in indexes]


def chi_square(counts: Counter[int], cells: int) -> float:
    """How far counts are from being alike; of `cells` cells, cells - 1 +- sqrt(2 cells) is what chance gives."""
    expected = counts.total() / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))


# 255 degrees of freedom: chance exceeds 347 once in 10,000.
CELLS = 256
UNLIKELY = 347.0


@pytest.mark.parametrize("seed", [0, 1, 2, 20260501, MAX_SEED])
def test_who_came_early_is_spread_over_the_whole_line(seed: int) -> None:
    places = [shuffled(seed, index) for index in range(20_000)]
    assert chi_square(Counter(place * CELLS // BLOCK for place in places), CELLS) < UNLIKELY
    # Neighbours at the door do not stay neighbours, and neither of them is favoured.
    steps = [(after - before) % BLOCK for before, after in pairwise(places)]
    assert chi_square(Counter(step * CELLS // BLOCK for step in steps), CELLS) < UNLIKELY
    assert abs(sum(step < BLOCK // 2 for step in steps) / len(steps) - 0.5) < 0.02


@pytest.mark.parametrize("index", [0, 1, 1_000])
@pytest.mark.parametrize("near", [True, False], ids=["seeds in a row", "seeds at random"])
def test_the_seed_decides_where_somebody_lands(index: int, near: bool) -> None:
    draw = random.Random(index)
    seeds = range(4_000) if near else [draw.randrange(MAX_SEED) for _ in range(4_000)]
    pairs = [(shuffled(seed, index), shuffled(seed, index + 1)) for seed in seeds]
    assert chi_square(Counter(place * CELLS // BLOCK for place, _ in pairs), CELLS) < UNLIKELY
    assert chi_square(Counter((b - a) % BLOCK * CELLS // BLOCK for a, b in pairs), CELLS) < UNLIKELY
    assert abs(sum(a < b for a, b in pairs) - 2_000) < 4 * 32  # four standard deviations of 4,000 fair coins


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_that_lua_could_not_hold_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=r"a seed is 0 to 2\^53"):
        shuffled(seed, 0)


def test_nobody_comes_before_the_first() -> None:
    with pytest.raises(ValueError, match="an index is 0 or more"):
        shuffled(1, -1)
