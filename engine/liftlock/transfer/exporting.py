"""Writing an export: piece by piece, each blob verified on its way out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

from liftlock import links
from liftlock.blobs.contract import BlobStore
from liftlock.config import Limits
from liftlock.errors import BlobCorrupt, RecordCorrupt, StoreBusy
from liftlock.metadata.contract import MetadataStore
from liftlock.model import Export, Format, Passed
from liftlock.oci.digest import Digest
from liftlock.storedblobs import open_blob
from liftlock.transfer.exportplans import BODIES_AT_A_TIME, Exporting, bounded
from liftlock.transfer.folderwriter import FolderLayout, merged_index
from liftlock.transfer.layout import index_body
from liftlock.transfer.newfiles import NewFile, sync_folder
from liftlock.transfer.receiving import Progress
from liftlock.transfer.tarwriter import TarLayout
from liftlock.transfer.verifying import verified


class Layout(Protocol):
    """Where a layout is written."""

    def begin(self, index: bytes) -> None:
        """Begin with what tells of the layout."""
        ...

    def has(self, digest: Digest, size: int) -> bool:
        """Tell whether a blob is there already, and whole."""
        ...

    def add(self, digest: Digest, size: int, pieces: Iterator[bytes]) -> None:
        """Write a blob or manifest."""
        ...

    def finish(self) -> None:
        """Make it the export."""
        ...


def write_export(
    store: MetadataStore,
    blobs: BlobStore,
    plan: Exporting,
    index: bytes,
    progress: Progress,
    limits: Limits,
) -> Export:
    """Write what was planned; return what was written, which is durable then.

    Raises:
        BlobCorrupt: a blob is damaged. A tar is gone then, a folder's index is as it was.
        StoreBusy: another export writes to the folder or file.
    """
    path = Path(plan.planned.path)
    writing = _Writing(store, blobs, plan, progress, limits.copy_bytes)
    if plan.planned.format is Format.FOLDER:
        with FolderLayout(path, limits) as folder:
            # What another export added while this one was planned is there to stay.
            index = bounded(merged_index(path, plan.entries, limits, overwrite=True), limits)
            done = writing.write(folder, index)
        return done._replace(changed=folder.changed)
    path = path.resolve()  # what a link leads to is replaced, not the link
    with NewFile(path) as file:
        done = writing.write(TarLayout(file, plan.planned.format), index)
    sync_folder(path.parent)
    return done


def stream_export(
    store: MetadataStore,
    blobs: BlobStore,
    plan: Exporting,
    out: BinaryIO,
    progress: Progress,
    limits: Limits,
) -> Export:
    """Write a tar to where it cannot be taken back: without its end, if an error is raised."""
    index = bounded(index_body(plan.entries), limits)
    writing = _Writing(store, blobs, plan, progress, limits.copy_bytes)
    return writing.write(TarLayout(out, plan.planned.format), index)


class _Writing:
    """One export on its way."""

    def __init__(
        self,
        store: MetadataStore,
        blobs: BlobStore,
        plan: Exporting,
        progress: Progress,
        copy_bytes: int,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._plan = plan
        self._progress = progress
        self._copy_bytes = copy_bytes

    def write(self, layout: Layout, index: bytes) -> Export:
        layout.begin(index)
        for digest, body in self._bodies():
            if not layout.has(digest, len(body)):
                layout.add(digest, len(body), iter((body,)))
            self._progress(len(body))
        written = [0, 0]
        kept = [0, 0]
        for key, size in sorted(self._plan.chosen.blobs.items()):
            digest = Digest(key)
            if layout.has(digest, size):
                counted = kept
                self._progress(size)
            else:
                counted = written
                layout.add(digest, size, self._blob(digest, size))
            counted[0] += 1
            counted[1] += size
        layout.finish()
        return self._plan.planned._replace(written=Passed(*written), kept=Passed(*kept))

    def _bodies(self) -> Iterator[tuple[Digest, bytes]]:
        """Yield manifests, parents before children; some at a time are in memory."""
        taken = self._plan.chosen.manifests
        order = iter(sorted(taken, key=lambda key: (taken[key].depth, key)))
        while part := list(islice(order, BODIES_AT_A_TIME)):
            bodies = self._store.read(partial(links.find_bodies, digests=part))
            for key, body in zip(part, bodies, strict=True):
                digest = Digest(key)
                if body is None or Digest.of(body, digest.algorithm) != digest:
                    raise BlobCorrupt(str(digest), "it is a manifest that is gone, or another")
                yield digest, body

    def _blob(self, digest: Digest, size: int) -> Iterator[bytes]:
        pieces = self._opened(digest)
        for piece in verified(pieces, digest, size, partial(BlobCorrupt, str(digest))):
            yield piece
            self._progress(len(piece))

    def _opened(self, digest: Digest) -> Iterator[bytes]:
        try:
            return open_blob(self._store, self._blobs, self._copy_bytes, digest)
        except FileNotFoundError as error:
            (record,) = self._store.read(lambda txn: links.find_blobs(txn, (digest.key,)))
            if record is None:
                sentence = f"blob {digest} was removed meanwhile; begin the export again"
                raise StoreBusy(sentence) from error
            raise BlobCorrupt(str(digest), "its bytes are missing") from error
        except RecordCorrupt as error:
            raise BlobCorrupt(str(digest), str(error)) from error
