"""What an export will write: chosen in one snapshot, named, and held against what is there.

A layout of one repository calls images by their tags; one of several calls each in full. Referrers
without a tag are entries without a name, as the layout's specification and its readers have it; in
a layout of several repositories they are called `registry/repository@digest`, since their place
could not be told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import ExportExists, SparseManifest, TransferInvalid
from liftlock.metadata.contract import MetadataStore
from liftlock.model import Export, ExportItem, Format, Passed
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges
from liftlock.transfer.choosing import Chosen, Entry, ExportRequest, choose
from liftlock.transfer.folderwriter import merged_index, require_layout
from liftlock.transfer.layout import FULL_NAME, REF_NAME, Json, descriptor, index_body

BODIES_AT_A_TIME: Final = 256
_SUFFIXES: Final = {
    ".tar": Format.TAR,
    ".tar.gz": Format.TAR_GZ,
    ".tgz": Format.TAR_GZ,
    ".tar.zst": Format.TAR_ZST,
}


@dataclass(frozen=True, slots=True)
class Exporting:
    """An export that is planned: what goes out, and what of it is still to be read."""

    chosen: Chosen
    entries: tuple[Json, ...]
    """Of index.json."""
    planned: Export
    """As if a folder had nothing."""

    @property
    def size(self) -> int:
        """Bytes of blobs and manifests."""
        taken = self.chosen.manifests.values()
        return sum(self.chosen.blobs.values()) + sum(manifest.size for manifest in taken)


def format_of(path: str) -> Format:
    """Return the format that a path's name says; without a known suffix it is a folder."""
    return next((form for end, form in _SUFFIXES.items() if path.endswith(end)), Format.FOLDER)


def plan_export(
    store: MetadataStore, request: ExportRequest, path: str, form: Format, limits: Limits
) -> Exporting:
    """Decide what goes out, in one snapshot; nothing is written, and no blob is read.

    Raises:
        LiftlockError: as `choose`; and
        SparseManifest: images name what their repository lacks, and nobody said that this is meant.
    """
    chosen = store.read(lambda txn: choose(txn, request, limits))
    most = limits.absent_listed_max
    absent = tuple(Digest(digest) for digest in islice(chosen.absent, most))
    more = len(chosen.absent) > most
    if absent and not request.allow_sparse:
        raise SparseManifest(path, map(str, absent), more=more)
    # What was asked for stands first: readers that want just one image take that.
    entries = sorted(chosen.entries, key=lambda entry: (entry.is_attached, *entry))
    is_one = len({entry.repository for entry in entries}) == 1
    named = [(entry, _name(entry, is_one=is_one)) for entry in entries]
    export = Export(
        path=path,
        format=form,
        items=tuple(_item(chosen, entry, name) for entry, name in named),
        manifests=len(chosen.manifests),
        written=Passed(len(chosen.blobs), sum(chosen.blobs.values())),
        kept=Passed(0, 0),
        changed=True,
        absent=absent,
        absent_more=more,
        foreign=tuple(Digest(digest) for digest in islice(chosen.foreign, most)),
    )
    return Exporting(chosen, tuple(_descriptors(store, chosen, named)), export)


def require_place(plan: Exporting, *, overwrite: bool, limits: Limits) -> bytes:
    """Require that the export may be where it is wanted; return the index that will be there.

    Raises:
        TransferInvalid: there cannot be a file; or the index would be larger than is read again.
        ExportExists: there is something else, and nobody said that it may be replaced.
    """
    path = Path(plan.planned.path)
    if not path.parent.is_dir():
        raise TransferInvalid("export", f"there is no folder {path.parent} to write to")
    if plan.planned.format is Format.FOLDER:
        require_layout(path)
        index = merged_index(path, plan.entries, limits, overwrite=overwrite)
    else:
        if path.exists() and not path.is_file():
            # A device would be replaced by a file of its name.
            what = "a folder" if path.is_dir() else "no file"
            raise TransferInvalid("export", f"{path} is {what}, and a file was asked for")
        if path.exists() and not overwrite:
            raise ExportExists(str(path), "is there")
        index = index_body(plan.entries)
    return bounded(index, limits)


def bounded(index: bytes, limits: Limits) -> bytes:
    """Return an index.json that import would read.

    Raises:
        TransferInvalid: it is too large.
    """
    most = limits.archive_index_bytes_max
    if len(index) > most:
        raise TransferInvalid(
            "export",
            f"its index would have {len(index)} bytes, and may have {most} "
            "(archive_index_bytes_max); export fewer images at a time",
        )
    return index


def _full_name(entry: Entry) -> str:
    where = f":{entry.tag}" if entry.tag else f"@{Digest(entry.digest)}"
    return f"{entry.repository}{where}"


def _item(chosen: Chosen, entry: Entry, name: str | None) -> ExportItem:
    media_type = chosen.manifests[entry.digest].media_type
    digest = Digest(entry.digest)
    return ExportItem(_full_name(entry), name, digest, media_type, entry.is_attached)


def _name(entry: Entry, *, is_one: bool) -> str | None:
    return (entry.tag or None) if is_one else _full_name(entry)


def _descriptors(
    store: MetadataStore, chosen: Chosen, named: Sequence[tuple[Entry, str | None]]
) -> Iterator[Json]:
    """Yield the entries of index.json."""
    types: dict[bytes, Edges] = {}
    bare = list(dict.fromkeys(entry.digest for entry, _ in named if not entry.tag))
    for start in range(0, len(bare), BODIES_AT_A_TIME):
        part = bare[start : start + BODIES_AT_A_TIME]
        bodies = store.read(partial(links.find_bodies, digests=part))
        found = zip(part, bodies, strict=True)
        types |= {key: manifests.decode_edges(body) for key, body in found if body is not None}
    for entry, name in named:
        taken = chosen.manifests[entry.digest]
        annotations = {} if name is None else {REF_NAME: name}
        if entry.tag:
            annotations[FULL_NAME] = _full_name(entry)
        edges = types.get(entry.digest)
        artifact_type = edges.artifact_type if edges is not None and edges.subject else None
        digest = Digest(entry.digest)
        yield descriptor(taken.media_type, digest, taken.size, artifact_type, annotations)
