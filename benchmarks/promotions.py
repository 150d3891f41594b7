"""How fast are promotions, beside a bare py-lmdb program that does the same reads and puts?

Every promotion is new to the target: a tag, a manifest, four blobs of its own; six more are
shared. The bare program does exactly the gets, seeks, puts and deletes that the engine did for
the same promotion, with one flush a commit like the engine, in two forms:

- prepared: every key and value lies ready as bytes. No program could be that fast, since it would
  have to know the answers before it reads.
- encoding: keys are put together, values get their checksum, what is read is checked, and the
  manifest is unpacked and read for the digests that it names. That is the least that a program
  must do; it still decides nothing.

The claim (at least half the speed of bare py-lmdb) would be false if the ratios were below 0.5.
The contestants run in turn, so that a slow spell of the machine hits all of them.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from liftlock import Digest, Engine, PromotionRequest, Reference, RepositoryName, Target, history
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import system_clock
from liftlock.metadata import codec
from liftlock.metadata.contract import Table
from liftlock.metadata.lmdb import LmdbMetadataStore
from liftlock.model import Promotion

IMAGES = 1500
QUEUED = 64
ROUNDS = 5
SHARED = 6
OWN = 4
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
RESULTS = Path(__file__).parent / "results" / "promotions.json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def main() -> None:
    if len(sys.argv) > 1:
        print(CONTESTANTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3])))
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        prepared, recorded = folder / "prepared", folder / "steps"
        prepared.mkdir()
        prepare(prepared)
        recorded.write_bytes(pickle.dumps(record(prepared, folder / "recorded")))
        results: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for contestant in CONTESTANTS:
                rate = in_a_process(contestant, prepared, folder / "run", recorded)
                results.setdefault(contestant, []).append(rate)
    report(results)


def in_a_process(contestant: str, prepared: Path, copy: Path, recorded: Path) -> float:
    """Run one contestant with nothing of the others' in its memory or on its disk."""
    shutil.copytree(prepared, copy)
    os.sync()  # what copying left to be written is nobody's to wait for
    line = [sys.executable, __file__, contestant, str(copy), str(recorded)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    shutil.rmtree(copy)
    return float(done.stdout)


def prepare(folder: Path) -> None:
    """Push the images that will be promoted; only their metadata is kept."""
    engine = open_engine(folder)
    engine.create_registry("dev", by="bench")
    engine.create_registry("prod", by="bench")
    for number in range(IMAGES):
        push(engine, RepositoryName("dev", "team/app"), number)
    push(engine, RepositoryName("dev", "team/first"), IMAGES)
    engine.promote(
        Reference.parse(f"dev/team/first:v{IMAGES}"), Target.parse("prod/team/app"), by="bench"
    )
    engine.close()


def open_engine(folder: Path) -> Engine:
    return Engine(LmdbMetadataStore(folder, system_clock, history.seal), MemoryBlobStore())


def push(engine: Engine, name: RepositoryName, number: int) -> None:
    own = [b"own layer %d of image %d" % (layer, number) for layer in range(OWN - 1)]
    config = b'{"config of":%d}' % number
    shared = [b"shared layer %d" % layer for layer in range(SHARED)]
    for content in (*own, config, *(shared if number in (0, IMAGES) else ())):
        session = engine.start_upload(name, by="bench")
        with engine.hold_upload(name, session) as upload:
            upload.append(content)
            upload.commit(Digest.of(content), by="bench")
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(CONFIG, config),
            "layers": [described(LAYER, content) for content in (*shared, *own)],
        },
        indent=2,
    ).encode()
    engine.put_manifest(Reference(name, f"v{number}"), body, media_type=MANIFEST, by="bench")


