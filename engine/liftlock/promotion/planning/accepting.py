"""What settings of registries, and the request itself, say against a promotion.

Judged when all of it is decided: what one item leaves open at a target, another may fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from liftlock import links
from liftlock.errors import LiftlockError, PurgeRefused, SparseManifest, SparseRefused
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.model import RegistrySettings
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.graph.bringing import Bringing
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Way, Whole

SettingsOf = Callable[[str], RegistrySettings]


class Lacking:
    """What each target will lack of that which the manifests that it gets name."""

    def __init__(self, most: int) -> None:
        """Begin with nothing.

        Args:
            most: so many are named in an answer or a refusal, and looked up of a whole repository.
        """
        self._most = most
        self._by_target: dict[RepositoryName, set[tuple[bytes, bytes]]] = {}
        """Kind and digest."""

    def add_part(self, target: RepositoryName, bringing: Bringing) -> None:
        """Take in what some images leave open, or fill."""
        gaps = bringing.gaps
        if gaps.children or gaps.blobs:
            known = self._by_target.setdefault(target, set())
            known.update((keys.MANIFEST, child) for child in gaps.children)
            known.update((keys.BLOB, blob) for blob in gaps.blobs)
        if target in self._by_target:
            known = self._by_target[target]
            known.difference_update((keys.MANIFEST, child) for child in gaps.filled)
            known.difference_update((keys.BLOB, blob) for blob, _ in bringing.completed)

    def add_whole(self, txn: ReadTxn, whole: Whole) -> None:
        """Take in what a repository lacks that goes as it is; of a merge, its images are asked.

        Under another name in the same registry, nothing lacks what it had before.
        """
        is_moved = (
            whole.way is Way.RENAME and whole.source_name.registry != whole.target_name.registry
        )
        if is_moved or whole.way is Way.COPY:
            found = islice(links.iter_absent(txn, whole.source.id), self._most + 1)
            self._by_target.setdefault(whole.target_name, set()).update(found)

    def listed(self) -> tuple[tuple[bytes, ...], bool]:
        """Return what is lacked somewhere, as far as it may be named, and whether there is more."""
        every = {digest for lacked in self._by_target.values() for _, digest in lacked}
        return tuple(sorted(every)[: self._most]), len(every) > self._most

    def refusals(
        self, request: PromotionRequest, settings_of: SettingsOf
    ) -> Iterator[LiftlockError]:
        """Yield what stands against it: nobody said that it is meant, or a registry refuses it."""
        for target, lacked in sorted(self._by_target.items()):
            if not lacked:
                continue
            digests = sorted({digest for _, digest in lacked})
            missing = [str(Digest(digest)) for digest in digests[: self._most]]
            more = len(digests) > self._most
            if not request.allow_sparse:
                yield SparseManifest(str(target), missing, more=more)
            if not settings_of(target.registry).allow_sparse:
                yield SparseRefused(target.registry, str(target), missing, more=more)


def purge_refusals(
    request: PromotionRequest, sources: Iterable[RepositoryName], settings_of: SettingsOf
) -> Iterator[LiftlockError]:
    """Yield an error for each registry that allows no deletion, which a purge is."""
    if request.purge:
        for registry in sorted({source.registry for source in sources}):
            if not settings_of(registry).allow_delete:
                yield PurgeRefused(registry)
