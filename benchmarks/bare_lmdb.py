"""The bare py-lmdb program: it does what an engine asked of LMDB, and nothing else.

It comes in two forms. *Prepared*: every key and value lies ready as bytes; no program could be
that fast, since it would have to know the answers before it reads. *Encoding*: what any program
must do, and no more: keys are put together from their parts; every row that is written is encoded
from its fields and gets its checksum, computed here; every row that is looked up is checked and
decoded; and each manifest is unpacked and parsed for the digests that it names. It still decides
nothing, judges no rule and answers nobody.

Gets and puts that follow each other in one table are done in one loop, as one would write it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb
import msgspec
from lmdb_steps import Recorded, Row, Step

from liftlock.folder import METADATA
from liftlock.metadata import codec, keys, records
from liftlock.metadata.contract import Table
from liftlock.oci.digest import key_length

_MAP_BYTES: Final = 1 << 40
_CHECKSUM_BYTES: Final = 4
SCOPED: Final = (
    "tags",
    "links",
    "holders",
    "referrers",
    "tag_history",
    "repository_history",
)
"""Tables whose keys begin with a repository id that the checksum leaves out: docs/format.md's °.

Named here anew: this program stands on the format alone, and a wrong list is found by every row.
"""
_SEEDS: Final = {str(table): zlib.crc32(table.encode()) for table in Table}
_KEY_FROM: Final = {str(table): 8 if table in SCOPED else 0 for table in Table}
_RECORDS: Final[dict[str, Any]] = {  # Any: what encodes and decodes a table's values
    "names": records.IdRecord,
    "registries": records.RegistryRecord,
    "repositories": records.RepositoryRecord,
    "tags": records.TagRecord,
    "links": records.LinkRecord,
    "manifests": records.ManifestRecord,
    "blobs": records.BlobRecord,
    "events": records.EventRecord,
    "items": records.ItemRecord,
    "repository_history": records.RoleRecord,
    "names_log": records.NamingRecord,
    "promotions": records.IdRecord,
    "seals": records.SealRecord,
    "counters": records.CountsRecord,
}
"""Values of other tables are written as they are; most of those rows say all with their keys."""
Parts = tuple[int, tuple[bytes, ...]]
"""A key, as the number that it begins with and what comes behind it."""


class _Blob(msgspec.Struct):
    digest: str


class _Image(msgspec.Struct):
    config: _Blob
    layers: list[_Blob]


_images: Final = msgspec.json.Decoder(_Image)


class Opened(NamedTuple):
    """An environment, with what its tables are known by."""

    env: lmdb.Environment
    tables: dict[str, Any]  # Any: py-lmdb's handles


def opened(root: Path) -> Opened:
    """Open a store's metadata as the engine does: every flush on."""
    env = lmdb.open(str(root / METADATA), map_size=_MAP_BYTES, max_dbs=64, lib_version=0)
    return Opened(env, {str(table): env.open_db(table.encode()) for table in Table})


def replay(root: Path, recording: Sequence[Recorded], *, encoding: bool) -> float:
    """Do all of it, transaction by transaction; return the seconds that it took."""
    runner: _Runner = _Encoding() if encoding else _Prepared()
    plan = [Recorded(each.is_write, runner.prepare(each.steps)) for each in recording]
    env, tables = opened(root)
    with closing(env):
        started = time.perf_counter()
        for transaction in plan:
            with env.begin(write=transaction.is_write) as txn:
                runner.run(txn, tables, transaction.steps)
        return time.perf_counter() - started


class _Runner:
    """Runs a transaction's steps; its forms differ in what they do about keys and values."""

    def prepare(self, steps: Iterable[Step]) -> list[Step]:
        """Put what belongs together into one step, before the clock runs."""
        prepared: list[Step] = []
        tables: dict[int, str] = {}
        for name, where, *rest in steps:
            table = tables.get(where, "")
            if name == "cursor":
                tables[rest[0]] = where
                prepared.append([name, where, rest[0]])
            elif name in {"get", "put", "delete"}:
                what = self.row(where, *rest) if name == "put" else self.key(rest[0], where)
                if prepared and prepared[-1][:2] == [name, where]:
                    prepared[-1][2].append(what)
                else:
                    prepared.append([name, where, [what]])
            elif name == "set_range":
                prepared.append([name, where, self.key(rest[0], table)])
            elif name == "putmulti":
                rows, append = rest
                prepared.append([name, where, ([self.row(table, *r) for r in rows], table, append)])
            else:
                prepared.append([name, where, rest[0] if rest else None])
        return prepared

    def key(self, key: bytes, table: str) -> Any:
        raise NotImplementedError

    def row(self, table: str, key: bytes, value: bytes) -> Any:
        raise NotImplementedError

    def run(self, txn: lmdb.Transaction, tables: dict[str, Any], steps: list[Step]) -> None:
        raise NotImplementedError


