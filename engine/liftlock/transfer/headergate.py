"""What stands between the headers of a tar that nobody vouches for, and `tarfile` that reads them.

`tarfile` reads as much as a header tells it to, goes where one leads it, and keeps what an extended
header says in a way that costs the square of its length if that overlaps itself. What makes no
sense ends the archive for it, as if there were no more. So here a header has a bound, leads
forward, and its records follow each other; and a tar ends with a block of zeros, after which
nothing comes but more of them. Sparse files are not let through: nothing here needs them.
"""

from __future__ import annotations

import re
import tarfile
from typing import Final

from liftlock.config import MIB, Limits
from liftlock.errors import ArchiveInvalid
from liftlock.transfer.unpacking import Forward

_ZEROS: Final = bytes(tarfile.BLOCKSIZE)
_TYPE: Final = slice(156, 157)
_PAX: Final = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE})
_LONG: Final = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
_EXTENSIONS_MAX: Final = 8
"""Headers that only say more about the member that follows them."""
_RECORDS_MAX: Final = 1000
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,8}) ([^=\n]{1,255})=")
_NUMBERS: Final = frozenset({b"size", b"uid", b"gid"})
_NEWLINE: Final = 10
_NUMBER: Final = re.compile(rb"[0-9]{1,19}")


class HeaderGate:
    """What `tarfile` reads through."""

    def __init__(self, path: str, source: Forward, limits: Limits) -> None:
        self._path = path
        self._source = source
        self._limits = limits
        self._left = 0
        self._extensions = 0
        self._awaited = b""
        """The type of the header whose contents are read next."""
        self._last = b""

    def renew(self) -> None:
        """Begin a member."""
        self._left = self._limits.archive_header_bytes_max
        self._extensions = 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        self._left -= size
        if self._left < 0:
            most = self._limits.archive_header_bytes_max
            raise self._refused(f"a header in it is larger than {most} bytes", "header_bytes")
        data = self._source.read(size)
        if self._awaited:
            if self._awaited in _PAX:
                self._judge_records(data)
            self._awaited = b""
        elif size == tarfile.BLOCKSIZE:
            self._last = data
            self._judge_type(data[_TYPE])
        return data

    def _judge_type(self, kind: bytes) -> None:
        if kind == tarfile.GNUTYPE_SPARSE:
            raise self._refused("a member in it is a sparse file")
        if kind in _PAX or kind in _LONG:
            self._awaited = kind
            self._extensions += 1
            if self._extensions > _EXTENSIONS_MAX:
                raise self._refused(f"a member in it has more than {_EXTENSIONS_MAX} headers")

    def _judge_records(self, data: bytes) -> None:
        """Require that the records of an extended header follow each other, and nothing else."""
        data = data.rstrip(b"\0")
        at = count = 0
        while at < len(data):
            found = _RECORD.match(data, at)
            end = at + int(found[1]) if found else 0
            if found is None or not found.end() < end <= len(data) or data[end - 1] != _NEWLINE:
                raise self._refused("an extended header in it makes no sense")
            key, value = found[2], data[found.end() : end - 1]
            if key.startswith(b"GNU.sparse."):
                raise self._refused("a member in it is a sparse file")
            if key == b"hdrcharset" or (key in _NUMBERS and not _NUMBER.fullmatch(value)):
                raise self._refused("an extended header in it says what is not understood")
            count += 1
            if count > _RECORDS_MAX:
                raise self._refused(f"a header in it has more than {_RECORDS_MAX} records")
            at = end

    def seek(self, position: int) -> None:
        """Go on to a position."""
        if position < self._source.tell():
            raise self._refused("its headers lead backwards")
        self._source.seek(position)

    def tell(self) -> int:
        """Say how far it is read."""
        return self._source.tell()

    def require_end(self) -> None:
        """Require that the last header was the block of zeros that ends a tar; only zeros follow.

        Raises:
            ArchiveInvalid: it ends before, or something comes after.
        """
        if self._last != _ZEROS:
            raise self._refused(
                "a header in it makes no sense" if self._last else "it has no end: it is cut off"
            )
        most = left = self._limits.archive_padding_bytes_max
        while rest := self._source.read(min(left + 1, MIB)):
            left -= len(rest)
            if rest.count(0) != len(rest):
                raise self._refused("something comes after its end")
            if left < 0:
                raise self._refused(f"more than {most} zeros come after its end", "padding_bytes")

    def _refused(self, reason: str, limit: str = "") -> ArchiveInvalid:
        return ArchiveInvalid(self._path, reason + (f" (archive_{limit}_max)" if limit else ""))
