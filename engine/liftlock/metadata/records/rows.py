"""A row as it lies in a table: a value with its checksum, which covers table and key too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from liftlock.errors import RecordCorrupt
from liftlock.metadata.checksum import CHECKSUM_BYTES, COVERED, encoded, protected
from liftlock.metadata.contract import Row, Table

R = TypeVar("R")

_WRONG_LAYOUT: Final = (ValueError, struct.error, IndexError, TypeError)


def protect(table: Table, key: bytes, body: bytes = b"") -> Row:
    """Return the row `key`, `body` with its checksum."""
    return key, protected(table, key, body)


def decoded(decode: Callable[[bytes], R], table: Table, key: bytes, value: bytes) -> R:
    """Check a row and read it.

    Raises:
        RecordCorrupt: the checksum or the layout is wrong.
    """
    seed, start = COVERED[table]
    body = value[:-CHECKSUM_BYTES]
    if value[-CHECKSUM_BYTES:] != encoded(zlib.crc32(key[start:] + body, seed)):
        raise RecordCorrupt(table, key, "its checksum is wrong")
    try:
        return decode(body)
    except _WRONG_LAYOUT as error:
        raise RecordCorrupt(table, key, str(error)) from error


def required(decode: Callable[[bytes], R], table: Table, key: bytes, value: bytes | None) -> R:
    """Return `decoded` of a row that another one names.

    Raises:
        RecordCorrupt: as `decoded`; also if the row is missing.
    """
    if value is None:
        raise RecordCorrupt(table, key, "it is missing, and another row names it")
    return decoded(decode, table, key, value)


def decoded_all(
    decode: Callable[[bytes], R],
    table: Table,
    keys: Sequence[bytes],
    values: Sequence[bytes | None],
) -> list[R | None]:
    """Return `decoded` of each row that is there, and None for the others."""
    seed, start = COVERED[table]
    crc32 = zlib.crc32
    records: list[R | None] = []
    # What `decoded` does, without a call a row: where many are looked up, that is most of it.
    for key, value in zip(keys, values, strict=True):
        if value is None:
            records.append(None)
            continue
        body = value[:-CHECKSUM_BYTES]
        if value[-CHECKSUM_BYTES:] != encoded(crc32(key[start:] + body, seed)):
            raise RecordCorrupt(table, key, "its checksum is wrong")
        try:
            records.append(decode(body))
        except _WRONG_LAYOUT as error:
            raise RecordCorrupt(table, key, str(error)) from error
    return records
