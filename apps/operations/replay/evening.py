"""A seeded generator of an ordinary evening, in the same form as a trace from a file.

What makes it ordinary: a few hundred broadcasts of which a handful hold most of the audience (Zipf), stays of 15
minutes, an audience that grows until late and then thins out, broadcasts that start and end all evening, people who
come back, switch channels or open a second tab, and one star whose start draws a surge, partly away from everyone else.

Pure: the same plan always gives the same evening.
"""

import math
import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate

from .trace import MEAN_STAY_S, Channel, Play, Trace, sessions_of

# Slug, English name, Korean name.
CATEGORIES = (
    ("just-chatting", "Just chatting", "저스트 채팅"),
    ("music", "Music", "음악"),
    ("cooking", "Cooking and eating", "먹방·요리"),
    ("sports", "Sports", "스포츠"),
    ("strategy-games", "Strategy games", "전략 게임"),
    ("shooters", "Shooters", "슈팅 게임"),
    ("role-playing", "Role-playing games", "롤플레잉 게임"),
    ("art", "Art and craft", "그림·공예"),
    ("study", "Study with me", "같이 공부"),
    ("travel", "Travel and outdoors", "여행·야외"),
)
# fmt: off
FIRST_NAMES = (
    "Ara", "Bora", "Chani", "Dami", "Eunho", "Garam", "Haneul", "Iseul", "Jiho", "Kira", "Luna", "Mina", "Nari",
    "Onyu", "Podo", "Raon", "Sora", "Taeho", "Uri", "Yuna", "Doyun", "Gaon", "Mirae", "Seri", "Woori",
)
SECOND_NAMES = (
    "Arcade", "Bakery", "Cinema", "Diary", "Express", "Factory", "Garden", "House", "Island", "Journal", "Kitchen",
    "Lounge", "Market", "Nights", "Orchestra", "Playground", "Quartet", "Radio", "Studio", "Theatre",
)
# fmt: on
TITLES = (
    "first time, no spoilers",
    "late-night requests",
    "road to the top",
    "slow evening together",
    "practice before the finals",
    "viewers choose what is next",
    "one more round",
    "from scratch",
    "the long way home",
    "questions and answers",
)
STAR_NAME, STAR_TITLE, STAR_CATEGORY = "Nova Live", "the concert", "music"

OPENS_AT = 18 * 3600.0  # the trace's clock: 18:00
SHORTEST_BROADCAST_S = 20 * 60.0
MEDIAN_BROADCAST_S = 75 * 60.0
ALL_EVENING = 5  # the most popular broadcasts, on from opening to end


@dataclass(frozen=True, slots=True)
class EveningPlan:
    """How big the evening is. `audience` is about the most sockets that are open at once."""

    seed: int = 1
    audience: int = 2000
    streams: int = 500  # over the whole evening; about 200 are live at once
    hours: float = 4.0
    zipf: float = 1.0  # the r-th most popular broadcast draws 1 / (r + 2)**zipf
    opening: float = 0.4  # share of the audience that is there when the evening opens
    star: float = 0.3  # share of the audience that the star draws
    returning: float = 0.25  # share of plays by a device that has been here before


def evening_generate(plan: EveningPlan) -> Trace:
    """The channels and sessions of one evening. The star's channel is the last one."""
    chance = random.Random(plan.seed)
    length = plan.hours * 3600.0
    channels = [*_channels(chance, plan, length), _star(length)]
    plays = _ordinary_plays(chance, plan, length, channels[:-1]) + _star_plays(chance, plan, channels[-1])
    # Who switches is decided here, once every play has its moment: someone may leave a small channel for the star.
    devices = _Devices(chance, plan.returning)
    named = [Play(at, devices.next(), channel) for at, channel in sorted(plays)]
    return Trace(tuple(channels), tuple(sessions_of(named, seed=plan.seed)))


