"""A store of very many tags, made in minutes: the engine's own functions, many tags a transaction.

Every row is drafted by the functions that a push uses, and every digest is of real bytes, so the
store is what so many pushes would have left, with two exceptions: a repository's tags share one
event, and without `files` the blobs have records but no files (promotions never look at those).

Digests are random, and rows in random order would dirty every page of the two big tables again
and again. So what is keyed by digest is spooled into buckets first, and goes in bucket by bucket
in the order of its keys. Memory holds one bucket and one draft, whatever the size.
"""

from __future__ import annotations

import marshal
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeVar

from blake3 import blake3
from sample_images import SHARED_BLOBS, Blob, Image, image

import liftlock
from liftlock import RepositoryName, history, links, names, seals
from liftlock.blobs.contract import locator_of
from liftlock.engine import system_clock
from liftlock.folder import METADATA
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import Numbered, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.metadata.records import Action, BlobRecord, Kind, LinkRecord
from liftlock.oci.mediatype import OCI_MANIFEST

T = TypeVar("T")

BY: Final = "bench"
REGISTRIES: Final = ("dev", "prod")
_BUCKETS: Final = 16
_TAGS_TOGETHER: Final = 1000
_ROWS_TOGETHER: Final = 5000
_UNIQUE: Final = "bulk"


class NumberedBlob(NamedTuple):
    """A blob, and what rows know it by."""

    blob: Blob
    number: int


def build(root: Path, repositories: Sequence[str], tags: int, *, files: bool = False) -> None:
    """Make a store at `root` with `tags` tags (`v0` …) in each of the repositories of `dev`."""
    with liftlock.open(root, create=True) as engine:
        for registry in REGISTRIES:
            engine.create_registry(registry, by=BY)
    store = LmdbMetadataStore(root / METADATA, system_clock, seals.seal)
    with (
        closing(store),
        tempfile.TemporaryDirectory(dir=root.parent) as folder,
        ExitStack() as all_,
    ):
        manifests, blobs = (_Spool(Path(folder) / kind, all_) for kind in ("manifests", "blobs"))
        shared = store.write(partial(_numbered, SHARED_BLOBS))
        _spool_blobs(blobs, shared, root if files else None)
        for repository in repositories:
            for start in range(0, tags, _TAGS_TOGETHER):
                numbers = range(start, min(start + _TAGS_TOGETHER, tags))
                images = [image(repository, number) for number in numbers]
                name = RepositoryName("dev", repository)
                own = store.write(partial(_link, name, images, shared))
                for each in images:
                    manifests.add(each.digest.key, each.body)
                _spool_blobs(blobs, own, root if files else None)
        for rows in manifests.sorted_runs():
            store.write(partial(_put_manifests, rows))
        for rows in blobs.sorted_runs():
            store.write(partial(_put_blobs, rows))
    os.sync()  # what building left to be written is nobody's to wait for


def names_of(count: int) -> list[str]:
    """Name so many repositories."""
    return [f"team{number % 40}/app{number}" for number in range(count)]


def _numbered(blobs: Iterable[Blob], txn: WriteTxn) -> list[NumberedBlob]:
    return [NumberedBlob(blob, txn.next_id(Numbered.BLOB)) for blob in blobs]


def _link(
    name: RepositoryName, images: Sequence[Image], shared: Sequence[NumberedBlob], txn: WriteTxn
) -> list[NumberedBlob]:
    """Link images and tag them; return their own blobs."""
    draft, event = Draft(), history.next_event(txn)
    found = names.find_repository(txn, name)
    repository = found or names.new_repository(txn, draft, name, event)
    own = _numbered([blob for each in images for blob in each.own], txn)
    held = {blob.digest.key: _held(blob, number) for blob, number in (*shared, *own)}
    gained = [*own, *(shared if found is None else ())]
    changes = []
    for each in images:
        key = each.digest.key
        link = LinkRecord(event, OCI_MANIFEST)
        links.link_manifest(draft, repository, key, each.edges, link, links.NOTHING_ABSENT, held)
        links.put_tag(draft, repository, each.tag, key, None, event, txn.at)
        changes.append(Change(repository.id, each.tag, Action.CREATED, None, key))
    links.count_blobs(draft, repository, [len(blob.content) for blob, _ in gained])
    history.append(draft, event, Kind.PUSH, Act(BY), txn.at, changes)
    draft.write(txn)
    return own


def _held(blob: Blob, number: int) -> bytes:
    return keys.held_blob(keys.id_key(number), blob.digest.key)


def _put_manifests(rows: Sequence[tuple[bytes, bytes]], txn: WriteTxn) -> None:
    draft = Draft()
    for digest, body in rows:
        links.put_body(txn, draft, digest, body, is_linked=False)
    draft.write(txn)


def _put_blobs(rows: Sequence[tuple[bytes, bytes]], txn: WriteTxn) -> None:
    draft = Draft()
    for digest, record in rows:
        links.put_blob(draft, digest, BlobRecord.decode(record), None)
    draft.write(txn)


def _spool_blobs(spool: _Spool, blobs: Iterable[NumberedBlob], root: Path | None) -> None:
    for blob, number in blobs:
        locator = locator_of(blob.digest, _UNIQUE)
        size, strong = len(blob.content), blake3(blob.content).digest()
        spool.add(blob.digest.key, BlobRecord(0, number, 0, size, strong, locator).encode())
        if root is not None:
            (root / "blobs" / locator).write_bytes(blob.content)


class _Spool:
    """Rows on disk, in buckets by the first bits of their digests."""

    def __init__(self, folder: Path, until: ExitStack) -> None:
        folder.mkdir()
        self._buckets: list[IO[bytes]] = [
            until.enter_context((folder / str(number)).open("w+b")) for number in range(_BUCKETS)
        ]

    def add(self, digest: bytes, content: bytes) -> None:
        marshal.dump((digest, content), self._buckets[digest[1] * _BUCKETS >> 8])

    def sorted_runs(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield all rows in the order of their digests, in runs for one transaction each."""
        for bucket in self._buckets:
            bucket.seek(0)
            yield from _runs(sorted(_loaded(bucket)), _ROWS_TOGETHER)


def _loaded(bucket: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    while bucket.peek(1):  # type: ignore[attr-defined]  # a buffered file has it
        yield marshal.load(bucket)


def _runs(rows: Iterable[T], most: int) -> Iterator[list[T]]:
    rows = iter(rows)
    while run := list(islice(rows, most)):
        yield run
