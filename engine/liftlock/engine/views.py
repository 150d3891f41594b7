"""What the engine shows to people who look: totals, where content is, an image as a tree."""

from __future__ import annotations

from liftlock import catalog
from liftlock.engine.opened import Opened
from liftlock.model import Stats


class ViewEngine(Opened):
    """What `Engine` can show of all that it has."""

    def stats(self) -> Stats:
        """Return how much there is, as of one snapshot: from counters, whatever is stored.

        What is deleted counts no more in registries, repositories, tags and logical bytes; what
        is stored counts as long as it is, whether or not a repository still has it.
        """
        return self._store.read(catalog.stats)
