"""Upload sessions: open, append, commit or cancel; and what becomes of a blob's bytes.

The order of a commit is what makes it safe (docs/format.md): bytes are durable under their final
name before the transaction that inserts the record; a file that is not needed any more goes only
after the transaction that said so. A crash leaves at most a file without a record, which the
sweep removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from liftlock import links, names
from liftlock.blobs.contract import BlobStore, Locator, Session, digest_of
from liftlock.blobs.hashing import ContentHash, HashStates
from liftlock.config import Limits
from liftlock.errors import (
    DigestInvalid,
    SizeInvalid,
    StoreBusy,
    UploadUnknown,
)
from liftlock.history import Act
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import BlobRecord
from liftlock.model import BlobContent, Swept
from liftlock.oci.digest import ALGORITHMS, Digest
from liftlock.oci.reference import RepositoryName
from liftlock.points import Reach

AS_IT_IS: Final = 0
"""`BlobRecord.encoding` of a file that holds the blob's bytes unchanged."""


class _Header(msgspec.Struct):
    """What a session was started for; kept beside its bytes."""

    name: str
    registry: int
    """Its id: a registry of the same name that came later is another."""
    repository: int | None
    """Its id likewise: a session ends when its repository is renamed or deleted. None if the
    session was there before the repository."""
    algorithm: str
    by: str


@dataclass(frozen=True, slots=True)
class Place:
    """What uploads need from the engine."""

    store: MetadataStore
    blobs: BlobStore
    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    limits: Limits
    states: HashStates
    reach: Reach


def start(place: Place, name: RepositoryName, algorithm: str, by: str) -> str:
    """Start a session; return its id.

    Raises:
        RegistryUnknown: there is no such registry.
        DigestInvalid: blobs cannot be named by this algorithm.
        StoreFull: there is no room.
    """
    if algorithm not in ALGORITHMS:
        raise DigestInvalid(algorithm, f"the algorithm is none of {', '.join(ALGORITHMS)}")
    registry, repository = place.store.read(lambda txn: _home(txn, name))
    session_id = place.new_id()
    header = msgspec.json.encode(_Header(str(name), registry, repository, algorithm, by))
    place.blobs.create_session(session_id, header)
    place.states.keep(session_id, ContentHash(algorithm))
    return session_id


def size(place: Place, name: RepositoryName, session_id: str) -> int:
    """Return how many bytes a session has received.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
    """
    header, received = place.blobs.peek_session(session_id)
    read = _read_header(header, name, session_id)
    if place.store.read(lambda txn: _has_moved(txn, name, read)):
        raise UploadUnknown(session_id)
    return received


@contextmanager
def hold(place: Place, name: RepositoryName, session_id: str) -> Iterator[Upload]:
    """Give a session to one caller until the context ends.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
        UploadBusy: another request holds it.
    """
    with place.blobs.hold_session(session_id, partial(_is_recorded, place.store)) as session:
        header = _read_header(session.header, name, session_id)
        if place.store.read(lambda txn: _has_moved(txn, name, header)):
            raise UploadUnknown(session_id)
        upload = Upload(place, session, name, header)
        try:
            yield upload
        finally:
            upload.rest()