class _Devices:
    """Names devices: mostly new ones, some that were here before."""

    def __init__(self, chance: random.Random, returning: float) -> None:
        self._chance = chance
        self._returning = returning
        self._known = 0

    def next(self) -> str:
        if self._known and self._chance.random() < self._returning:
            return f"d{self._chance.randrange(self._known)}"
        self._known += 1
        return f"d{self._known - 1}"


def _channels(chance: random.Random, plan: EveningPlan, length: float) -> list[Channel]:
    """Ordinary broadcasts, the most popular first. A third are on already; the rest start over the evening."""
    names = [f"{first} {second}" for second in SECOND_NAMES for first in FIRST_NAMES]
    chance.shuffle(names)
    channels = []
    for number in range(plan.streams):
        start = 0.0 if chance.random() < 1 / 3 else chance.uniform(0.0, 0.85 * length)
        lasts = max(SHORTEST_BROADCAST_S, chance.lognormvariate(math.log(MEDIAN_BROADCAST_S), 0.6))
        if number < ALL_EVENING:
            start, lasts = 0.0, length
        name = names[number % len(names)] + (f" {number // len(names) + 1}" if number >= len(names) else "")
        channels.append(
            Channel(
                name=name,
                title=f"{name}: {chance.choice(TITLES)}",
                category=chance.choice(CATEGORIES)[0],
                start=OPENS_AT + round(start),
                end=OPENS_AT + round(min(length, start + lasts)),
            )
        )
    return channels


def _star(length: float) -> Channel:
    return Channel(
        name=STAR_NAME,
        title=f"{STAR_NAME}: {STAR_TITLE}",
        category=STAR_CATEGORY,
        start=OPENS_AT + round(0.45 * length),
        end=OPENS_AT + round(0.8 * length),
    )


def _share(plan: EveningPlan, progress: float) -> float:
    """The share of the ordinary audience at a point of the evening (0 to 1): up until 60%, level, then down again."""
    if progress < 0.6:
        climbed = (1 - math.cos(math.pi * progress / 0.6)) / 2
    elif progress < 0.8:
        climbed = 1.0
    else:
        climbed = (1 + math.cos(math.pi * (progress - 0.8) / 0.2)) / 2
    return plan.opening + (1 - plan.opening) * climbed


def _ordinary_plays(
    chance: random.Random, plan: EveningPlan, length: float, channels: list[Channel]
) -> list[tuple[float, str]]:
    """(moment, channel) of every play outside the star's channel.

    With exponential stays, an audience of A holds level when A / mean stay of them arrive each second, and the people
    who are there at the opening have, as exponentials forget, a whole stay ahead of them.
    """
    weights = [1 / (rank + 2) ** plan.zipf for rank in range(1, len(channels) + 1)]
    ordinary = plan.audience * (1 - plan.star)
    moments = [0.0] * round(ordinary * plan.opening)
    now = 0.0
    while (now := now + chance.expovariate(ordinary / MEAN_STAY_S)) < length:
        if chance.random() < _share(plan, now / length):
            moments.append(now)
    plays = []
    for moment in moments:
        at = OPENS_AT + math.floor(moment)
        live = [index for index, channel in enumerate(channels) if channel.start <= at < channel.end]
        edges = list(accumulate(weights[index] for index in live))
        chosen = live[min(bisect(edges, chance.random() * edges[-1]), len(live) - 1)]
        plays.append((at, channels[chosen].name))
    return plays


def _star_plays(chance: random.Random, plan: EveningPlan, star: Channel) -> list[tuple[float, str]]:
    """Most of the star's audience comes within minutes of the start; then as many come as leave."""
    drawn = round(plan.audience * plan.star)
    surge = [star.start + math.floor(chance.expovariate(1 / 90.0)) for _ in range(drawn)]
    later = star.start
    while (later := later + chance.expovariate(drawn / MEAN_STAY_S)) < star.end:
        surge.append(math.floor(later))
    return [(at, star.name) for at in surge if at < star.end]
