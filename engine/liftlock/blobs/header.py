"""The header file of an upload session: what it says, and the lock that it bears.

    BLAKE3 of the next two    32 bytes
    length of the header      4 bytes, big-endian
    header                    as `create_session` was given it
    trace                     the locator of the last `publish` and a newline; nothing before that

Nothing of it is ever flushed, so a power cut may leave anything: what does not add up is no
session. The trace is written before the bytes are renamed; it counts only while they are not at
their own name, so nobody needs to erase it.

Who has locked this file (flock) holds the session. The file of the bytes cannot bear the lock,
since `publish` moves it away.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from blake3 import blake3

from liftlock.blobs.contract import LOCATOR, Locator
from liftlock.errors import UploadBusy, UploadUnknown

_HASH_BYTES: Final = 32
_LENGTH_BYTES: Final = 4
_FILE_BYTES_MAX: Final = 1 << 20


@contextmanager
def locked(path: Path, session_id: str) -> Iterator[int]:
    """Keep the header file at `path` locked, against this process's other requests too.

    Raises:
        UploadUnknown: there is none.
        UploadBusy: it is locked.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UploadUnknown(session_id) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UploadBusy(session_id) from None
        # The last holder may have discarded the session between our opening and locking it:
        # then this is the lock of a file that has no name any more.
        if not _is_at(path, lock):
            raise UploadUnknown(session_id)
        try:
            yield lock
        finally:
            # Closing would not do if a child was forked meanwhile: it shares the lock.
            fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def seal(header: bytes) -> bytes:
    """Return a header file's bytes, but for the trace."""
    body = len(header).to_bytes(_LENGTH_BYTES, "big") + header
    return blake3(body).digest() + body


def read_header(file: int, session_id: str) -> tuple[bytes, Locator | None]:
    """Read header and trace. UploadUnknown if a power cut left something else."""
    found = os.pread(file, _FILE_BYTES_MAX, 0)
    start = _HASH_BYTES + _LENGTH_BYTES
    stop = start + int.from_bytes(found[_HASH_BYTES:start], "big")
    header = found[start:stop]
    if seal(header) != found[:stop]:
        raise UploadUnknown(session_id)
    trace = found[stop:].partition(b"\n")[0].decode("ascii", "replace")
    return header, trace if LOCATOR.fullmatch(trace) else None


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
