"""What a process does to a store until it is killed.

Run as a script, this forks a child for each line of its input and prints the child's wait status:

    {"store": …, "told": …, "scenario": "push", "kill_at": 7}

The child does the scenario's deeds one after another and appends to the file `told` what it got
done, each with one system call, so what stands there was told before the kill. At moment number
`kill_at` it kills itself; a moment is a named point of a write, or an operation on the disk.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import liftlock
from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.engine import LastChunk
from liftlock.errors import (
    BlobUnknown,
    ManifestUnknown,
    NameTaken,
    RegistryUnknown,
    RepositoryUnknown,
    UploadUnknown,
)
from liftlock.metadata.contract import ReadTxn, Table
from liftlock.metadata.records import BlobRecord, decoded
from liftlock.oci.reference import Selection
from liftlock.testing import images
from liftlock.testing.archives import Layout, tar_of
from liftlock.testing.clock import SOME_DAY, FakeClock
from liftlock.testing.failing_disk import FailingDisk

Say = Callable[[str], None]
Deed = Callable[[liftlock.Engine, Say], None]
"""One thing that a client wants. Like a client it may be told again, and then finds it done."""

LIMITS = liftlock.Limits(part_pairs_max=2, file_bytes_min=0)
"""Of most here: what has more than two images is written in parts, and every blob is a file."""
ROWS = replace(LIMITS, file_bytes_min=liftlock.Limits().file_bytes_min)
"""The same, with small blobs as rows."""
APP = RepositoryName("dev", "app")
CONFIG = b'{"architecture": "amd64", "os": "linux"}'
LAYER = b"one layer, " * 300


class Scenario(NamedTuple):
    """What is there already, and what is done then."""

    before: tuple[Deed, ...]
    deeds: tuple[Deed, ...]
    limits: liftlock.Limits = LIMITS


# --- deeds ----------------------------------------------------------------------------------


def create(registry: str) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(NameTaken):
            engine.create_registry(registry, by="me", comment="needed")

    return deed


def upload(content: bytes, *, name: RepositoryName = APP, algorithm: str = "sha256") -> Deed:
    """Upload in two chunks, telling how far it is after each."""

    def deed(engine: liftlock.Engine, say: Say) -> None:
        digest = Digest.of(content, algorithm)
        session = engine.start_upload(name, algorithm=algorithm, by="me")
        say(f"session {session} {name} {digest} 0")
        half = len(content) // 2
        with engine.hold_upload(name, session) as received:
            received.append(content[:half])
        say(f"session {session} {name} {digest} {half}")
        with engine.hold_upload(name, session) as received:
            received.append(content[half:])
            say(f"session {session} {name} {digest} {len(content)}")
            received.commit(digest, by="me")

    return deed


def upload_together(*contents: bytes, name: RepositoryName = APP) -> Deed:
    """Upload half of each, tell that, and end all at once."""

    def deed(engine: liftlock.Engine, say: Say) -> None:
        chunks, lines = [], []
        for content in contents:
            digest, half = Digest.of(content), len(content) // 2
            session = engine.start_upload(name, by="me")
            with engine.hold_upload(name, session) as received:
                received.append(content[:half])
            lines.append(f"session {session} {name} {digest} {half} ends")
            chunks.append(LastChunk(name, session, content[half:], digest, "me"))
        say("\n".join(lines))
        for outcome in engine.finish_uploads(chunks):
            assert not isinstance(outcome, Exception), outcome

    return deed


def upload_whole(*contents: bytes, name: RepositoryName = APP) -> Deed:
    """Upload each in the one request that ends it, all at once."""

    def deed(engine: liftlock.Engine, say: Say) -> None:
        chunks = []
        for content in contents:
            session, digest = engine.start_upload(name, by="me"), Digest.of(content)
            say(f"session {session} {name} {digest} 0 ends")
            chunks.append(LastChunk(name, session, content, digest, "me", size=0))
        for outcome in engine.finish_uploads(chunks):
            assert not isinstance(outcome, Exception), outcome

    return deed


def push_manifest(tag: str | None, *blobs: bytes, name: RepositoryName = APP) -> Deed:
    config, *layers = [
        {"mediaType": kind, "digest": str(Digest.of(content)), "size": len(content)}
        for kind, content in zip((images.CONFIG, *[images.LAYER] * len(blobs)), blobs, strict=False)
    ]
    document = {"schemaVersion": 2, "config": config, "layers": layers}
    return lambda engine, _: void(images.push(engine, name, tag, document))


def damage(content: bytes) -> Deed:
    """Cut the file of a blob, as a bad disk might; check would call it an error."""

    def deed(engine: liftlock.Engine, say: Say) -> None:
        blob = engine.get_blob(APP, Digest.of(content))
        os.truncate(engine.blob_path(blob), 5)

    return deed


def release(engine: liftlock.Engine, say: Say) -> None:
    """Have an index with an SBOM on a child, a signature, and a signature of that."""
    index = images.platforms(engine, APP, "1", count=2)
    sbom = images.referrer(engine, index.children[0], seed="sbom")
    images.referrer(engine, sbom, seed="signature of the sbom")
    images.attachment(engine, index, "signed by me")


def more_tags(engine: liftlock.Engine, say: Say) -> None:
    """Have as many images as are written in several parts."""
    for number in range(2 * LIMITS.part_pairs_max):
        images.image(engine, "dev/app", f"more{number}", seed=f"more {number}", layers=1)


def other_release(engine: liftlock.Engine, say: Say) -> None:
    """Have another image under the same tag at the target, with content in common."""
    images.image(engine, "prod/app", "1", seed=" arch0")
    images.image(engine, "prod/app", "2", seed="two")


def import_images(archive: Layout, to: str) -> Deed:
    """Import what lies at the same place each time, since the history has that."""

    def deed(engine: liftlock.Engine, say: Say) -> None:
        path = Path(tempfile.gettempdir(), f"liftlock-{os.getuid()}-{id_of(archive)}.tar")
        path.write_bytes(tar_of(archive.files))
        engine.import_images(path, to, by="me", comment="moved")

    return deed


def id_of(archive: Layout) -> str:
    """Return a name for what is in an archive."""
    return Digest.of(repr(sorted(archive.files.items())).encode()).hex[:16]


def one_image() -> Layout:
    """Return an archive with the image whose blobs others push here, and its referrer."""
    layout = Layout()
    config, layer = layout.add(CONFIG, images.CONFIG), layout.add(LAYER, images.LAYER)
    image = layout.enter(layout.manifest(config=config, layers=[layer]), "1")
    layout.enter(layout.manifest(config=config, layers=[], subject=image))
    # Not of this image: what `manifest` makes up, and replaces with what it is told.
    layout.blobs = {n: b for n, b in layout.blobs.items() if b"layer of" not in b}
    return layout


def large_images() -> Layout:
    """Return an archive whose blobs come in one by one, of several repositories."""
    layout = Layout()
    shared = bytes(300_000)
    for name in ("dev/a:1", "dev/b:1"):
        image = layout.enter(layout.manifest(name, contents=[shared, name.encode() * 60_000]), name)
        repository, _, _ = name.partition(":")
        sbom = layout.manifest(f"sbom of {name}", subject=image)
        layout.enter(sbom, f"{repository}@{sbom['digest']}")
    return layout


def promote(source: str, target: str, mode: Mode = Mode.COPY) -> Deed:
    return lambda engine, _: void(
        engine.promote(Reference.parse(source), Target.parse(target), mode=mode, by="me")
    )


def promote_some(
    source: str, target: str, tags: str | None, mode: Mode = Mode.COPY, *, purge: bool = False
) -> Deed:
    """Promote what a glob selects, or without one whole repositories."""
    return lambda engine, _: void(
        engine.promote(
            Selection.parse(source),
            Target.parse(target),
            mode=mode,
            by="me",
            tags=tags,
            purge=purge,
        )
    )


def undo(number: int) -> Deed:
    return lambda engine, _: void(engine.undo(number, by="me", comment="oh dear"))


def delete_tag(tag: str) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(ManifestUnknown, RegistryUnknown):
            engine.delete_tag(APP, tag, by="me")

    return deed


def delete_manifest_of(tag: str) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(ManifestUnknown):
            found = engine.get_manifest(Reference(APP, tag))
            engine.delete_manifest(APP, found.digest, by="me")

    return deed


def delete_blob(content: bytes) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(BlobUnknown):
            engine.delete_blob(APP, Digest.of(content), by="me")

    return deed


def delete_repository(name: str) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(RepositoryUnknown):
            engine.delete_repository(RepositoryName.parse(name), by="me")

    return deed


def delete_registry(registry: str) -> Deed:
    def deed(engine: liftlock.Engine, say: Say) -> None:
        with suppress(RegistryUnknown):
            engine.delete_registry(registry, by="me", force=True)

    return deed


def void(_: object) -> None:
    """Drop an answer."""


REGISTRIES = (create("dev"), create("prod"))
PUSHED = (*REGISTRIES, upload(CONFIG), upload(LAYER), push_manifest("1", CONFIG, LAYER))
TO_PROMOTE = (*REGISTRIES, release, other_release)

SCENARIOS = {
    "create": Scenario((), REGISTRIES),
    "push": Scenario(
        REGISTRIES,
        (
            upload(CONFIG),
            upload(LAYER, algorithm="sha512"),
            upload(LAYER),
            push_manifest("1", CONFIG, LAYER),
            push_manifest("1", CONFIG, CONFIG),
        ),
    ),
    "push together": Scenario(REGISTRIES, (upload_together(CONFIG, LAYER),)),
    "push rows": Scenario(
        REGISTRIES,
        (
            upload(CONFIG),
            upload(LAYER, algorithm="sha512"),
            upload_whole(CONFIG, LAYER),
            upload_together(CONFIG, LAYER),
            push_manifest("1", CONFIG, LAYER),
        ),
        ROWS,
    ),
    "mend as a row": Scenario((*PUSHED, damage(LAYER)), (upload_whole(LAYER),), ROWS),
    "push again": Scenario(PUSHED, (upload(LAYER), push_manifest("1", CONFIG, LAYER))),
    "mend": Scenario((*PUSHED, damage(LAYER)), (upload(LAYER),)),
    "promote": Scenario(
        TO_PROMOTE, (promote("dev/app:1", "prod/app:1"), promote("dev/app:1", "prod/new:1"))
    ),
    "move": Scenario(
        TO_PROMOTE,
        (
            promote("dev/app:1", "prod/app:1", Mode.MOVE),
            promote("prod/app:2", "dev/app:2", Mode.MOVE),
        ),
    ),
    "undo": Scenario(
        (
            *TO_PROMOTE,
            promote("dev/app:1", "prod/app:1"),
            promote("prod/app:2", "dev/app:2", Mode.MOVE),
        ),
        (undo(2), undo(1)),
    ),
    "promote in parts": Scenario(
        (*TO_PROMOTE, more_tags),
        (
            promote_some("dev/app", "prod/app", "*"),
            promote_some("dev/app", "prod/app", None),
            promote_some("dev/app", "prod/moved", "*", Mode.MOVE, purge=True),
            undo(2),
        ),
    ),
    "whole repositories": Scenario(
        TO_PROMOTE,
        (
            promote_some("dev/app", "dev/copy", None),
            undo(1),
            promote_some("dev/app", "dev/twin", None),
            promote_some("dev/twin", "prod/renamed", None, Mode.MOVE),
            promote_some("dev/app", "prod", None, Mode.MOVE),
            undo(5),
            undo(4),
            delete_repository("dev/app"),
        ),
    ),
    # Its blobs are there, so that it is one step; `LOOSE` has an import of many.
    "import": Scenario(
        (*REGISTRIES, upload(CONFIG), upload(LAYER)), (import_images(one_image(), "dev/app"),)
    ),
    "delete": Scenario(
        (*PUSHED, push_manifest("2", CONFIG), upload(b"loose")),
        (
            delete_tag("2"),
            delete_blob(b"loose"),
            delete_manifest_of("1"),
            delete_registry("dev"),
        ),
    ),
}
LOOSE = {"large import": Scenario(REGISTRIES, (import_images(large_images(), "prod"),))}
"""What is not of one step: killed, it has left something that the next try makes use of."""
INIT = "init"


# --- what a store says ----------------------------------------------------------------------


def state(engine: liftlock.Engine) -> dict[str, list[tuple[bytes, object]]]:
    """Return every row of the metadata, but for what is random: names of files and sessions."""

    def rows(txn: ReadTxn) -> dict[str, list[tuple[bytes, object]]]:
        return {
            table: [
                (key, _nameless(key, value) if table is Table.BLOBS else value)
                for key, value in txn.scan(table)
            ]
            for table in Table
            if table is not Table.ENDED
        }

    return engine._store.read(rows)


def _nameless(key: bytes, value: bytes) -> BlobRecord:
    return decoded(BlobRecord.decode, Table.BLOBS, key, value)._replace(locator="")


def states_of(engine: liftlock.Engine, deeds: tuple[Deed, ...]) -> Iterator[dict[str, object]]:
    """Do the deeds; yield the state before the first and after each."""
    yield state(engine)
    for deed in deeds:
        deed(engine, void)
        yield state(engine)


def finish(engine: liftlock.Engine, told: list[str]) -> bool:
    """Do what a client does who lost the connection: go on with the uploads it was told of last.

    Return whether there was anything to go on with.
    """
    lines = [line.split() for line in told[_last_done(told) :] if line.startswith("session ")]
    for session, said in {session: said for _, session, *said in lines}.items():
        _go_on(engine, session, *said)
    return bool(lines)


def _go_on(
    engine: liftlock.Engine,
    session: str,
    name_text: str,
    digest_text: str,
    told: str,
    ends: str = "",
) -> None:
    """Bring the rest of an upload; `ends` is not empty if it may have been brought already."""
    name, digest = RepositoryName.parse(name_text), Digest.parse(digest_text)
    content = next(c for c in (CONFIG, LAYER) if Digest.of(c, digest.algorithm) == digest)
    try:
        with engine.hold_upload(name, session) as received:
            assert int(told) <= received.size <= len(content), "acknowledged bytes are lost"
            received.append(content[received.size :])
            received.commit(digest, by="me")
    except UploadUnknown:
        # Over because its blob was committed, and for no other reason.
        assert ends or int(told) == len(content), f"session {session} is lost"
    assert b"".join(engine.read_blob(engine.get_blob(name, digest))) == content


def _last_done(told: list[str]) -> int:
    return max((number for number, line in enumerate(told, 1) if line == "done"), default=0)


# --- the process ----------------------------------------------------------------------------


class Life:
    """Counts the moments of a process, and ends it at one."""

    def __init__(self, say: Say, kill_at: int | None) -> None:
        self._say = say
        self._kill_at = kill_at
        self._moments = 0

    def reach(self, moment: str) -> None:
        self._moments += 1
        if self._kill_at is None:
            self._say(f"moment {moment}")
        elif self._moments == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def is_next_the_last(self) -> bool:
        return self._moments + 1 == self._kill_at


class KillingDisk(FailingDisk):
    """A disk whose every operation is a moment of its process; the last is left half-done."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    def _is_next_to_fail(self, operation: str) -> bool:
        return operation == "write" and self._life.is_next_the_last()

    def _meet(self, operation: str) -> None:
        self._life.reach(f"disk: {operation}")


