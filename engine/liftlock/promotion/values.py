"""What planning makes of a request: images on routes, repositories as wholes, and what to write."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from liftlock.errors import LiftlockError
from liftlock.history import Event
from liftlock.metadata.records import FoundRepository
from liftlock.model import Expected, Outcome, RegistrySettings
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.graph.bringing import Arrivals, Bringing
from liftlock.promotion.graph.closure import Member
from liftlock.promotion.request import PromotionRequest


class Leg(NamedTuple):
    """One repository's way, as an item means it."""

    source: RepositoryName
    target: RepositoryName


class Pair(NamedTuple):
    """One image on its way."""

    source_tag: str
    """Empty if it was named by its digest."""
    target_tag: str
    """Empty if it stays untagged."""
    digest: bytes
    old: bytes | None
    """Where the target tag is now (of an untagged image: its digest, if it is there)."""


class ExpectedPair(NamedTuple):
    """Where a caller saw the tags of a pair."""

    source: Expected
    target: Expected


@dataclass(slots=True)
class Route:
    """Images that go from one repository to another."""

    source_name: RepositoryName
    source: FoundRepository
    target_name: RepositoryName
    target_registry: int
    target: FoundRepository | None
    """None: it is made."""
    pairs: list[Pair] = field(default_factory=list)
    expectations: dict[int, ExpectedPair] = field(default_factory=dict)
    """By the pair's place in the list; most have none."""
    loose: dict[str, bytes] = field(default_factory=dict)
    """Attachment tags that a glob has found, whatever they are attached to."""
    blobs: list[bytes] = field(default_factory=list)
    """Blobs that come without a manifest."""
    is_whole: bool = False
    """Whether it is all of the source that comes: then it is told with counts."""

    @property
    def is_inside(self) -> bool:
        """Whether source and target are the same repository."""
        return self.target is not None and self.target.id == self.source.id


class Way(Enum):
    """How a whole repository goes."""

    COPY = "copy"
    """Its rows are copied under a fresh id."""
    RENAME = "rename"
    """It gets another name."""
    MERGE = "merge"
    """Its content is brought into a repository that is there: see its route."""
    STAY = "stay"
    """It is there already."""


@dataclass(slots=True)
class Whole:
    """A repository that goes as a whole."""

    source_name: RepositoryName
    source: FoundRepository
    target_name: RepositoryName
    target_registry: int
    target: FoundRepository | None
    way: Way = Way.MERGE
    rows: int = 0
    """Rows to be copied, if they are."""
    route: Route | None = None
    """Of a merge."""


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
    replaces: bytes | None = None
    """Where an earlier part of the same promotion has put it."""


@dataclass(slots=True)
class Part:
    """What is to be written for some of a route's pairs."""

    sets: list[TagChange]
    """Tags at the target, those asked for first; also those that stay where they are."""
    removes: list[TagChange]
    """Tags that a move takes from the source."""
    bringing: Bringing
    violations: list[LiftlockError]
    purged: list[Member] = field(default_factory=list)
    """What a move unlinks at the source at once."""
    leaving: Collection[str] = ()
    """Tags that a later part takes from the source."""
    members: Collection[Member] = ()
    """All that is reached, of a move that purges."""
    warnings: Collection[str] = ()
    """What may not be what was meant."""

    @property
    def is_unchanged(self) -> bool:
        """Whether everything is as asked."""
        return (
            self.bringing.is_empty
            and not self.removes
            and all(change.outcome is Outcome.UNCHANGED for change in self.sets)
        )


class Repeated(NamedTuple):
    """An item of a move that was done before, told by what it is about."""

    source: str
    target: str
    digest: bytes | None
    event: Event


@dataclass(slots=True)
class Plan:
    """What would be written, and on what that rests."""

    request: PromotionRequest
    routes: list[Route]
    parts: list[tuple[Route, Part]] | None
    """None for a plan so big that they are made again when they are written."""
    wholes: list[Whole]
    repeated: list[Repeated]
    registries: dict[str, int | None]
    """Ids of the registries that it is about."""
    rests_on: dict[RepositoryName, tuple[int, int] | None]
    """Id and version of each repository that it looked at, None where the name was free; kept
    only for requests that are planned beside the writer."""
    listed: dict[tuple[int, str], tuple[str, ...]]
    """The repositories that were found below a registry's path."""
    is_unchanged: bool
    manifests: int
    """How many will be linked."""
    records: int
    """Rows that are known already: those of copies and, of a big plan, of its parts."""
    hash: str
    warnings: tuple[str, ...] = ()
    answered_by: Event | None = None
    """If nothing is to be done: the promotion that did it before, if one did."""
    settings: dict[str, RegistrySettings] = field(default_factory=dict)
    """Of the registries on whose settings it rests."""
    absent: tuple[bytes, ...] = ()
    """What targets will lack of that which their new manifests name, as far as it is told."""
    absent_more: bool = False


@dataclass(slots=True)
class Surroundings:
    """What the whole request means for each of its parts."""

    arrivals: Arrivals | None = None
    """What other parts bring to the same target; None if this is the only one."""
    leaving: Collection[str] = ()
    """Tags that the request takes from the source."""
    staying: Collection[str] = ()
    """Tags of the source that the request sets: what is set is not removed."""
    named: Mapping[str, bytes] = field(default_factory=dict)
    """Tags that the request sets by name at the target, and where: these are no attachments of
    others."""
    asked: Collection[bytes] | None = None
    """Digests that the route's tags are at; None if these are the part's."""
    tagged: Collection[bytes] = ()
    """Digests that the request tags in the source."""
