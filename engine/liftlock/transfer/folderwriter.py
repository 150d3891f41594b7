"""An OCI layout as a folder: made, gone on with, or added to; never damaged.

Each blob gets its name when it is whole and durable; index.json is replaced last, at once. So an
export that is killed has left a layout as it was, with blobs that nothing names yet, and the same
export goes on from there. One export at a time writes to a folder.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

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
from liftlock.transfer.newfiles import NewFile, sync_folder
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
        # Also what an interrupt left that came just when a file was begun: nobody else writes here.
        with suppress(OSError):
            (self._root / _INCOMING).unlink()
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
        raise ExportExists(str(root), "is there, and is no folder", is_replaceable=False)
    names = {entry.name for entry in root.iterdir()}
    if MARKER not in names and not names <= _BEGUN:
        what = "has other files, and is no OCI layout"
        raise ExportExists(str(root), what, is_replaceable=False)


def merged_index(root: Path, entries: Sequence[Json], limits: Limits, *, overwrite: bool) -> bytes:
    """Return the index of a folder with `entries` added; what else it names stays as it is.

    Raises:
        ExportExists: it has other manifests under the same names; says all of them. Or it cannot
            be read.
    """
    known = _known_index(root / INDEX, limits)
    if known is None:
        return index_body(entries)
    new = {_place(entry): entry for entry in entries}
    merged: list[Json] = []
    done: set[tuple[str, str]] = set()
    taken = []
    for entry in known.pop("manifests"):
        place = _place(entry)
        if place not in new:
            merged.append(entry)
            continue
        if entry["digest"] != new[place]["digest"]:
            taken.append(ExportExists(str(root), f"has {_named(new[place])} as {entry['digest']}"))
        if place not in done:  # else it has one name twice, which nobody may read
            merged.append(new[place])
            done.add(place)
    if taken and not overwrite:
        raise taken[0].among(taken)
    merged += [entry for place, entry in new.items() if place not in done]
    return index_body(merged, known)


def _known_index(path: Path, limits: Limits) -> Json | None:
    """Return what a folder's index says, with the entries it has; None if there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    most = limits.archive_index_bytes_max
    with os.fdopen(file, "rb") as opened:
        body = opened.read(most) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    try:
        # Cut off there, so that what is larger cannot be read.
        known = msgspec.json.decode(body, type=Json)
        known["manifests"] = msgspec.convert(known["manifests"] or [], list[Json])
        for entry in known["manifests"]:
            msgspec.convert(entry, _Known)
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as error:
        what = "is there, and cannot be read as an index"
        raise ExportExists(str(path), what, is_replaceable=False) from error
    return known


class _Known(msgspec.Struct):
    """What must hold of an entry that others wrote, or it could not be told from ours."""

    digest: str
    annotations: dict[str, str] | None = None


def _place(entry: Json) -> tuple[str, str]:
    """Return what tells an entry from others: its name, or without one its digest."""
    name = (entry.get("annotations") or {}).get(REF_NAME)
    return ("name", name) if name else ("digest", entry["digest"])


def _named(entry: Json) -> str:
    annotations = entry["annotations"]
    return str(annotations.get(FULL_NAME) or annotations[REF_NAME])
