"""What the engine tells of its past and of its health, and what it clears away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from liftlock import check as checking
from liftlock import idempotency, removal, timeline, uploads
from liftlock.engine.asking import entries_of
from liftlock.engine.opened import Opened
from liftlock.model import Finding, HistoryEntry, Page, Swept
from liftlock.oci.reference import Reference, RepositoryName


class UpkeepEngine(Opened):
    """What `Engine` can do to look back, look after and tidy up."""

    def history(
        self,
        of: Reference | RepositoryName | str,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Page[HistoryEntry]:
        """Return what happened, newest first.

        Args:
            of: an image (by tag, else by digest), a repository, or a registry's name. What bore
                the name earlier and was deleted since is part of it.
            before: only events before this number: the cursor for the next page.
            limit: so many entries, rounded up to whole events.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: nothing ever bore this name.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: timeline.timeline(txn, of, before, most))

    def verify_history(self) -> Iterator[Finding]:
        """Check the history alone: events, items, seals, and that replaying it gives the tags."""
        return checking.check_past(self._store)

    def check(self, *, content: bool = False) -> Iterator[Finding]:
        """Cross-check everything that is stored; yield what is found. Others may go on working.

        Args:
            content: also read every blob and hash it.
        """
        return checking.check(self._store, self._blobs, content=content)

    def sweep(self) -> Swept:
        """Remove what is over, and return how much.

        Upload sessions that idled too long, old files without a record, rows of what was deleted
        longer ago than the hold time, answers that were kept for long enough.
        """
        rows = removal.sweep(self._store, self._clock, self.limits)
        rows += idempotency.sweep(self._store, self._clock, self.limits)
        return replace(uploads.sweep(self._uploads), rows=rows)
