"""What an import does to each repository, once it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from liftlock import links
from liftlock.metadata.records import FoundRepository
from liftlock.model import Outcome
from liftlock.oci.reference import RepositoryName
from liftlock.transfer.contents import Contents
from liftlock.transfer.placing import Set

_ROWS_A_TAG = 6
"""Tag and holder, those of where it was, item, history."""
_ROWS_A_REPOSITORY = 8
"""Itself, its name, its logs, its counts, its part in the event."""


class TagChange(NamedTuple):
    """What becomes of a tag."""

    tag: str
    one: Set
    old: bytes | None
    outcome: Outcome


@dataclass(slots=True)
class Part:
    """What is to be done to one repository."""

    name: RepositoryName
    found: FoundRepository | None
    members: list[bytes]
    """All manifests that shall be there."""
    new: list[bytes] = field(default_factory=list)
    """Manifests to be linked."""
    absent: links.Absent = links.NOTHING_ABSENT
    """What the repository will lack of that which new manifests name."""
    held: Mapping[bytes, bytes] = field(default_factory=dict)
    """Blobs that it has, and what keys say of them."""
    lacking: list[bytes] = field(default_factory=list)
    """Blobs that it lacks and the archive has."""
    had: list[bytes] = field(default_factory=list)
    """Blobs that it has and the archive has too."""
    tags: list[TagChange] = field(default_factory=list)
    untagged: list[bytes] = field(default_factory=list)
    """New manifests without a tag that come for their own sake."""

    @property
    def is_unchanged(self) -> bool:
        """Whether it is all there."""
        return not self.new and all(tag.outcome is Outcome.UNCHANGED for tag in self.tags)

    def records(self, contents: Contents) -> int:
        """Say how many rows it takes at most."""
        if self.is_unchanged:
            return 0
        rows = _ROWS_A_REPOSITORY + _ROWS_A_TAG * len(self.tags)
        for digest in self.new:
            edges = contents.manifests[digest].edges
            named = len(edges.children) + len(edges.blobs) + len(edges.foreign)
            rows += 5 + named
        return rows + 2 * (len(self.absent.blobs) + len(self.absent.children))


class Judged(NamedTuple):
    """All that is to be done, and what is missing for it."""

    parts: tuple[Part, ...]
    sparse: tuple[bytes, ...]
    """What is named and will be absent, foreign layers aside."""

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing is to be done."""
        return all(part.is_unchanged for part in self.parts)

    @property
    def lacking(self) -> dict[bytes, list[RepositoryName]]:
        """The blobs that must come in, and where to."""
        wanted: dict[bytes, list[RepositoryName]] = {}
        for part in self.parts:
            for blob in part.lacking:
                wanted.setdefault(blob, []).append(part.name)
        return wanted

    def records(self, contents: Contents) -> int:
        """Say how many rows it takes at most."""
        return sum(part.records(contents) for part in self.parts)
