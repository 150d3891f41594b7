"""A tar's bytes, read forward: as they lie in the file, or as they come out of compression.

A compressed one cannot be jumped about in. It gives no more for its size than `Limits` allow, and
never more at a time than was asked for.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from typing import TYPE_CHECKING, Final, Protocol

import zstandard

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid
from liftlock.transfer.archives import Heed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_OTHERS: Final = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
}
_SKIP_BYTES: Final = 256 * 1024
_BUFFER_BYTES: Final = 64 * 1024


class Forward(Protocol):
    """Bytes that are read from the beginning on."""

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        ...

    def seek(self, position: int) -> object:
        """Go on to a position that lies ahead."""
        ...

    def tell(self) -> int:
        """Say how far it is read."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_compressed(path: str, file: int) -> bool:
    """Tell whether a file is compressed in a way that can be read.

    Raises:
        ArchiveInvalid: it is compressed in another way.
    """
    begin = os.pread(file, 6, 0)
    for magic, name in _OTHERS.items():
        if begin.startswith(magic):
            reason = f"{name} is not read here: give it as a plain tar, or one with gzip or zstd"
            raise ArchiveInvalid(path, reason)
    return begin.startswith((_GZIP, _ZSTD))


def begun(path: str, file: int, limits: Limits, heed: Heed) -> Forward:
    """Begin to read a file, whoever else is reading it, at its first byte."""
    raw = _Lying(file)
    begin = os.pread(file, len(_ZSTD), 0)
    buffered = io.BufferedReader(raw, _BUFFER_BYTES)
    if begin.startswith(_GZIP):
        return Expanding(path, raw, gzip.GzipFile(fileobj=buffered, mode="rb"), limits, heed)
    if begin == _ZSTD:
        decompressor = zstandard.ZstdDecompressor(max_window_size=limits.archive_window_bytes_max)
        stream = decompressor.stream_reader(buffered, read_across_frames=True, closefd=False)
        return Expanding(path, raw, stream, limits, heed)
    return raw


class _Lying(io.RawIOBase):
    """A file's bytes as they lie, with a position of its own; the file stays open."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        read = os.preadv(self._file, [view], self._at)
        self._at += read
        return read

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        assert whence == os.SEEK_SET, "forward readers know no end"
        self._at = position
        return position

    def tell(self) -> int:
        return self._at


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Expanding:
    """Bytes that come out of compression."""

    def __init__(
        self, path: str, raw: io.RawIOBase, stream: _Stream, limits: Limits, heed: Heed
    ) -> None:
        self._path = path
        self._raw = raw
        self._stream = stream
        self._limits = limits
        self._heed = heed
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        parts: list[bytes] = []
        while size:
            try:
                part = self._stream.read(min(size, _SKIP_BYTES))
            except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
                raise ArchiveInvalid(self._path, f"its compression is broken ({error})") from error
            if not part:
                break
            size -= len(part)
            parts.append(part)
            self._position += len(part)
            self._refuse_bomb()
            self._heed()
        return b"".join(parts)

    def seek(self, position: int) -> None:
        """Read on to a position."""
        if position < self._position:
            raise ArchiveInvalid(self._path, "its headers lead backwards")
        while self._position < position:
            if not self.read(min(position - self._position, _SKIP_BYTES)):
                raise ArchiveInvalid(self._path, "it ends in the middle of a member")

    def tell(self) -> int:
        """Say how many bytes came out."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        self._raw.close()  # which leaves the file open, as whoever gave it wants it

    def _refuse_bomb(self) -> None:
        limits, given = self._limits, self._position
        if given > limits.archive_expansion_free_bytes:
            most = limits.archive_expansion_max
            if given > most * max(self._raw.tell(), 1):
                raise ArchiveInvalid(
                    self._path,
                    f"it gives more than {most} bytes for each of its own (archive_expansion_max); "
                    "if that is meant, give it as a plain tar",
                )
