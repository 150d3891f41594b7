"""Promotions: what they may be asked to do, and what they did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from liftlock.oci.digest import Digest


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
    """What became of a whole repository."""

    tags: int
    """All its tags; the four that follow say what became of them."""
    created: int
    """Tags that the target did not have."""
    overwritten: int
    """Tags that were elsewhere."""
    extended: int
    """Tags that stayed, and got referrers or content that came since."""
    unchanged: int
    """Tags that were right already."""
    manifests: int
    """Manifests that the target lacked and has now."""


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
    """In ms since 1970 UTC."""
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
    """Manifests that a move unlinked at the source at once; zero when read from the history."""
    warnings: tuple[str, ...] = ()
    """What may not be what was meant, a sentence each; only right after, not from the history."""
    undoes: int | None = None
    """The promotion that this one undid."""
    plan: str = ""
    """The hash of the plan, for a dry run that is to be held to; empty for an undo."""
    absent: tuple[Digest, ...] = ()
    """What promoted indexes and images name and the target lacks, foreign layers aside; only right
    after, and at most `absent_listed_max`."""
    absent_more: bool = False
    """Whether it lacks others besides."""


@dataclass(frozen=True, slots=True)
class PromotionSummary:
    """A promotion, as a list of them shows it."""

    id: int
    """Its number, as `Engine.undo` takes it."""
    at: int
    """In ms since 1970 UTC."""
    by: str
    mode: Mode
    comment: str
    undoes: int | None
    """The number of the promotion that this one undid."""
    items: int
    """How many items it has; a whole repository may count as one."""
    records: int
    """Metadata rows that it wrote."""
