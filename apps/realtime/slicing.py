"""Long work in parts: what Redis or the database is asked for at once stays bounded."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in parts of at most `size`, in their order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
