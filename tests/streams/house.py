"""A plain audience for the tests of streams: the port's promises kept with dictionaries, and a switch to lose it."""

from collections.abc import Sequence

from apps.accounts.viewers import ViewerIdentity
from apps.streams.models import Stream
from apps.streams.ports import AudienceUnavailable, Counts

NOBODY = Counts(current=0, peak=0, total=0)


class PlainAudience:
    """Live counts in memory. `away` makes every call fail as it does when Redis cannot be reached."""

    def __init__(self) -> None:
        self.away = False
        self.counts_calls = 0
        self._figures: dict[int, Counts] = {}
        self._category: dict[int, int] = {}

    def seat(self, stream: Stream, current: int, *, peak: int | None = None, total: int | None = None) -> None:
        """Say how many watch this stream, which puts it into the ranking."""
        peak = current if peak is None else peak
        self._figures[stream.pk] = Counts(current=current, peak=peak, total=peak if total is None else total)
        self._category[stream.pk] = stream.category_id

    def forget(self) -> None:
        """Lose everything, as an empty restart of Redis does."""
        self._figures.clear()
        self._category.clear()

    def _ranked(self, category_id: int | None) -> list[int]:
        self._reach()
        chosen = [pk for pk in self._figures if category_id in (None, self._category[pk])]
        return sorted(chosen, key=lambda pk: (-self._figures[pk].current, -pk))

    def _reach(self) -> None:
        if self.away:
            raise AudienceUnavailable("away")

    def ranking(self, *, category_id: int | None, offset: int, limit: int) -> list[int]:
        return self._ranked(category_id)[offset : offset + limit]

    def house_viewers(self) -> int | None:
        self._reach()
        return sum(figures.current for figures in self._figures.values())

    def counts(self, stream_ids: Sequence[int]) -> dict[int, Counts]:
        self.counts_calls += 1
        self._reach()
        return {pk: self._figures.get(pk, NOBODY) for pk in stream_ids}

    def viewer_token(self, *, identity: ViewerIdentity, stream_id: int) -> str:
        self._reach()
        return f"token-of-{identity.viewer_id}-for-{stream_id}"
