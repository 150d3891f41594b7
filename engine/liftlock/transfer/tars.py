"""A tar as an archive: what it has and where, found in one pass over its headers.

The headers are read by the standard library's `tarfile`, through a gate (`headergate.py`) that
passes only what it can be trusted with.

Of a plain tar the contents are passed over and read later, where they lie. A compressed one is
read from its beginning again; what looks like JSON is kept in the first pass, up to some MiB, which
mostly saves the passes that would look for manifests.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final, NamedTuple, cast

from liftlock.config import MIB, Limits
from liftlock.errors import ArchiveInvalid
from liftlock.transfer.archives import Found, Heed, link_target, safe_name
from liftlock.transfer.headergate import HeaderGate
from liftlock.transfer.unpacking import Forward, begun, is_compressed

_KEPT_BYTES_MAX: Final = 32 * MIB
_HOPS_MAX: Final = 8
_MEANINGFUL: Final = frozenset({"path", "size", "linkpath"})


class _Place(NamedTuple):
    offset: int
    size: int


class TarArchive:
    """See `archives.Archive`."""

    def __init__(self, path: str, file: int, limits: Limits, heed: Heed) -> None:
        """Take over the open `file`, and read all headers.

        Raises:
            ArchiveInvalid: it is no tar, or has what no archive may have.
        """
        self.path = path
        self._file = file
        self._limits = limits
        self._heed = heed
        self._files: dict[str, _Place] = {}
        self._links: dict[str, str] = {}
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        try:
            self._is_compressed = is_compressed(path, file)
            self._survey()
        except BaseException:
            self.close()
            raise

    def find(self, name: str, *, through_links: bool = False) -> Found | None:
        """Look a file up."""
        name = safe_name(self.path, name)
        for _ in range(_HOPS_MAX):
            place = self._files.get(name)
            if place is not None:
                return Found(name, place.size)
            if name not in self._links:
                return None
            if not through_links:
                break
            name = self._links[name]
        raise ArchiveInvalid(self.path, f"{name} in it is a link, and leads to no file here")

    def read(self, files: Collection[Found]) -> dict[str, bytes]:
        """Read files whole."""
        found = {one.name: self._kept[one.name] for one in files if one.name in self._kept}
        rest = [one for one in files if one.name not in found]
        return found | {name: b"".join(pieces) for name, pieces in self.stream(rest)}

    def stream(self, files: Collection[Found]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield files by name, as they lie."""
        if not files:
            return
        source = begun(self.path, self._file, self._limits, self._heed)
        try:
            for name in sorted({one.name for one in files}, key=self._files.__getitem__):
                place = self._files[name]
                source.seek(place.offset)
                yield name, self._pieces(source, name, place)
        finally:
            source.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _pieces(self, source: Forward, name: str, place: _Place) -> Iterator[bytes]:
        left = place.size
        while left:
            self._heed()
            piece = source.read(min(left, self._limits.copy_bytes))
            if not piece:
                raise self._refused(f"it ends in the middle of {name}")
            left -= len(piece)
            yield piece

    # --- the first pass ---------------------------------------------------------------------

    def _survey(self) -> None:
        source = begun(self.path, self._file, self._limits, self._heed)
        try:
            gate = HeaderGate(self.path, source, self._limits)
            most = self._limits.archive_members_max
            for count, member in enumerate(_members(gate), start=1):
                self._heed()
                self._take(member, source)
                if count > most:  # folders among them: nothing is kept of them, but they take time
                    raise self._refused(f"it has more than {most} members (archive_members_max)")
            gate.require_end()
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise self._refused(f"it cannot be read as a tar ({error})") from error
        finally:
            source.close()

    def _take(self, member: tarfile.TarInfo, source: Forward) -> None:
        if not member.name.isprintable():  # surrogates of what was no UTF-8 among them
            raise self._refused(f"member {member.name[:120]!r} has characters that no name has")
        name = safe_name(self.path, member.name)
        if member.isdir():
            return
        if name in self._files or name in self._links:
            raise self._refused(f"member {name} is there twice")
        if member.issym() or member.islnk():
            is_hard = member.islnk()
            target = link_target(self.path, name, member.linkname, is_hard=is_hard)
            self._links[name] = target
        elif member.issparse() or not member.isreg():
            raise self._refused(f"member {name} is no plain file")
        else:
            self._take_file(name, _Place(member.offset_data, member.size), source)

    def _take_file(self, name: str, place: _Place, source: Forward) -> None:
        if place.size < 0:
            raise self._refused(f"member {name} has a negative size")
        if not self._is_compressed:
            if place.offset + place.size > os.fstat(self._file).st_size:
                raise self._refused(f"it ends in the middle of {name}")
        elif place.size <= min(self._limits.manifest_bytes_max, _KEPT_BYTES_MAX - self._kept_bytes):
            body = b"".join(self._pieces(source, name, place))
            if body[:1] in {b"{", b"["}:
                self._kept[name] = body
                self._kept_bytes += place.size
        self._files[name] = place

    def _refused(self, reason: str) -> ArchiveInvalid:
        return ArchiveInvalid(self.path, reason)


def _members(gate: HeaderGate) -> Iterator[tarfile.TarInfo]:
    """Yield what the headers tell of, with the source standing where its content begins."""
    gate.renew()
    # It asks a file for no more than the gate offers.
    file = cast("BinaryIO", gate)
    tar = tarfile.TarFile(fileobj=file, mode="r", encoding="utf-8", errors="surrogateescape")
    while (member := tar.next()) is not None:
        if _MEANINGFUL & tar.pax_headers.keys():
            raise ValueError("a header for all members names or measures them")
        # It would remember every member, and what all of them shall have.
        tar.members = []  # type: ignore[attr-defined] # documented nowhere, and known to all
        tar.pax_headers = {}
        yield member
        gate.renew()
