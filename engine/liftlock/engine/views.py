"""What the engine shows to people who look: totals, where content is, an image as a tree."""

from __future__ import annotations

from functools import partial

from liftlock import catalog, inspecting, whereabouts
from liftlock.engine.asking import entries_of
from liftlock.engine.opened import Opened
from liftlock.model import Found, Inspection, Stats, Whereabouts
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference
from liftlock.storedblobs import open_blob


class ViewEngine(Opened):
    """What `Engine` can show of all that it has."""

    def stats(self) -> Stats:
        """Return how much there is, as of one snapshot: from counters, whatever is stored.

        What is deleted counts no more in registries, repositories, tags and logical bytes; what
        is stored counts as long as it is, whether or not a repository still has it.
        """
        return self._store.read(catalog.stats)

    def inspect(self, reference: Reference) -> Inspection:
        """Return an image as a tree: what it names, and what is attached to it and to all that.

        All of one snapshot, except the platform of a single image, which its config tells. What
        is damaged, odd or beyond the limits is left out (`Inspection.is_complete`), never refused.

        Raises:
            NameInvalid: the reference has neither a tag nor a digest.
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
        """
        seen = self._store.read(lambda txn: inspecting.read_image(txn, reference, self.limits))
        read = partial(open_blob, self._store, self._blobs, self.limits.copy_bytes)
        platforms = inspecting.find_platforms(seen, read, self.limits)
        return inspecting.tree_of(seen, platforms, self.limits)

    def where(
        self, digest: Digest, *, after: str = "", limit: int | None = None
    ) -> Found[Whereabouts]:
        """Return repositories that have a digest, as a manifest or as a blob, and why.

        One call looks at a bounded number of repositories (`Limits.where_repositories_max`): it
        may find nothing, and still not be done. Content that no repository has is nowhere, whether
        or not its bytes are still stored.

        Args:
            digest: of the content.
            after: the cursor of the call before.
            limit: find it in so many repositories at most.

        Raises:
            PageInvalid: `limit` is negative.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(
            lambda txn: whereabouts.where(txn, digest, after, most, self.limits)
        )
