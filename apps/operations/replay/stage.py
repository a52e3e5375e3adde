"""The streams that a replay plays on: made through the same services as a broadcaster's own page uses."""

from dataclasses import dataclass, field

from django.db import close_old_connections
from django.utils.text import slugify

from apps.streams.models import Category, Stream
from apps.streams.services import StreamAlreadyLive, broadcaster_ensure, category_ensure, stream_end, stream_start

from .evening import CATEGORIES
from .trace import Channel

SLUG_PREFIX = "replay-"  # so that a replay never touches a broadcaster that someone signed up as
UNNAMED_CATEGORY = "Other"


@dataclass(slots=True)
class Stage:
    """Knows which stream stands for which channel. Its methods block on the database; call them in a thread."""

    streams: dict[str, Stream] = field(default_factory=dict)
    _categories: dict[str, Category] = field(default_factory=dict)

    def channel_start(self, channel: Channel) -> Stream:
        """Start this channel's stream. One that an earlier, killed replay left live is ended first."""
        close_old_connections()
        broadcaster = broadcaster_ensure(
            name=channel.name[:80],
            slug=SLUG_PREFIX + (slugify(channel.name, allow_unicode=True)[:50] or "channel"),
        )
        category = self._category(channel.category)
        title = channel.title[:120]
        try:
            stream = stream_start(broadcaster=broadcaster, category=category, title=title)
        except StreamAlreadyLive as left_over:
            stream_end(stream=left_over.stream)
            stream = stream_start(broadcaster=broadcaster, category=category, title=title)
        self.streams[channel.name] = stream
        return stream

    def channel_end(self, channel: Channel) -> None:
        """End this channel's stream, if it was started and is still live."""
        close_old_connections()
        stream = self.streams.get(channel.name)
        if stream is not None:
            stream_end(stream=stream)

    def all_end(self) -> None:
        """End every stream that this replay started."""
        close_old_connections()
        for stream in self.streams.values():
            stream_end(stream=stream)

    def _category(self, wanted: str) -> Category:
        """A generated evening names categories by slug; a file names the game in words."""
        if wanted not in self._categories:
            known = {slug: (name, name_ko, place) for place, (slug, name, name_ko) in enumerate(CATEGORIES)}
            if wanted in known:
                name, name_ko, place = known[wanted]
                category = category_ensure(slug=wanted, name=name, name_ko=name_ko, position=place)
            else:
                words = wanted.strip() or UNNAMED_CATEGORY
                slug = slugify(words)[:60] or "other"
                category = category_ensure(slug=slug, name=words[:60], position=len(CATEGORIES))
            self._categories[wanted] = category
        return self._categories[wanted]
