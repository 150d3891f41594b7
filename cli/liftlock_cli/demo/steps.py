"""The demo's kinds of steps: each timed, and each promotion held against the blob files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from liftlock.engine import Engine
from liftlock.model import Mode, Promotion
from liftlock.oci.reference import Reference, Target
from liftlock_cli.demo.client import Client
from liftlock_cli.demo.images import Image
from liftlock_cli.opening import actor
from liftlock_cli.output import print_line
from liftlock_cli.promotionviews import promotion_line

T = TypeVar("T")


class DemoFailed(Exception):
    """Something that the demo promises did not hold."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done."""

    what: str
    seconds: float
    moved: str
    """What went over the wire, or which rows were written."""


@dataclass(slots=True)
class Demo:
    """One run: its parts, and the steps done so far."""

    engine: Engine
    client: Client
    blobs: Path
    """The folder of the store's blob files."""
    steps: list[Step] = field(default_factory=list)
    promotions: int = 0

    def timed(self, what: str, moved: str, act: Callable[[], T]) -> T:
        """Do a step and note how long it took."""
        began = time.perf_counter()
        result = act()
        self.steps.append(Step(what, time.perf_counter() - began, moved))
        return result

    def push(self, name: str, image: Image) -> None:
        """Push over HTTP."""
        what = f"push {name}:{image.tag}"
        self.timed(what, f"{image.size:,} bytes", lambda: self.client.push(name, image))

    def pull(self, name: str, image: Image) -> Image:
        """Pull over HTTP what `image` consists of."""
        what = f"pull {name}:{image.tag}"
        return self.timed(what, f"{image.size:,} bytes", lambda: self.client.pull(name, image))

    def promote(self, source: str, target: str, mode: Mode = Mode.COPY) -> Promotion:
        """Promote, and require that no blob file was made, removed or touched."""
        return self._without_files(
            f"{'move' if mode is Mode.MOVE else 'promote'} {source} -> {target}",
            lambda: self.engine.promote(
                Reference.parse(source),
                Target.parse(target),
                by=actor(),
                mode=mode,
                comment="Liftlock demo",
            ),
        )

    def undo(self, number: int) -> Promotion:
        """Undo a promotion, with the same requirement."""
        return self._without_files(
            f"undo {number}",
            lambda: self.engine.undo(number, by=actor(), comment="Liftlock demo: not yet"),
        )

    def _without_files(self, what: str, act: Callable[[], Promotion]) -> Promotion:
        before = blob_files(self.blobs)
        began = time.perf_counter()
        promotion = act()
        seconds = time.perf_counter() - began
        require(blob_files(self.blobs) == before, f"{what} left the blob files as they were")
        self.promotions += 1
        self.steps.append(Step(what, seconds, f"{promotion.records} records"))
        print_line(f"  {promotion_line(promotion)}")
        return promotion


def blob_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Note of every file below `folder` whatever changes if it is made, linked or touched."""
    found: dict[str, tuple[int, ...]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            found[str(path)] = (
                stat.st_ino,
                stat.st_nlink,
                stat.st_size,
                stat.st_mtime_ns,
                stat.st_ctime_ns,
            )
    return found


def require(held: bool, claim: str) -> None:  # noqa: FBT001 - as `assert` has it
    """Raise DemoFailed unless the claim held."""
    if not held:
        raise DemoFailed(f"It does not hold that {claim}.")