def live(order: dict[str, object]) -> None:
    """Do as ordered."""
    told = os.open(str(order["told"]), os.O_WRONLY | os.O_APPEND)

    def say(line: str) -> None:
        os.write(told, line.encode() + b"\n")

    kill_at = order.get("kill_at")
    life = Life(say, kill_at if isinstance(kill_at, int) else None)
    disk, root = KillingDisk(life), Path(str(order["store"]))
    if order["scenario"] == INIT:
        liftlock.init(root, disk=disk)
        return
    scenario = (SCENARIOS | LOOSE)[str(order["scenario"])]
    engine = liftlock.open(
        root, clock=FakeClock(SOME_DAY), limits=scenario.limits, disk=disk, reach=life.reach
    )
    for deed in scenario.deeds:
        deed(engine, say)
        say("done")
    engine.close()


def bear(order: dict[str, object], deed: Callable[[dict[str, object]], None]) -> int:
    """Fork a child that does one order; return how it ended."""
    child = os.fork()
    if not child:
        code = 1
        try:
            deed(order)
            code = 0
        except BaseException:  # noqa: BLE001 - a child never returns from here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitpid(child, 0)[1]


def main(deed: Callable[[dict[str, object]], None]) -> None:
    """Bear a child for each line of the input."""
    for line in iter(partial(sys.stdin.readline), ""):
        print(bear(json.loads(line), deed), flush=True)  # noqa: T201 - it is how we answer


if __name__ == "__main__":
    main(live)
