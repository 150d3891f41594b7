"""The demo's steps: what happens, what must hold after it, and how long it took.

Images are made of files on this machine and pushed over HTTP, as any client would. Promotions are
done through `Engine`, beside the running server. What must hold is judged from outside: by pulling
from the target and comparing bytes, and by looking at the blob files.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Final

import click

import liftlock
from liftlock.errors import LiftlockError
from liftlock.model import HistoryEntry, Mode, Outcome, Severity
from liftlock.oci.reference import Reference
from liftlock_cli.demo.client import Client, UnexpectedAnswer
from liftlock_cli.demo.elf import NotElf
from liftlock_cli.demo.images import Image, app, tool
from liftlock_cli.demo.layout import write_layout
from liftlock_cli.demo.server import HOST, ServerFailed, serving
from liftlock_cli.demo.steps import Demo, DemoFailed, Step, blob_files, require
from liftlock_cli.opening import actor
from liftlock_cli.output import Column, digest_text, instant_text, print_line, print_table

FOLDER: Final = Path(".liftlock/demo")
DEV: Final = "demo-dev"
PROD: Final = "demo-prod"
APP: Final = "team/app"
TOOL: Final = "team/tool"


def main() -> int:
    """Run the demo; return 0 only if all of it held."""
    # So that the server is stopped on the way out of every block.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with _alone(FOLDER):
            _run(FOLDER)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (
        DemoFailed,
        HTTPException,
        LiftlockError,
        NotElf,
        OSError,
        ServerFailed,
        UnexpectedAnswer,
    ) as error:
        click.echo(f"The demo failed ({type(error).__name__}): {error}", err=True)
        return 1
    return 0


def _run(folder: Path) -> None:
    store, pictures = folder / "store", folder / "images"
    app_12, app_13, tool_30 = app("1.2"), app("1.3"), tool("3.0")
    write_layout(pictures / "app", [app_12, app_13])
    write_layout(pictures / "tool", [tool_30])
    shutil.rmtree(store, ignore_errors=True)
    liftlock.init(store)
    with (
        serving(store, folder / "server.log") as port,
        liftlock.open(store) as engine,
        Client(HOST, port) as client,
    ):
        print_line(f"Two registries, {DEV} and {PROD}, in one store: {store}")
        print_line(f"A server on {HOST}:{port}. Images of this machine's files: {pictures}")
        for registry in (DEV, PROD):
            engine.create_registry(registry, by=actor(), comment="Liftlock demo")
        demo = Demo(engine, client, store / "blobs")
        _heading("Promotions")
        _push_and_promote(demo, app_12, app_13, tool_30)
        _undo_one(demo)
        _compare(demo, app_12, app_13, tool_30)
        files = len(blob_files(demo.blobs))
        _push_again(demo, app_12)
        _heading("Steps")
        print_table(_STEPS, demo.steps)
        _heading(f"History of {PROD}/{APP}")
        print_table(_HISTORY, engine.history(Reference.parse(f"{PROD}/{APP}:stable").name).entries)
        _heading("What held")
        _check(demo)
        _sum_up(demo, files)
    print_line("")
    print_line(f"All of it held. Look around: liftlock --root {store} ls {PROD}/{APP}")


def _push_and_promote(demo: Demo, app_12: Image, app_13: Image, tool_30: Image) -> None:
    demo.push(f"{DEV}/{APP}", app_12)
    demo.push(f"{DEV}/{APP}", app_13)
    demo.push(f"{DEV}/{TOOL}", tool_30)

    first = demo.promote(f"{DEV}/{APP}:1.2", PROD)
    require(first.changed and first.id is not None, "the first promotion changed something")
    again = demo.promote(f"{DEV}/{APP}:1.2", PROD)
    require(not again.changed, "the same promotion again changes nothing")

    whole = demo.promote(f"{DEV}/{TOOL}:3.0", PROD)
    index_and_images = {tool_30.top.digest, *(child.digest for child in tool_30.children)}
    referrers = {referrer.digest for referrer in tool_30.referrers}
    require(
        set(whole.manifests) == index_and_images | referrers and set(whole.referrers) == referrers,
        "an index brings its images and its bill of materials along",
    )

    demo.promote(f"{DEV}/{APP}:1.3", PROD, Mode.MOVE)
    tags = [
        tag.name for tag in demo.engine.list_tags(Reference.parse(f"{DEV}/{APP}:1").name).entries
    ]
    require(tags == ["1.2"], "a move takes the tag away from its source")


def _undo_one(demo: Demo) -> None:
    stable = Reference.parse(f"{PROD}/{APP}:stable")
    demo.promote(f"{PROD}/{APP}:1.2", str(stable))
    before = demo.engine.get_manifest(stable).digest
    second = demo.promote(f"{PROD}/{APP}:1.3", str(stable))
    require(second.items[0].action is Outcome.OVERWRITE, "a tag that was there is overwritten")
    require(second.id is not None, "a promotion has a number")
    assert second.id is not None
    undone = demo.undo(second.id)
    require(undone.undoes == second.id, "an undo names what it undoes")
    require(demo.engine.get_manifest(stable).digest == before, "an undo puts the tag back")


def _compare(demo: Demo, *images: Image) -> None:
    """Pull what was promoted, and require the very bytes that were pushed."""
    for image, repository in zip(images, (APP, APP, TOOL), strict=True):
        name = f"{PROD}/{repository}"
        require(demo.pull(name, image) == image, f"{name}:{image.tag} comes back byte for byte")


def _push_again(demo: Demo, image: Image) -> None:
    """Do what a promotion saves: pull the image from one registry, push it to the other."""

    def pull_and_push() -> None:
        demo.client.push(f"{PROD}/pushed-again/app", demo.client.pull(f"{DEV}/{APP}", image))

    what = f"without promotion: pull {DEV}/{APP}:{image.tag}, push it to {PROD}"
    demo.timed(what, f"2 x {image.size:,} bytes", pull_and_push)


def _check(demo: Demo) -> None:
    findings = list(demo.engine.check(content=True))
    broken = [finding for finding in findings if finding.severity is Severity.ERROR]
    for finding in findings:
        print_line(f"  {finding.severity}: {finding.rule}: {finding.subject}: {finding.detail}")
    require(not broken, "the store is whole")
    print_line("  check: every record has its content, every blob has its digest")


def _sum_up(demo: Demo, files: int) -> None:
    promoted = next(step for step in demo.steps if step.what.startswith("promote"))
    pushed = demo.steps[-1]
    print_line("  pulled back: every manifest, config and layer, byte for byte")
    print_line(
        f"  zero-copy: {files} blob files before and after each of {demo.promotions} promotions, "
        "none made, linked or touched"
    )
    print_line(
        f"  time: {_milliseconds(promoted.seconds)} to promote, "
        f"{_milliseconds(pushed.seconds)} to pull the same image and push it again"
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the demo's folder; two demos at once would take each other's store away."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoFailed(f"another demo runs in {folder}; wait for its end") from error
        yield


def _heading(text: str) -> None:
    print_line("")
    print_line(text)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


_STEPS: Final[tuple[Column[Step], ...]] = (
    Column("  STEP", lambda step: f"  {step.what}"),
    Column("TIME", lambda step: _milliseconds(step.seconds), right=True),
    Column("MOVED OR WRITTEN", lambda step: step.moved, right=True),
)
_HISTORY: Final[tuple[Column[HistoryEntry], ...]] = (
    Column("  WHEN", lambda entry: f"  {instant_text(entry.at)}"),
    Column("WHAT", lambda entry: f"{entry.kind}: {entry.action}"),
    Column("TAG", lambda entry: entry.name.rpartition(":")[2]),
    Column("OLD", lambda entry: digest_text(entry.old_digest)[:19]),
    Column("NEW", lambda entry: digest_text(entry.new_digest)[:19]),
    Column("PROMOTION", lambda entry: str(entry.promotion or "-"), right=True),
    Column("COMMENT", lambda entry: entry.comment),
)
