"""What a store tells of itself: its history, what a check found, what a sweep removed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from liftlock.model.contents import RegistrySettings
from liftlock.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of one tag; or of an untagged manifest, a repository, or a registry's settings."""

    event: int
    """Its number: the cursor for older ones. Entries of one event were one transaction."""
    at: int
    """In ms since 1970 UTC."""
    by: str
    kind: str
    """`create`, `push`, `delete`, `promote`, `move`, `undo`, `configure` or `import`."""
    action: str
    """`created`, `updated`, `deleted`, `extended`, `reduced`, `kept`, `moved_out`, `brought`;
    `taken` for the source's side of a copy; of whole repositories `copied`, `renamed`, `merged`,
    `dissolved` (into another), `removed` and `revived` (by an undo); of registries `configured`."""
    name: str
    """`registry/repository[:tag]` that it happened to."""
    old_digest: Digest | None
    new_digest: Digest | None
    other: str | None
    """The other side of a promotion: where it came from, or went to. Of an import: its archive."""
    comment: str
    promotion: int | None
    """The number of the promotion that it was part of."""
    old_settings: RegistrySettings | None = None
    """Of a registry that was configured: before; None of one that was created."""
    new_settings: RegistrySettings | None = None
    """Of a registry that was created or configured: since then."""


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
    """Upload sessions that nobody went on with, and what a crash left of ended ones."""
    orphans: int
    """Files that no record named."""
    bytes: int
    """The sizes of both."""
    rows: int = 0
    """Metadata rows of repositories that were deleted, and of answers kept long enough."""
    ended: int = 0
    """Metadata rows that told of upload sessions which ended long ago."""


@dataclass(frozen=True, slots=True)
class CheckStep:
    """What a check is at, and how far."""

    part: str
    """`names`, `repositories`, `manifests`, `blobs`, `files` or `history`, in this order."""
    done: int = 0
    """How far it is, in `unit`."""
    total: int | None = None
    """How many there are, of `unit`; None: nobody counted."""
    unit: str = ""
    """`bytes`, or the plural of what is counted."""
