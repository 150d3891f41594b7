"""The checksum that every value ends with: CRC-32 over the table's name, the key and the value.

In tables whose keys begin with a repository id it leaves that id out, so a repository is copied
by copying its rows to another id as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final

from liftlock.metadata.contract import OF_A_REPOSITORY, Table

SCOPED: Final = frozenset({*OF_A_REPOSITORY, Table.TAG_HISTORY, Table.REPOSITORY_HISTORY})
"""Tables whose keys begin with a repository id that the checksum leaves out."""

COVERED: Final = {
    table: (zlib.crc32(table.encode()), 8 if table in SCOPED else 0) for table in Table
}
"""What the checksum begins with, and from where on it covers the key."""

CHECKSUM_BYTES: Final = 4
encoded: Final = struct.Struct(">I").pack


def protected(table: Table, key: bytes, body: bytes) -> bytes:
    """Return the value of `key` that says `body`."""
    seed, start = COVERED[table]
    return body + encoded(zlib.crc32(key[start:] + body, seed))


def protected_bare(table: Table, row_keys: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the rows that say all with their keys."""
    seed, start = COVERED[table]
    return {key: encoded(zlib.crc32(key[start:], seed)) for key in row_keys}
