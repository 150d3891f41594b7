"""The gate: content flows through it, and what is not what its digest says ends with an error."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from liftlock.oci.digest import Digest


def verified(
    pieces: Iterable[bytes], digest: Digest, size: int, wrong: Callable[[str], Exception]
) -> Iterator[bytes]:
    """Pass `pieces` on; raise what `wrong` makes of a reason, at the end or sooner.

    The last piece comes only after all were found to be right.
    """
    hasher, received, last = hashlib.new(digest.algorithm), 0, b""
    for piece in pieces:
        received += len(piece)
        if received > size:
            raise wrong(f"it has more than the {size} bytes it should have")
        hasher.update(piece)
        if last:
            yield last
        last = piece
    if received < size:
        raise wrong(f"it has {received} bytes of {size}")
    found = Digest.of_hash(digest.algorithm, hasher.digest())
    if found != digest:
        raise wrong(f"its content is {found}")
    yield last


def is_whole(path: Path, digest: Digest, size: int, piece_bytes: int) -> bool:
    """Tell whether a file has just this content; it is read only if it has the right size."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(file, "rb", buffering=0) as opened:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        hasher = hashlib.new(digest.algorithm)
        while piece := opened.read(piece_bytes):
            hasher.update(piece)
    return Digest.of_hash(digest.algorithm, hasher.digest()) == digest
