"""An OCI layout as a folder: made, gone on with, or added to; never damaged.

Each blob gets its name when it is whole and durable; index.json is replaced last, at once. So an
export that is killed has left a layout as it was, with blobs that nothing names yet, and the same
export goes on from there. One export at a time writes to a folder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from liftlock.config import Limits
from liftlock.errors import ExportExists, StoreBusy
from liftlock.oci.digest import Digest
from liftlock.transfer.layout import (
    BLOBS,
    FULL_NAME,
    INDEX,
    MARKER,
    MARKER_BODY,
    REF_NAME,
    Json,
    blob_path,
    index_body,
)
from liftlock.transfer.tarwriter import NewFile, sync_folder
from liftlock.transfer.verifying import is_whole

_INCOMING: Final = ".incoming.partial"
_BEGUN: Final = frozenset({BLOBS, _INCOMING, f".{INDEX}.partial", f".{MARKER}.partial"})
"""What a folder may have in which a layout was only begun."""


class FolderLayout:
    """A layout that is being written to a folder; a context that keeps others from it."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._lock = -1
        self._index = b""
        self._folders: set[Path] = set()
        self.changed = False
        """Whether anything was written."""

    def __enter__(self) -> Self:
        self._root.mkdir(exist_ok=True)
        self._lock = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise StoreBusy(f"another export is writing to {self._root}") from error
        return self

    def __exit__(self, *rest: object) -> None:
        os.close(self._lock)

    def begin(self, index: bytes) -> None:
        """Take the index that the layout gets at its end; make what must be there before."""
        self._index = index
        (self._root / BLOBS).mkdir(exist_ok=True)
        if not (self._root / MARKER).exists():
            self._replace(MARKER, MARKER_BODY)

    def has(self, digest: Digest, size: int) -> bool:
        """Tell whether a blob is there, and is whole; it is read for that."""
        return is_whole(self._root / blob_path(digest), digest, size, self._limits.copy_bytes)

    def add(self, digest: Digest, size: int, pieces: Iterable[bytes]) -> None:
        """Write a blob or manifest; if `pieces` raises, there is none."""
        del size
        path = self._root / blob_path(digest)
        path.parent.mkdir(exist_ok=True)
        # Not among the blobs, which other tools list: they take every name there for a digest.
        with NewFile(path, self._root / _INCOMING) as file:
            for piece in pieces:
                file.write(piece)
        self._folders.add(path.parent)
        self.changed = True

    def finish(self) -> None:
        """Make the names durable, then the index the one that counts: now the export is there."""
        for folder in (*sorted(self._folders), self._root / BLOBS, self._root):
            sync_folder(folder)
        path = self._root / INDEX
        if not path.exists() or path.read_bytes() != self._index:
            self._replace(INDEX, self._index)
            sync_folder(self._root)

    def _replace(self, name: str, body: bytes) -> None:
        with NewFile(self._root / name) as file:
            file.write(body)
        self.changed = True


def require_layout(root: Path) -> None:
    """Require that a folder is absent, empty, or a layout, whole or begun.

    Raises:
        ExportExists: it has something else.
    """
    if not root.exists():
        return
    if not root.is_dir():
        raise ExportExists(str(root), "is there, and is no folder")
    names = {entry.name for entry in root.iterdir()}
    if MARKER not in names and not names <= _BEGUN:
        raise ExportExists(str(root), "has other files, and is no OCI layout")


def merged_index(root: Path, entries: Sequence[Json], *, overwrite: bool) -> bytes:
    """Return the index of a folder with `entries` added; what else it names stays as it is.

    Raises:
        ExportExists: it has other manifests under the same names; says all of them.
        TransferInvalid: it cannot be read.
    """
    path = root / INDEX
    if not path.exists():
        return index_body(entries)
    try:
        known = json.loads(path.read_bytes())
        before = list(known["manifests"] or ())
        places = {_place(entry): at for at, entry in enumerate(before)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportExists(str(path), "is there, and cannot be read as an index") from error
    taken = []
    for entry in entries:
        at = places.get(_place(entry))
        if at is None:
            before.append(entry)
            continue
        if before[at]["digest"] != entry["digest"]:
            taken.append(ExportExists(str(root), f"has {_named(entry)} as {before[at]['digest']}"))
        before[at] = entry
    if taken and not overwrite:
        raise taken[0].among(taken)
    return index_body(before, {key: known[key] for key in known if key != "manifests"})


def _place(entry: Json) -> tuple[str, str]:
    """Return what tells an entry from others: its name, or without one its digest."""
    name = (entry.get("annotations") or {}).get(REF_NAME)
    return ("name", name) if name else ("digest", entry["digest"])


def _named(entry: Json) -> str:
    annotations = entry["annotations"]
    return str(annotations.get(FULL_NAME) or annotations[REF_NAME])