def described(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def request(number: int) -> tuple[Reference, Target]:
    return Reference.parse(f"dev/team/app:v{number}"), Target.parse("prod")


# --- the engine ---------------------------------------------------------------------------------


def engine_one_caller(folder: Path, recorded: Path) -> float:
    engine = open_engine(folder)
    asked = [request(number) for number in range(IMAGES)]
    started = time.perf_counter()
    for source, target in asked:
        engine.promote(source, target, by="bench", comment="go")
    elapsed = time.perf_counter() - started
    engine.close()
    return IMAGES / elapsed


def engine_queued(folder: Path, recorded: Path) -> float:
    """Keep 64 promotions queued: as soon as one is answered, the next one comes."""
    engine = open_engine(folder)
    asked = iter([PromotionRequest(*request(number)) for number in range(IMAGES)])
    waiting: deque[Future[Promotion]] = deque()

    def queue_next() -> None:
        for promotion in islice(asked, 1):
            waiting.append(engine.submit_promotion(promotion, by="bench", comment="go"))

    started = time.perf_counter()
    for _ in range(QUEUED):
        queue_next()
    while waiting:
        assert waiting.popleft().result().changed
        queue_next()
    elapsed = time.perf_counter() - started
    engine.close()
    return IMAGES / elapsed


# --- the bare program ---------------------------------------------------------------------------

Step = tuple[str, str, Any]  # Any: keys for reads and deletes, rows for puts
Steps = list[Step]


def record(prepared: Path, folder: Path) -> list[Steps]:
    """Promote everything once, and write down what the engine asks of LMDB."""
    shutil.copytree(prepared, folder)
    engine = open_engine(folder)
    log: list[Steps] = []
    begin = engine._store._begin  # type: ignore[attr-defined]

    def recording() -> Any:  # Any: the store's own transaction, watched
        return Watched(begin(), log)

    engine._store._group._begin = recording  # type: ignore[attr-defined]
    for number in range(IMAGES):
        source, target = request(number)
        engine.promote(source, target, by="bench", comment="go")
    engine.close()
    return log


class Watched:
    """A transaction that writes down what is asked of it, and does it."""

    def __init__(self, txn: Any, log: list[Steps]) -> None:
        self.txn = txn
        self.steps: Steps = []
        log.append(self.steps)
        inner, watched = txn._txn, self.steps
        txn._txn = WatchedLmdb(inner, txn._tables, watched)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.txn, name)


class WatchedLmdb:
    """The few calls of py-lmdb's transaction that the store makes."""

    def __init__(self, txn: Any, tables: dict[Table, Any], steps: Steps) -> None:
        self.txn, self.steps = txn, steps
        self.names = {id(handle): str(table) for table, handle in tables.items()}

    def get(self, key: bytes, default: None = None, db: Any = None) -> bytes | None:
        self.steps.append(("get", self.names[id(db)], key))
        return self.txn.get(key, db=db)

    def delete(self, key: bytes, db: Any) -> bool:
        self.steps.append(("delete", self.names[id(db)], key))
        return self.txn.delete(key, db=db)

    def put(self, key: bytes, value: bytes, db: Any) -> bool:
        self.steps.append(("put", self.names[id(db)], [(key, value)]))
        return self.txn.put(key, value, db=db)

    def cursor(self, db: Any) -> Any:
        return WatchedCursor(self.txn.cursor(db), self.names[id(db)], self.steps)

    def commit(self) -> None:
        self.txn.commit()

    def abort(self) -> None:
        self.txn.abort()


