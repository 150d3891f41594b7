"""What is asked of a promotion, and what it would write: the values that planning makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from liftlock.history import Event
from liftlock.model import ANYTHING, Expected, Mode, Outcome, Side
from liftlock.names import FoundRepository
from liftlock.oci.reference import Reference, RepositoryName, Target
from liftlock.promotion.bringing import Bringing


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks to be promoted, where to, and what they took for granted."""

    source: Reference
    target: Target
    mode: Mode = Mode.COPY
    expect_source: Expected = ANYTHING
    expect_target: Expected = ANYTHING
    attachments: Side | None = None

    target_name: RepositoryName = field(init=False)
    """The target repository; what the target leaves out is the source's."""
    target_tag: str | None = field(init=False)
    """The target tag, likewise; None if an untagged digest stays untagged."""

    def __post_init__(self) -> None:
        """Fill in what the target leaves out."""
        repository = self.target.repository or self.source.name.repository
        name = RepositoryName(self.target.registry, repository)
        object.__setattr__(self, "target_name", name)
        object.__setattr__(self, "target_tag", self.target.tag or self.source.tag)


class TagChange(NamedTuple):
    """A tag that the promotion sets at the target, or takes away at the source."""

    tag: str
    digest: bytes
    old: bytes | None
    """Where it is now; None: nowhere."""
    counterpart: str
    """The tag on the other side; empty if there is none."""
    outcome: Outcome
    is_attachment: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written."""

    request: Request
    source: FoundRepository
    target: FoundRepository | None
    """None: it is made."""
    target_registry: int
    digest: bytes
    sets: tuple[TagChange, ...]
    """Tags at the target, the one asked for first; it is here also if it stays where it is."""
    removes: tuple[TagChange, ...]
    """Tags that a move takes from the source."""
    bringing: Bringing
    answered_by: Event | None = None
    """If nothing is to be done: the promotion that did it before, if one did."""

    @property
    def is_unchanged(self) -> bool:
        """Whether everything is as asked."""
        return (
            self.bringing.is_empty
            and not self.removes
            and all(change.outcome is Outcome.UNCHANGED for change in self.sets)
        )
