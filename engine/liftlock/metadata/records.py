"""Every value of every table: bytes in, record out, each with a checksum.

So a flipped bit, or a value that got under another key, is seen when the row is read: LMDB 0.9
has no checksums of its own (`checksum.py`). In tables whose keys begin with a repository id no
value contains that id: so a repository is copied by copying its rows to another id as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Self, TypeVar

from liftlock.errors import RecordCorrupt
from liftlock.metadata.checksum import CHECKSUM_BYTES, COVERED, encoded, protected
from liftlock.metadata.contract import Counts, Row, Table, added
from liftlock.model import Tally

R = TypeVar("R")


def protect(table: Table, key: bytes, body: bytes = b"") -> Row:
    """Return the row `key`, `body` with its checksum."""
    return key, protected(table, key, body)


class Action(IntEnum):
    """What an item did to a tag; without a tag, to a manifest or to a whole repository."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3
    EXTENDED = 4
    """The tag stayed; content that came since was added behind it."""
    MOVED_OUT = 5
    REDUCED = 6
    """The tag stayed; what a promotion had added behind it was taken back."""
    KEPT = 7
    """The tag was right already; a move only took its source's."""
    BROUGHT = 8
    """A referrer without a tag came along."""
    COPIED = 16
    """The repository was made, with all that the other side had."""
    RENAMED = 17
    """The repository bears another name, and is the same."""
    MERGED = 18
    """All that the other side had came into the repository; its tags have items of their own."""
    DISSOLVED = 19
    """The repository was merged into the other side, and is gone."""
    REMOVED = 20
    """The repository, which a promotion had made, is gone."""
    REVIVED = 21
    """The repository, which was gone, is there again."""


WHOLE: Final = frozenset(action for action in Action if action >= Action.COPIED)
"""Actions on whole repositories; items of theirs have counts in place of digests."""


class Kind(IntEnum):
    """What an event was."""

    CREATE = 1
    """A registry or a repository came into being."""
    PUSH = 2
    DELETE = 3
    """A tag, a manifest, a repository or a registry was deleted."""
    PROMOTE = 4
    MOVE = 5
    UNDO = 6


class Naming(IntEnum):
    """What happened to a name."""

    CREATED = 1
    MOVED_IN = 2
    MOVED_OUT = 3
    DELETED = 4
    MERGED = 5
    """Only in `repository_log`: the name stayed, and another repository's content came in."""
    COPIED = 6
    """Only in `repository_log`: the name stayed, and a copy was made under another."""


class Role(IntEnum):
    """How an event concerns a repository."""

    CHANGED = 1
    TAKEN_FROM = 2
    BOTH = 3


_Q = struct.Struct(">Q")
_ID_AND_BYTE = struct.Struct(">QB")
_DEAD = struct.Struct(">QQ?")
_COUNTS = struct.Struct(">qqqq")
_REPOSITORY = struct.Struct(">QQQqqqq")
_MANIFEST = struct.Struct(">BQI")
_BLOB = struct.Struct(">BQQ32s")
_EVENT = struct.Struct(">BQQQIII32sHH")
_ITEM = struct.Struct(">BBB")
_ATTACHMENT: Final = 0x80
_TALLY = struct.Struct(">6I")
_ANSWER = struct.Struct(">Q32s")
_SEAL = struct.Struct(">32sQQ32s")


class IdRecord(NamedTuple):
    """`names`: the id that a name stands for. `promotions`: the event of a number."""

    id: int

    def encode(self) -> bytes:
        return _Q.pack(self.id)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_Q.unpack(body))


class RegistryRecord(NamedTuple):
    """`registries`."""

    born: int
    name: str

    def encode(self) -> bytes:
        return _Q.pack(self.born) + self.name.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        (number,) = _Q.unpack_from(body)
        return cls(number, body[8:].decode())


