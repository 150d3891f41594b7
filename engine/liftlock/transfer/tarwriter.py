"""An OCI layout as a tar: the same images are the same bytes, whoever writes them and when.

Members stand in the order in which readers want them: what tells of the layout first, then
manifests before what they name. Of a member nothing is told but name and size.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final, Protocol

import zstandard

from liftlock.model import Format
from liftlock.oci.digest import Digest
from liftlock.transfer.layout import INDEX, MARKER, MARKER_BODY, blob_path

_GZIP_LEVEL: Final = 1
"""Layers are compressed already, so more effort is time for nothing."""
_ZSTD_LEVEL: Final = 1
_GZIP_BITS: Final = 31
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


class Packed(Protocol):
    """Takes bytes in, and writes what becomes of them."""

    def write(self, data: bytes) -> object:
        """Take `data` in."""
        ...

    def finish(self) -> None:
        """Write what is still to be written; the file stays open."""
        ...


class TarLayout:
    """A layout that is being written to a tar, once and in order."""

    def __init__(self, out: BinaryIO, form: Format) -> None:
        self._packed = _PACKERS[form](out)

    def begin(self, index: bytes) -> None:
        """Write what tells of the layout."""
        self._member(MARKER, len(MARKER_BODY), (MARKER_BODY,))
        self._member(INDEX, len(index), (index,))

    def has(self, digest: Digest, size: int) -> bool:
        """Nothing is there yet."""
        del digest, size
        return False

    def add(self, digest: Digest, size: int, pieces: Iterable[bytes]) -> None:
        """Write a blob or manifest; what `pieces` raises goes on its way, and the tar is broken."""
        self._member(blob_path(digest), size, pieces)

    def finish(self) -> None:
        """Write the end."""
        self._packed.write(_END)
        self._packed.finish()

    def _member(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        header = tarfile.TarInfo(name)  # mode 0644, and zeros for time and owner
        header.size = size
        self._packed.write(header.tobuf(tarfile.PAX_FORMAT))
        for piece in pieces:
            self._packed.write(piece)
        self._packed.write(bytes(-size % tarfile.BLOCKSIZE))


class _Plain:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, data: bytes) -> object:
        return self._out.write(data)

    def finish(self) -> None:
        self._out.flush()


class _Gzip:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        # zlib's own gzip header has no time and no name.
        self._deflate = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_BITS)

    def write(self, data: bytes) -> object:
        return self._out.write(self._deflate.compress(data))

    def finish(self) -> None:
        self._out.write(self._deflate.flush())
        self._out.flush()


class _Zstd:
    def __init__(self, out: BinaryIO) -> None:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        self._writer = compressor.stream_writer(out, closefd=False)
        self._out = out

    def write(self, data: bytes) -> object:
        return self._writer.write(data)

    def finish(self) -> None:
        self._writer.flush(zstandard.FLUSH_FRAME)
        self._out.flush()


_PACKERS: Final[dict[Format, Callable[[BinaryIO], Packed]]] = {
    Format.TAR: _Plain,
    Format.TAR_GZ: _Gzip,
    Format.TAR_ZST: _Zstd,
}
