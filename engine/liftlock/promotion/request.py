"""What is asked of a promotion: which images, where to, and what the asker took for granted."""

from __future__ import annotations

from typing import Final, NamedTuple

from liftlock.errors import LiftlockError
from liftlock.model import ANYTHING, Expected, Mode, Side
from liftlock.oci.reference import Selection, Target

_SMALL_ITEMS_MAX: Final = 100


class RequestItem(NamedTuple):
    """One source, one target."""

    source: Selection
    """Without a tag, a digest, and `tags`: whole repositories."""
    target: Target
    """What it leaves out is the source's. For a source of several repositories, its repository is
    a path to put in place of the source's."""
    tags: str | tuple[str, ...] | None = None
    """Of a source without a tag: a glob (`*`: all), or tags by name."""
    retag: str | None = None
    """A template for the target's tags, with `{tag}` for the source's."""
    expect_source: Expected = ANYTHING
    """Where the source's tag was seen."""
    expect_target: Expected = ANYTHING
    """Where the target's tag was seen."""


class PromotionRequest(NamedTuple):
    """A set of items, judged against one snapshot and promoted in one transaction."""

    items: tuple[RequestItem, ...]
    mode: Mode = Mode.COPY
    attachments: Side | None = None
    """Whose attachment tags count where each side's have what the other lacks."""
    purge: bool = False
    """With a move: unlink at once what nothing at the source needs any more."""
    allow_sparse: bool = False
    """Whether indexes and images may name what the target lacks: that this is meant."""
    faults: tuple[LiftlockError, ...] = ()
    """What is wrong with items that are left out for it: with one of these, all is refused."""

    @property
    def is_small(self) -> bool:
        """Whether it can be planned beside others in a commit: a few images, each by its name."""
        return len(self.items) <= _SMALL_ITEMS_MAX and all(
            item.source.is_image for item in self.items
        )
