"""How much a repository, a registry or the store has: kept by adding, never by counting."""

from __future__ import annotations

from collections.abc import Iterable
from operator import neg
from typing import Final, NamedTuple


class Counts(NamedTuple):
    """How much something has, or how much more."""

    repositories: int = 0
    """Of a repository one: itself."""
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    size: int = 0
    """Of the blobs, in bytes."""

    def __str__(self) -> str:
        return (
            f"{self.repositories} repositories, {self.tags} tags, {self.manifests} manifests, "
            f"{self.blobs} blobs of {self.size} bytes"
        )


_new: Final = tuple.__new__

NO_COUNTS: Final = Counts()
ONE_REPOSITORY: Final = Counts(repositories=1)
ONE_REGISTRY = ONE_REPOSITORY
"""In the counter of the store as a whole, as registries' names stand in `names` under id 0."""


def added(left: Counts, right: Counts) -> Counts:
    """Return the sums."""
    # A promotion adds some twenty times: the class's own constructor takes twice as long.
    a, b, c, d, e = left
    f, g, h, i, j = right
    return _new(Counts, (a + f, b + g, c + h, d + i, e + j))


def total(some: Iterable[Counts]) -> Counts:
    """Return the sums of some, of which there is at least one."""
    return Counts._make(map(sum, zip(*some, strict=True)))


def negated(counts: Counts) -> Counts:
    """Return what takes `counts` away again."""
    return Counts._make(map(neg, counts))
