"""An image as people look at it: a tree of what it names, and of what is attached to it.

A snapshot is read level by level, and nothing else is done in it. Then, without a transaction, the
configs of single images are read, and the tree is made.
"""

from __future__ import annotations

from liftlock.inspecting.platforms import find_platforms
from liftlock.inspecting.reading import Seen, read_image
from liftlock.inspecting.tree import tree_of

__all__ = ["Seen", "find_platforms", "read_image", "tree_of"]
