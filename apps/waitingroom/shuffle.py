"""The draw of the pre-queue: a keyed permutation of [0, 2^21), so that who came before the opening is shuffled once.

Everyone who came before the opening gets the next index i of a counter, and the place

    place(i) = (i - i % 2^21) + permutation(i % 2^21)

so that places are unique, no list is kept, and the whole draw can be repeated from the stored seed. The same formula
stands in lua/draw.lua, in doubles: no product or sum reaches 2^53. All quantities are integers; `^` is exclusive or,
`//` and `%` round down, so that in Lua `x // 2^s` of a number below 2^32 is `math.floor(x / 2^s)`, and a result of
the `bit` library, which is signed, is brought back by `% 2^32`.

    mix(h), 0 <= h < 2^32:                             a bijection of 32 bits
        h = h ^ (h // 2^15);  h = h * 0x9E379 % 2^32
        h = h ^ (h // 2^13);  h = h * 0xD35A5 % 2^32
        h = h ^ (h // 2^16);  h = h * 0xB4F4B % 2^32
        h = h ^ (h // 2^15)

    word(n), n = 1 .. 8, of a seed 0 .. 2^53:          low = seed % 2^27, high = seed // 2^27
        word(n) = mix(mix(n * 2^27 + low) ^ high)

    key(r)  = word(2r - 1) % 2^21                      r = 1 .. 4
    odd(r)  = word(2r) % 2^20 * 2 + 1

    permutation(x), 0 <= x < 2^21:                     for r = 1 .. 4:
        x = x ^ key(r);  x = x * odd(r) % 2^21;  x = x ^ (x // 2^11)

Every step of a round can be undone (an odd number has an inverse modulo 2^21), which makes the whole a bijection. It is
a fair draw and no secret: who knows the seed knows the order, so a seed is chosen at random and not shown.
"""

import functools

BLOCK_BITS = 21
BLOCK = 1 << BLOCK_BITS
ROUNDS = 4
MAX_SEED = 1 << 53

_LOW = BLOCK - 1
_WORD = (1 << 32) - 1
_FOLD = 11


def _mix(h: int) -> int:
    h ^= h >> 15
    h = h * 0x9E379 & _WORD
    h ^= h >> 13
    h = h * 0xD35A5 & _WORD
    h ^= h >> 16
    h = h * 0xB4F4B & _WORD
    return h ^ h >> 15


@functools.lru_cache(maxsize=64)
def round_constants(seed: int) -> tuple[tuple[int, int], ...]:
    """The (key, odd factor) of each round for a seed 0 .. 2^53; ValueError for any other."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"a seed is 0 to 2^53, not {seed}")
    high, low = divmod(seed, 1 << 27)
    words = [_mix(_mix((n << 27) + low) ^ high) for n in range(1, 2 * ROUNDS + 1)]
    return tuple((words[r] & _LOW, (words[r + 1] & _LOW >> 1) * 2 + 1) for r in range(0, 2 * ROUNDS, 2))


def shuffled(seed: int, index: int) -> int:
    """The place of the `index`-th (from 0) who came before the opening, in the same block of 2^21 as the index."""
    if index < 0:
        raise ValueError(f"an index is 0 or more, not {index}")
    x = index & _LOW
    block = index - x
    for key, odd in round_constants(seed):
        x = (x ^ key) * odd & _LOW
        x ^= x >> _FOLD
    return block + x
