"""The checksum that every value ends with: CRC-32 over the table's name, the key and the value.

In tables whose keys begin with a repository id it leaves that id out, so a repository is copied
by copying its rows to another id as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
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


def protected_all(table: Table, bodies: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the values of all the keys, each with its body."""
    seed, start = COVERED[table]
    crc32 = zlib.crc32
    return {key: body + encoded(crc32(key[start:] + body, seed)) for key, body in bodies.items()}
