"""Content: manifests and blobs, and which repository has them under which tags."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Self

_Q = struct.Struct(">Q")
_MANIFEST = struct.Struct(">BQI")
_BLOB = struct.Struct(">BQQQ32s")
_BLOB_SIZE = struct.Struct(">17xQ")
_SECRET_BYTES = 32


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


AS_A_FILE: Final = 0
"""`BlobRecord.encoding` of a blob whose file holds its bytes as they are."""
AS_A_ROW: Final = 1
"""`BlobRecord.encoding` of a small blob, whose bytes are its row in `small`."""

BLOB_NUMBER: Final = slice(1, 9)
"""Where a row of `blobs` has the number, as keys have it."""


class BlobRecord(NamedTuple):
    """`blobs`: how long it is, what it must hash to, and where it lies."""

    encoding: int
    number: int
    """What it is called in `holders`. It stays, however often the record is put."""
    stamp: int
    size: int
    blake3: bytes
    locator: str = ""
    """Its file's; empty for `AS_A_ROW`."""
    put_at: int = 0
    """When its row was put, which is how the row is found; 0 for `AS_A_FILE`."""

    def encode(self) -> bytes:
        where = _Q.pack(self.put_at) if self.encoding == AS_A_ROW else self.locator.encode()
        return _BLOB.pack(self.encoding, self.number, self.stamp, self.size, self.blake3) + where

    @classmethod
    def decode(cls, body: bytes) -> Self:
        encoding, number, stamp, size, blake3 = _BLOB.unpack_from(body)
        where = body[_BLOB.size :]
        if encoding == AS_A_ROW:
            return cls(encoding, number, stamp, size, blake3, "", *_Q.unpack(where))
        return cls(encoding, number, stamp, size, blake3, where.decode())


class SmallRecord(NamedTuple):
    """`small`: the bytes of a small blob."""

    content: bytes

    def encode(self) -> bytes:
        return self.content

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(body)


class SecretRecord(NamedTuple):
    """`secrets`: a key for keyed hashes."""

    secret: bytes

    def encode(self) -> bytes:
        return self.secret

    @classmethod
    def decode(cls, body: bytes) -> Self:
        if len(body) != _SECRET_BYTES:
            raise ValueError(f"{len(body)} bytes instead of {_SECRET_BYTES}")
        return cls(body)


def blob_size(body: bytes) -> int:
    """Read only the size of a `blobs` row."""
    size: int = _BLOB_SIZE.unpack_from(body)[0]
    return size