class RepositoryRecord(NamedTuple):
    """`repositories`: where it is, and what it has (for display; `check` recounts)."""

    registry: int
    version: int
    """Raised by every change of its name, tags, manifest links or grants."""
    born: int
    """The event that made it; no row of it is older in effect."""
    counts: Counts
    name: str

    def touched(self, delta: Counts) -> Self:
        """Return it with its version raised and `delta` added to its counts."""
        registry, version, born, counts, name = self
        return type(self)(registry, version + 1, born, added(counts, delta), name)

    def encode(self) -> bytes:
        return (
            _REPOSITORY.pack(self.registry, self.version, self.born, *self.counts)
            + self.name.encode()
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        registry, version, born, *counts = _REPOSITORY.unpack_from(body)
        tags, manifests, blobs, size = counts
        name = body[_REPOSITORY.size :].decode()
        return cls(registry, version, born, (tags, manifests, blobs, size), name)


class FoundRepository(NamedTuple):
    """A repository's id and row."""

    id: int
    record: RepositoryRecord


class TagRecord(NamedTuple):
    """`tags`."""

    event: int
    digest: bytes

    def encode(self) -> bytes:
        return _Q.pack(self.event) + self.digest

    @classmethod
    def decode(cls, body: bytes) -> Self:
        (event,) = _Q.unpack_from(body)
        return cls(event, body[8:])


class LinkRecord(NamedTuple):
    """`links`: this repository has this manifest, pushed as this media type."""

    event: int
    media_type: str

    def encode(self) -> bytes:
        return _Q.pack(self.event) + self.media_type.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        (number,) = _Q.unpack_from(body)
        return cls(number, body[8:].decode())


class HoldRecord(NamedTuple):
    """`holders`, where the holder is a hold: when it was put."""

    at: int

    def encode(self) -> bytes:
        return _Q.pack(self.at)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_Q.unpack(body))


class BareRecord(NamedTuple):
    """A row that says all with its key: other holders, `referrers`, `tag_history`."""

    def encode(self) -> bytes:
        return b""

    @classmethod
    def decode(cls, body: bytes) -> Self:
        if body:
            raise ValueError("a value where there is none")
        return cls()


class ManifestRecord(NamedTuple):
    """`manifests`: the bytes, as `codec` packed them."""

    encoding: int
    stamp: int
    """The collection epoch in which it was last put; 0 as long as nothing is collected."""
    size: int
    packed: bytes

    def encode(self) -> bytes:
        return _MANIFEST.pack(self.encoding, self.stamp, self.size) + self.packed

    @classmethod
    def decode(cls, body: bytes) -> Self:
        encoding, stamp, size = _MANIFEST.unpack_from(body)
        return cls(encoding, stamp, size, body[_MANIFEST.size :])


class BlobRecord(NamedTuple):
    """`blobs`: how long it is, what it must hash to, and where it lies."""

    encoding: int
    """How the file holds the bytes; 0: as they are."""
    stamp: int
    size: int
    blake3: bytes
    locator: str

    def encode(self) -> bytes:
        return _BLOB.pack(self.encoding, self.stamp, self.size, self.blake3) + self.locator.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        encoding, stamp, size, blake3 = _BLOB.unpack_from(body)
        return cls(encoding, stamp, size, blake3, body[_BLOB.size :].decode())


def blob_size(body: bytes) -> int:
    """Read only the size of a `blobs` row."""
    size: int = _BLOB.unpack_from(body)[2]
    return size


