"""The values that the engine takes and hands out: plain, frozen, complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName

T = TypeVar("T")


class Absent(Enum):
    """Expect that a tag does not exist."""

    ABSENT = "absent"


class Anything(Enum):
    """Expect nothing of a tag."""

    ANYTHING = "anything"


ABSENT: Final = Absent.ABSENT
ANYTHING: Final = Anything.ANYTHING
Expected = Digest | Literal[Absent.ABSENT, Anything.ANYTHING]
"""Where a caller saw a tag: at a digest, nowhere, or it does not matter."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `more` tells whether entries follow the last one."""

    entries: tuple[T, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a registry or repository has. A registry's bytes are the sum of its repositories'."""

    tags: int
    manifests: int
    blobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry; `created_at` in ms since 1970."""

    name: str
    created_at: int
    created_by: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository; `version` rises with every change of its tags or content."""

    name: RepositoryName
    version: int
    created_at: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and where it points."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class ManifestContent:
    """A stored manifest, byte for byte as it was pushed."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BlobContent:
    """A stored blob: its size in bytes, and the locator that `Engine.read_blob` takes."""

    digest: Digest
    size: int
    locator: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a manifest push did."""

    digest: Digest
    subject: Digest | None
    """The manifest's subject, for the `OCI-Subject` header."""


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that has a subject, as the referrers API describes it."""

    digest: Digest
    media_type: str
    size: int
    artifact_type: str | None
    annotations: Mapping[str, str] | None
    position: str
    """Where it stands in the list: the cursor for what follows."""


class Mode(StrEnum):
    """What a promotion does to its source: nothing, or take the tag away."""

    COPY = "copy"
    MOVE = "move"


class Side(StrEnum):
    """Which side's attachment tags count where both differ."""

    SOURCE = "source"
    TARGET = "target"


class Outcome(StrEnum):
    """What happens to one target tag."""

    CREATE = "create"
    OVERWRITE = "overwrite"
    EXTEND = "extend"
    """The tag stays; referrers or content that came since are added."""
    UNCHANGED = "unchanged"
    REMOVE = "remove"
    """Only in an undo: the tag that the promotion created goes."""


class Tally(NamedTuple):
    """What became of a whole repository: how many tags and manifests it is about."""

    tags: int
    created: int
    overwritten: int
    extended: int
    unchanged: int
    manifests: int


class PromotionItem(NamedTuple):
    """One tag (or untagged digest) of a promotion, or a whole repository."""

    source: str
    """`registry/repository:tag`, or `…@digest` where no tag was named."""
    target: str
    digest: Digest | None
    """What the target is now; None if it is gone (undo)."""
    previous_digest: Digest | None
    """What it was before; None if it was not there."""
    action: Outcome
    attachment: bool = False
    """Whether it is an attachment tag that came along."""
    taken: bool = False
    """Whether a move takes the source's tag (of a whole repository: its name) away."""
    tally: Tally | None = None
    """Of a whole repository, which has no digests; its tags have no items of their own here."""


class Promotion(NamedTuple):
    """What a promotion did or, in a dry run, would do."""

    id: int | None
    """Its number; None for a dry run, and where nothing changed and nothing had been recorded."""
    at: int
    """Milliseconds since 1970."""
    by: str
    mode: Mode
    comment: str
    items: tuple[PromotionItem, ...]
    linked: int
    """How many manifests were newly linked at the target (in an undo: taken back)."""
    manifests: tuple[Digest, ...]
    """Which; only right after a promotion of images that were named, not of whole repositories,
    large sets, or one read from the history."""
    referrers: tuple[Digest, ...]
    """Those of the manifests above that came along as referrers."""
    records: int
    """Metadata rows written, or that would be."""
    changed: bool
    """False if everything already was as asked."""
    purged: int = 0
    """Manifests that a move unlinked at the source at once."""
    warnings: tuple[str, ...] = ()
    """What may not be what was meant, a sentence each; only right after, not from the history."""
    undoes: int | None = None
    """The promotion that this one undid."""
    plan: str = ""
    """The hash of the plan, for a dry run that is to be held to; empty for an undo."""


@dataclass(frozen=True, slots=True)
class PromotionSummary:
    """A promotion, as a list of them shows it."""

    id: int
    at: int
    by: str
    mode: Mode
    comment: str
    undoes: int | None
    items: int
    """How many items it has; a whole repository may count as one."""
    records: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of one tag (or, with an empty tag, of a repository or of an untagged manifest)."""

    event: int
    at: int
    by: str
    kind: str
    """`create`, `push`, `delete`, `promote`, `move` or `undo`."""
    action: str
    """`created`, `updated`, `deleted`, `extended`, `reduced`, `kept`, `moved_out`, `brought`;
    `taken` for the source's side of a copy; of whole repositories `copied`, `renamed`, `merged`,
    `dissolved` (into another), `removed` and `revived` (by an undo)."""
    name: str
    """`registry/repository[:tag]` that it happened to."""
    old_digest: Digest | None
    new_digest: Digest | None
    other: str | None
    """The other side of a promotion: where it came from, or went to."""
    comment: str
    promotion: int | None


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """An invariant is broken: something is lost, wrong, or will be."""
    REMARK = "remark"
    """Nothing is wrong; it will be swept, or is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that `check` found."""

    severity: Severity
    rule: str
    """A stable name of the invariant, as in docs/format.md."""
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    sessions: int
    orphans: int
    bytes: int
    rows: int = 0
    """Of repositories that were deleted, and of answers kept long enough."""
