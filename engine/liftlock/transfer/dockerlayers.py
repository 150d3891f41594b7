"""Layers of docker archives that are compressed: what they are named by, and what they unpack to.

A config names its layers by the digests of plain tars. Of one that is compressed with gzip, neither
that nor its own digest can be told without reading it all; nothing of it is kept.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid
from liftlock.oci.digest import SHA256, Digest
from liftlock.transfer.archives import Archive, Found

_GZIP: Final = b"\x1f\x8b"
_GZIP_BITS: Final = 31
_PIECE_BYTES: Final = 256 * 1024


class Layer(NamedTuple):
    """A layer's file."""

    file: Found
    packed: Digest | None = None
    """Of a compressed one, its digest as it is."""
    plain: Digest | None = None
    """Of a compressed one, that of the tar in it."""


def read_layers(archive: Archive, files: Iterable[Found], limits: Limits) -> dict[str, Layer]:
    """Look at the first bytes of each file, and read those that are compressed.

    Raises:
        ArchiveInvalid: the compression of one is broken, or it is a bomb.
    """
    known = {file.name: file for file in files}
    layers: dict[str, Layer] = {}
    passed = _Passed()
    for name, pieces in archive.stream(list(known.values())):
        first = next(pieces, b"")
        layers[name] = Layer(known[name])
        if first.startswith(_GZIP):
            layers[name] = _unpacked(archive, known[name], chain((first,), pieces), passed, limits)
    return layers


@dataclass(slots=True)
class _Passed:
    """Bytes of all layers: many bombs that are small enough are one that is not."""

    read: int = 0
    given: int = 0


def _unpacked(
    archive: Archive, file: Found, pieces: Iterable[bytes], passed: _Passed, limits: Limits
) -> Layer:
    packed, plain = hashlib.sha256(), hashlib.sha256()

    def passing() -> Iterator[bytes]:
        for piece in pieces:
            packed.update(piece)
            passed.read += len(piece)
            yield piece

    try:
        for data in _gunzipped(passing()):
            plain.update(data)
            passed.given += len(data)
            most = limits.archive_expansion_max * passed.read
            if passed.given > max(limits.archive_expansion_free_bytes, most):
                reason = f"layer {file.name!r:.140} gives too much (archive_expansion_max)"
                raise ArchiveInvalid(archive.path, reason)
    except (zlib.error, EOFError) as error:
        reason = f"layer {file.name!r:.140} is compressed, and broken ({error})"
        raise ArchiveInvalid(archive.path, reason) from error
    return Layer(
        file, Digest.of_hash(SHA256, packed.digest()), Digest.of_hash(SHA256, plain.digest())
    )


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what pieces unpack to, never much at a time; one part may follow another."""
    unpacking = zlib.decompressobj(_GZIP_BITS)
    for piece in pieces:
        rest = piece
        while rest:
            if unpacking.eof:
                unpacking = zlib.decompressobj(_GZIP_BITS)
            yield unpacking.decompress(rest, _PIECE_BYTES)
            rest = unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail
    if not unpacking.eof:
        raise EOFError("it is cut off")