class WatchedCursor:
    def __init__(self, cursor: Any, table: str, steps: Steps) -> None:
        self.cursor, self.table, self.steps = cursor, table, steps

    def __enter__(self) -> WatchedCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self.cursor.close()

    def set_range(self, key: bytes) -> bool:
        self.steps.append(("seek", self.table, key))
        return self.cursor.set_range(key)

    def last(self) -> bool:
        self.steps.append(("last", self.table, b""))
        return self.cursor.last()

    def putmulti(self, rows: list[tuple[bytes, bytes]]) -> Any:
        if rows:
            self.steps.append(("put", self.table, list(rows)))
        return self.cursor.putmulti(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


def bare(folder: Path, recorded: Path, together: int, *, encoding: bool) -> float:
    """Do what the engine asked of LMDB, and nothing else.

    With `encoding` as any program must: keys are put together from id and rest, values get their
    checksum, and what is read is checked and the manifest unpacked. Without, all is prepared.
    """
    env = lmdb.open(str(folder), map_size=1 << 40, max_dbs=64, max_readers=1024, lib_version=0)
    tables = {str(table): env.open_db(table.encode()) for table in Table}
    steps: list[Steps] = pickle.loads(recorded.read_bytes())
    run = encoded if encoding else replayed
    plan = [[parted(step) for step in promotion] for promotion in steps] if encoding else steps
    started = time.perf_counter()
    for batch in batches(plan, together):
        with env.begin(write=True) as txn:
            for promotion in batch:
                run(txn, tables, promotion)
    elapsed = time.perf_counter() - started
    env.close()
    return len(steps) / elapsed


def replayed(txn: lmdb.Transaction, tables: dict[str, Any], promotion: Steps) -> None:
    for kind, table, what in promotion:
        if kind == "get":
            txn.get(what, db=tables[table])
        elif kind == "put" and len(what) == 1:
            txn.put(*what[0], db=tables[table])
        elif kind == "put":
            with txn.cursor(tables[table]) as cursor:
                cursor.putmulti(what)
        elif kind == "delete":
            txn.delete(what, db=tables[table])
        else:
            with txn.cursor(tables[table]) as cursor:
                if kind == "seek":
                    cursor.set_range(what)
                else:
                    cursor.last()


def encoded(txn: lmdb.Transaction, tables: dict[str, Any], promotion: Steps) -> None:
    for kind, table, what in promotion:
        if kind == "put":
            rows = []
            for number, rest, body in what:
                key = number.to_bytes(8, "big") + rest
                rows.append((key, body + zlib.crc32(key + body).to_bytes(4, "big")))
            with txn.cursor(tables[table]) as cursor:
                cursor.putmulti(rows)
            continue
        number, rest = what
        key = number.to_bytes(8, "big") + rest
        if kind == "get":
            value = txn.get(key, db=tables[table])
            if value is not None:
                assert zlib.crc32(key + value[:-4]) != value[-4:]
                if table == "manifests":
                    body = codec.unpack(value[0], value[13:-4], int.from_bytes(value[9:13], "big"))
                    image = msgspec.json.decode(body)
                    for named in (image["config"], *image["layers"]):
                        bytes.fromhex(named["digest"][7:])
        elif kind == "delete":
            txn.delete(key, db=tables[table])
        else:
            with txn.cursor(tables[table]) as cursor:
                found = cursor.set_range(key) if kind == "seek" else cursor.last()
                if found:
                    cursor.key().startswith(key)


def parted(step: Step) -> Step:
    kind, table, what = step
    if kind == "put":
        rows = [(int.from_bytes(key[:8], "big"), key[8:], value[:-4]) for key, value in what]
        return kind, table, rows
    return kind, table, (int.from_bytes(what[:8], "big"), what[8:])


def batches(steps: list[Steps], together: int) -> Iterator[list[Steps]]:
    for start in range(0, len(steps), together):
        yield steps[start : start + together]


CONTESTANTS: dict[str, Callable[[Path, Path], float]] = {
    "bare, prepared, one by one": partial(bare, together=1, encoding=False),
    "bare, encoding, one by one": partial(bare, together=1, encoding=True),
    "engine, one caller": engine_one_caller,
    f"bare, prepared, {QUEUED} a commit": partial(bare, together=QUEUED, encoding=False),
    f"bare, encoding, {QUEUED} a commit": partial(bare, together=QUEUED, encoding=True),
    f"engine, {QUEUED} queued": engine_queued,
}


def report(results: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(rates) for name, rates in results.items()}
    prepared_one, encoding_one, one, prepared_many, encoding_many, many = medians.values()
    print(f"{IMAGES} promotions a run, median of {ROUNDS} runs, in turn; fsync on")
    for name, rates in results.items():
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"  {name:32} {medians[name]:9,.0f} promotions/s   ({spread})")
    print("  the engine's part of a bare program's speed:       prepared   encoding")
    print(f"  one caller {one / prepared_one:48.2f} {one / encoding_one:10.2f}")
    print(f"  {QUEUED} queued {many / prepared_many:49.2f} {many / encoding_many:10.2f}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"medians": medians, "runs": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
