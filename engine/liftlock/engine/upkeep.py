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
            before: only events before this number: `HistoryEntry.event` of the last entry of the
                page before. None: from the newest on.
            limit: so many entries, rounded up to whole events; None, or more:
                `Limits.page_entries_max`.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: nothing ever bore this name.
            PageInvalid: `limit` is negative.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: timeline.timeline(txn, of, before, most))

    def verify_history(self) -> Iterator[Finding]:
        """Check the history alone: events, items, seals, and that replaying it gives the tags.

        It yields what is wrong, while it goes on looking; nothing: the history is whole.
        """
        return checking.check_past(self._store)

    def check(
        self, *, content: bool = False, tell: checking.Tell = checking.nobody
    ) -> Iterator[Finding]:
        """Cross-check everything that is stored; yield what is found. Others may go on working.

        A sound store yields nothing, or remarks alone (`Severity.REMARK`). `Finding.rule` is one
        of the names in docs/format.md. Nothing is mended.

        Args:
            content: also read every blob and hash it.
            tell: is told now and then how far it is, by who asks for the next finding.
        """
        return checking.check(self._store, self._blobs, content=content, tell=tell)

    def sweep(self) -> Swept:
        """Remove what is over, and return how much.

        Upload sessions that idled too long (`Limits.upload_idle_ms`), what tells of ended ones
        (`upload_begin_ms`), old files without a record (`orphan_grace_ms`), rows of what was
        deleted longer ago than the hold time (`hold_ms`), answers that were kept for long enough
        (`answer_keep_ms`). Nothing that a repository has, or that can be undone, goes. An engine
        does not sweep by itself: call it now and then, in one process or in several.

        Raises:
            StoreBusy: another process writes; try again.
        """
        rows = removal.sweep(self._store, self._clock, self.limits)
        rows += idempotency.sweep(self._store, self._clock, self.limits)
        return replace(uploads.sweep(self._uploads), rows=rows)