class EventRecord(NamedTuple):
    """`events`: who did what, when and why."""

    kind: Kind
    at: int
    promotion: int
    """Its promotion number; 0 if it is none."""
    undoes: int
    """The promotion number that it undid; 0 if it undid none."""
    items: int
    manifests: int
    """Manifests that a promotion newly linked."""
    records: int
    """Rows that a promotion wrote."""
    items_hash: bytes
    by: str
    comment: str

    def encode(self) -> bytes:
        by, comment = self.by.encode(), self.comment.encode()
        return (
            _EVENT.pack(
                self.kind,
                self.at,
                self.promotion,
                self.undoes,
                self.items,
                self.manifests,
                self.records,
                self.items_hash,
                len(by),
                len(comment),
            )
            + by
            + comment
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        kind, at, promotion, undoes, items, manifests, records, items_hash, by, comment = (
            _EVENT.unpack_from(body)
        )
        start = _EVENT.size
        if len(body) != start + by + comment:
            raise ValueError("lengths do not add up")
        return cls(
            Kind(kind),
            at,
            promotion,
            undoes,
            items,
            manifests,
            records,
            items_hash,
            body[start : start + by].decode(),
            body[start + by :].decode(),
        )


class OtherSide(NamedTuple):
    """Where a promoted tag came from, or a moved one went."""

    repository: int
    tag: str
    """Empty if it was named by digest alone."""


class ItemRecord(NamedTuple):
    """`items`: one change of one tag, or what happened to a whole repository."""

    action: Action
    old: bytes | None
    new: bytes | None
    other: OtherSide | None
    is_attachment: bool = False
    """Whether the tag is an attachment tag that came along."""
    tally: Tally | None = None
    """Of a whole repository."""

    def encode(self) -> bytes:
        old = self.old or b""
        new = _TALLY.pack(*self.tally) if self.tally is not None else self.new or b""
        other = b"" if self.other is None else _Q.pack(self.other[0]) + self.other[1].encode()
        action = self.action | _ATTACHMENT if self.is_attachment else self.action
        return _ITEM.pack(action, len(old), len(new)) + old + new + other

    @classmethod
    def decode(cls, body: bytes) -> Self:
        code, old, new = _ITEM.unpack_from(body)
        action = Action(code & ~_ATTACHMENT)
        middle, end = _ITEM.size + old, _ITEM.size + old + new
        rest, newer = body[end:], body[middle:end]
        is_whole = action in WHOLE and newer
        return cls(
            action,
            body[_ITEM.size : middle] or None,
            None if is_whole else newer or None,
            OtherSide(int.from_bytes(rest[:8], "big"), rest[8:].decode()) if rest else None,
            bool(code & _ATTACHMENT),
            Tally(*_TALLY.unpack(newer)) if is_whole else None,
        )


class RoleRecord(NamedTuple):
    """`repository_history`."""

    role: Role

    def encode(self) -> bytes:
        return bytes((self.role,))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(Role(body[0]))


class NamingRecord(NamedTuple):
    """`names_log`: which id a name began or ceased to stand for."""

    id: int
    naming: Naming

    def encode(self) -> bytes:
        return _ID_AND_BYTE.pack(self.id, self.naming)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        number, naming = _ID_AND_BYTE.unpack(body)
        return cls(number, Naming(naming))


class RepositoryLogRecord(NamedTuple):
    """`repository_log`: what happened to a repository, and where it was from then on."""

    naming: Naming
    registry: int
    name: str

    def encode(self) -> bytes:
        return _ID_AND_BYTE.pack(self.registry, self.naming) + self.name.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        registry, naming = _ID_AND_BYTE.unpack_from(body)
        return cls(Naming(naming), registry, body[_ID_AND_BYTE.size :].decode())


class AnswerRecord(NamedTuple):
    """`idempotency`: the answer to a request, kept for when it comes again."""

    until: int
    """Milliseconds since 1970; from then on the key is free again."""
    request: bytes
    """BLAKE3 of the request."""
    answer: bytes

    def encode(self) -> bytes:
        return _ANSWER.pack(self.until, self.request) + self.answer

    @classmethod
    def decode(cls, body: bytes) -> Self:
        until, request = _ANSWER.unpack_from(body)
        return cls(until, request, body[_ANSWER.size :])


class SealRecord(NamedTuple):
    """`seals`: the chain that makes the history tamper-evident."""

    previous: bytes
    first_event: int
    last_event: int
    root: bytes

    def encode(self) -> bytes:
        return _SEAL.pack(*self)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_SEAL.unpack(body))


class DeadRecord(NamedTuple):
    """`dead`: since when a repository or registry is deleted, and by which event."""

    since: int
    event: int
    is_going: bool = False
    """Whether the sweep has begun to remove its rows."""

    def encode(self) -> bytes:
        return _DEAD.pack(*self)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_DEAD.unpack(body))


class CountsRecord(NamedTuple):
    """`counters`: what a registry has."""

    counts: Counts

    def encode(self) -> bytes:
        return _COUNTS.pack(*self.counts)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(_COUNTS.unpack(body))


def decoded(decode: Callable[[bytes], R], table: Table, key: bytes, value: bytes) -> R:
    """Check a row and read it.

    Raises:
        RecordCorrupt: the checksum or the layout is wrong.
    """
    seed, start = COVERED[table]
    body = value[:-CHECKSUM_BYTES]
    if value[-CHECKSUM_BYTES:] != encoded(zlib.crc32(key[start:] + body, seed)):
        raise RecordCorrupt(table, key, "its checksum is wrong")
    try:
        return decode(body)
    except (ValueError, struct.error, IndexError, TypeError) as error:
        raise RecordCorrupt(table, key, str(error)) from error


def decoded_all(
    decode: Callable[[bytes], R],
    table: Table,
    keys: Sequence[bytes],
    values: Sequence[bytes | None],
) -> list[R | None]:
    """Return `decoded` of each row that is there, and None for the others."""
    return [
        None if value is None else decoded(decode, table, key, value)
        for key, value in zip(keys, values, strict=True)
    ]
