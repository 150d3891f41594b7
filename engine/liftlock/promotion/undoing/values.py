"""What planning makes of an undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from liftlock.history import Event
from liftlock.metadata.records import FoundRepository, OtherSide
from liftlock.promotion.graph.bringing import Bringing
from liftlock.promotion.graph.closure import Member
from liftlock.promotion.undoing.wholes import WholeUndo


class Restoring(NamedTuple):
    """One tag that goes back to where it was."""

    repository: FoundRepository
    tag: str
    now: bytes | None
    before: bytes | None
    other: OtherSide | None


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would write."""

    undone: Event
    names: Mapping[int, str]
    """Of the repositories concerned."""
    restorings: tuple[Restoring, ...] = ()
    returns: tuple[tuple[FoundRepository, Bringing], ...] = ()
    """What a moved tag's repository must get back first."""
    taken_back: tuple[tuple[FoundRepository, tuple[Member, ...]], ...] = ()
    """Manifests that the promotion linked and nobody needs."""
    wholes: tuple[WholeUndo, ...] = ()
    whole_names: Mapping[int, str] = field(default_factory=dict)
    """What repositories that go back as wholes are called then."""
    done_by: Event | None = None
    """The undo that did it before."""