class _Prepared(_Runner):
    def key(self, key: bytes, table: str) -> bytes:
        return key

    def row(self, table: str, key: bytes, value: bytes) -> Row:
        return key, value

    def run(  # noqa: C901 - one loop, since a call a step would be timed
        self, txn: lmdb.Transaction, tables: dict[str, Any], steps: list[Step]
    ) -> None:
        cursors: dict[int, Any] = {}
        get, put, delete = txn.get, txn.put, txn.delete
        for name, where, what in steps:
            if name == "get":
                handle = tables[where]
                for key in what:
                    get(key, None, handle)
            elif name == "set_range":
                cursors[where].set_range(what)
            elif name == "putmulti":
                rows, _, append = what
                cursors[where].putmulti(rows, append=append)
            elif name == "put":
                handle = tables[where]
                for key, value in what:
                    put(key, value, db=handle)
            elif name == "cursor":
                cursors[what] = txn.cursor(tables[where])
            elif name == "delete":
                for key in what:
                    delete(key, db=tables[where])
            else:
                _step(cursors[where], name, what)
        _close(cursors)


class _Encoding(_Runner):
    def key(self, key: bytes, table: str) -> Parts:
        if table == "holders" and len(key) > keys.ID_BYTES:
            return _holder_parts(key)
        return int.from_bytes(key[:8], "big"), (key[8:],)

    def row(self, table: str, key: bytes, value: bytes) -> tuple[Parts, Any]:
        body = _verified(table, key, value)
        record = _RECORDS[table].decode(body) if table in _RECORDS else _AsItIs(body)
        return self.key(key, table), record

    def run(  # noqa: C901 - one loop, since a call a step would be timed
        self, txn: lmdb.Transaction, tables: dict[str, Any], steps: list[Step]
    ) -> None:
        cursors: dict[int, Any] = {}
        get, put, delete = txn.get, txn.put, txn.delete
        for name, where, what in steps:
            if name == "get":
                handle, read = tables[where], _READERS.get(where, bytes)
                for parts in what:
                    key = _joined(parts)
                    value = get(key, None, handle)
                    if value is not None:
                        read(_verified(where, key, value))
            elif name == "set_range":
                cursors[where].set_range(_joined(what))
            elif name == "putmulti":
                rows, table, append = what
                cursors[where].putmulti(_encoded(table, rows), append=append)
            elif name == "put":
                handle = tables[where]
                for key, value in _encoded(where, what):
                    put(key, value, db=handle)
            elif name == "cursor":
                cursors[what] = txn.cursor(tables[where])
            elif name == "delete":
                for parts in what:
                    delete(_joined(parts), db=tables[where])
            else:
                _step(cursors[where], name, what)
        _close(cursors)


class _AsItIs(NamedTuple):
    body: bytes

    def encode(self) -> bytes:
        return self.body


def _holder_parts(key: bytes) -> Parts:
    """Take a `holders` key, or the beginning of one, apart."""
    kind = keys.ID_BYTES + 1
    number = kind if key[8:9] == b"m" else kind + 8
    end = number + key_length(key[number]) if number < len(key) else number
    parts = key[8:kind], key[kind:number], key[number:end], key[end : end + 1], key[end + 1 :]
    return int.from_bytes(key[:8], "big"), parts


def _joined(parts: Parts) -> bytes:
    number, rest = parts
    return number.to_bytes(8, "big") + b"".join(rest)


def _step(cursor: Any, name: str, count: int | None) -> None:
    if count is not None:
        for _ in islice(getattr(cursor, name)(keys=True, values=True), count):
            pass
    else:
        getattr(cursor, name)()


def _close(cursors: dict[int, Any]) -> None:
    with ExitStack() as stack:
        for cursor in cursors.values():
            stack.callback(cursor.close)


def _verified(table: str, key: bytes, value: bytes) -> bytes:
    """Return a value without its checksum."""
    body = value[:-_CHECKSUM_BYTES]
    checksum = zlib.crc32(key[_KEY_FROM[table] :] + body, _SEEDS[table])
    if value[-_CHECKSUM_BYTES:] != checksum.to_bytes(_CHECKSUM_BYTES, "big"):
        raise SystemExit(f"a row of {table} has another checksum than docs/format.md says")
    return body


def _encoded(table: str, rows: Iterable[tuple[Parts, Any]]) -> list[Row]:
    seed, start, crc32 = _SEEDS[table], _KEY_FROM[table], zlib.crc32
    encoded = []
    for parts, record in rows:
        key, body = _joined(parts), record.encode()
        checksum = crc32(key[start:] + body, seed)
        encoded.append((key, body + checksum.to_bytes(_CHECKSUM_BYTES, "big")))
    return encoded


def _named(body: bytes) -> list[bytes]:
    """Unpack a manifest and return whom it names."""
    record = records.ManifestRecord.decode(body)
    image = _images.decode(codec.unpack(record.encoding, record.packed, record.size))
    return [bytes.fromhex(blob.digest[7:]) for blob in (image.config, *image.layers)]


_READERS: Final[dict[str, Callable[[bytes], Any]]] = {
    **{table: record.decode for table, record in _RECORDS.items()},
    "manifests": _named,
    "blobs": records.blob_size,
}


def same_content(left: Path, right: Path) -> str:
    """Return what differs between two stores' tables; empty if nothing does."""
    (one, tables), (other, others) = opened(left), opened(right)
    with closing(one), closing(other), one.begin() as here, other.begin() as there:
        for table in tables:
            rows, counterpart = (
                list(txn.cursor(handles[table]).iternext(keys=True, values=True))
                for txn, handles in ((here, tables), (there, others))
            )
            if rows != counterpart:
                return f"{table}: {len(rows)} rows, and {len(counterpart)} others"
    return ""