class Upload:
    """A session in the hands of one request. Its methods block: disk and hashing."""

    def __init__(
        self,
        place: Place,
        session: Session,
        name: RepositoryName,
        header: _Header,
    ) -> None:
        self._place = place
        self._session = session
        self._name = name
        self._header = header
        self._hash: ContentHash | None = None
        self._ended = False

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self._session.size

    def append(self, data: bytes | memoryview) -> None:
        """Take `data` in at the end; on return it survives a crash of the process.

        Raises:
            SizeInvalid: the blob would be larger than `Limits.blob_bytes_max`.
            StoreFull: there is no room; what came before `data` stays.
        """
        limit = self._place.limits.blob_bytes_max
        if self.size + len(data) > limit:
            raise SizeInvalid(f"the blob is larger than the limit of {limit} bytes")
        content_hash = self._content_hash()
        self._session.append(data)
        content_hash.update(data)

    def commit(self, digest: Digest, *, by: str) -> BlobContent:
        """Make the received bytes a blob of the repository, if they are `digest`.

        On return the blob is durable and the session has ended. If the content is another, the
        session has ended too and nothing is left; on every other error it goes on as it was.

        Raises:
            DigestInvalid: the bytes have another digest.
            RegistryUnknown, UploadUnknown: the registry was deleted meanwhile.
            StoreFull, StoreBusy: not now; try again.
        """
        content_hash = self._verified(digest)
        seen = self._place.store.read(lambda txn: _find(txn, digest))
        # Looked at before the transaction, which does no I/O: a damaged file shall be replaced.
        damaged = None
        if seen is not None and self._place.blobs.size(seen.locator) != seen.size:
            damaged = seen.locator
        locator = self._session.publish(digest, self._place.new_id())
        published_at = self._place.clock()
        self._place.reach("upload: published")
        record = BlobRecord(AS_IT_IS, 0, content_hash.size, content_hash.blake3(), locator)
        try:
            kept, needless = self._place.store.write(
                lambda txn: self._record(txn, digest, record, damaged, published_at, by)
            )
        except BaseException:
            if not _is_recorded(self._place.store, locator):
                # Gone already, if the orphan sweep was faster: then so is the session.
                with suppress(FileNotFoundError):
                    self._session.retract(locator)
            raise
        self._place.reach("upload: recorded")
        if needless:
            self._place.blobs.remove(needless)
        self._end()
        self._place.reach("upload: ended")
        return BlobContent(digest, kept.size, kept.locator)

    def cancel(self) -> None:
        """Forget the session and its bytes."""
        self._end()

    def rest(self) -> None:
        """Remember how far the session is hashed, for the request that goes on with it."""
        if self._hash is not None and not self._ended:
            self._place.states.keep(self._session.session_id, self._hash)

    def _record(
        self,
        txn: WriteTxn,
        digest: Digest,
        record: BlobRecord,
        damaged: Locator | None,
        published_at: Instant,
        by: str,
    ) -> tuple[BlobRecord, Locator]:
        """Write record and holder; return the record that counts, and the file that is needless.

        That is the new file if the known one does; else the one that it replaces (empty: none).
        """
        if self._place.clock() - published_at > self._place.limits.publish_age_ms_max:
            # The orphan sweep may be about to take the file, which has no record yet.
            raise StoreBusy("the commit came too long after the file was written; try again")
        if _has_moved(txn, self._name, self._header):
            raise UploadUnknown(self._session.session_id)
        current = _find(txn, digest)
        draft = Draft()
        # A record that came or changed since the look is of a file that was flushed this moment,
        # and that somebody may be reading already.
        if current is not None and current.locator != damaged:
            kept, needless = current, record.locator
        else:
            kept, needless = record, current.locator if current else ""
            draft.put(Table.BLOBS, digest.key, record.encode())
        links.gain_blob(txn, draft, self._name, digest, record.size, Act(by))
        draft.write(txn)
        return kept, needless

    def _verified(self, digest: Digest) -> ContentHash:
        """Return the hash of what was received, which is `digest`; else end the session."""
        content_hash = self._content_hash()
        if content_hash.algorithm != digest.algorithm:
            # Not announced at the start, so the bytes are read once more.
            content_hash = self._rehashed(digest.algorithm)
        found = content_hash.digest()
        if found != digest:
            self._end()
            raise DigestInvalid(str(digest), f"the content received is {found}")
        return content_hash

    def _content_hash(self) -> ContentHash:
        if self._hash is None:
            known = self._place.states.take(self._session.session_id, self.size)
            self._hash = known or self._rehashed(self._header.algorithm)
        return self._hash

    def _rehashed(self, algorithm: str) -> ContentHash:
        content_hash = ContentHash(algorithm)
        for piece in self._session.read():
            content_hash.update(piece)
        return content_hash

    def _end(self) -> None:
        self._ended = True
        self._place.states.forget(self._session.session_id)
        self._session.discard()


def sweep(place: Place) -> Swept:
    """Remove upload sessions that idled too long, and old files that no record names."""
    now = place.clock()
    idle_since = now - place.limits.upload_idle_ms
    old_since = now - place.limits.orphan_grace_ms
    sessions = orphans = freed = 0
    for stored in place.blobs.iter_sessions():
        if place.blobs.expire_session(stored.session_id, idle_since):
            sessions += 1
            freed += stored.size
    # A store without a single record has lost its metadata rather than collected orphans.
    has_records = place.store.read(lambda txn: any(True for _ in txn.scan(Table.BLOBS, limit=1)))
    for blob in place.blobs.iter_blobs() if has_records else ():
        if blob.changed_at < old_since and not _is_recorded(place.store, blob.locator):
            place.blobs.remove(blob.locator)
            orphans += 1
            freed += blob.size
    return Swept(sessions, orphans, freed)


def _is_recorded(store: MetadataStore, locator: Locator) -> bool:
    """Tell whether a record names this very file."""
    record = store.read(partial(_find, digest=digest_of(locator)))
    return record is not None and record.locator == locator


def _find(txn: ReadTxn, digest: Digest) -> BlobRecord | None:
    return links.find_blobs(txn, (digest.key,))[0]


def _home(txn: ReadTxn, name: RepositoryName) -> tuple[int, int | None]:
    """Return the ids of registry and repository, or RegistryUnknown."""
    registry = names.get_registry(txn, name.registry)
    found = names.find_in(txn, registry, name.repository)
    return registry, found.id if found else None


def _has_moved(txn: ReadTxn, name: RepositoryName, header: _Header) -> bool:
    """Tell whether a session's name stands for something else by now."""
    registry, repository = _home(txn, name)
    return registry != header.registry or header.repository not in {None, repository}


def _read_header(header: bytes, name: RepositoryName, session_id: str) -> _Header:
    try:
        read = msgspec.json.decode(header, type=_Header)
    except msgspec.DecodeError as error:
        raise UploadUnknown(session_id) from error
    if read.name != str(name):
        raise UploadUnknown(session_id)
    return read
