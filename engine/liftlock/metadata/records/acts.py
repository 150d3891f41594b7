"""What can happen to tags, names and repositories: the words in which rows record it."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Action(IntEnum):
    """What an item did to a tag; without a tag, to a manifest or to a whole repository."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3
    EXTENDED = 4
    """The tag stayed; content that came since was added behind it."""
    MOVED_OUT = 5
    REDUCED = 6
    """The tag stayed; what a promotion had added behind it was taken back."""
    KEPT = 7
    """The tag was right already; a move only took its source's."""
    BROUGHT = 8
    """A referrer without a tag came along."""
    CONFIGURED = 9
    """A registry's settings became others; items of it have settings in place of digests."""
    COPIED = 16
    """The repository was made, with all that the other side had."""
    RENAMED = 17
    """The repository bears another name, and is the same."""
    MERGED = 18
    """All that the other side had came into the repository; its tags have items of their own."""
    DISSOLVED = 19
    """The repository was merged into the other side, and is gone."""
    REMOVED = 20
    """The repository, which a promotion had made, is gone."""
    REVIVED = 21
    """The repository, which was gone, is there again."""


WHOLE: Final = frozenset(action for action in Action if action >= Action.COPIED)
"""Actions on whole repositories; items of theirs have counts in place of digests."""


class Kind(IntEnum):
    """What an event was."""

    CREATE = 1
    """A registry or a repository came into being."""
    PUSH = 2
    DELETE = 3
    """A tag, a manifest, a repository or a registry was deleted."""
    PROMOTE = 4
    MOVE = 5
    UNDO = 6
    CONFIGURE = 7
    """A registry's settings were changed."""
    IMPORT = 8
    """Images came in from an archive."""


class Naming(IntEnum):
    """What happened to a name."""

    CREATED = 1
    MOVED_IN = 2
    MOVED_OUT = 3
    DELETED = 4
    MERGED = 5
    """Only in `repository_log`: the name stayed, and another repository's content came in."""
    COPIED = 6
    """Only in `repository_log`: the name stayed, and a copy was made under another."""


BEGINS: Final = frozenset({Naming.CREATED, Naming.MOVED_IN})
"""After these an id bears the name, until something else happens to that."""


class Role(IntEnum):
    """How an event concerns a repository."""

    CHANGED = 1
    TAKEN_FROM = 2
    BOTH = 3
