"""A process that promotes thousands of tags at once, killed somewhere in it.

Run as a script as `deeds` is: {"store": …, "told": …, "deed": "copy", "parts": 50, "kill_at": 3},
to be killed at a named point, or with "kill_after": 0.2 in place of the last, after so many
seconds. It tells when it begins and, once the promotion was answered, its number.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import deeds
from load import kill

import liftlock
from liftlock import Mode, Target
from liftlock.model import Promotion
from liftlock.oci.reference import Selection

DEEDS: dict[str, Callable[[liftlock.Engine], Promotion]] = {
    "copy": lambda engine: promote(engine, "*", Mode.COPY),
    "move": lambda engine: promote(engine, "*", Mode.MOVE),
    "merge": lambda engine: promote(engine, None, Mode.COPY),
    "dissolve": lambda engine: promote(engine, None, Mode.MOVE),
    "purge": lambda engine: promote(engine, "*", Mode.MOVE, purge=True),
}


def promote(
    engine: liftlock.Engine, tags: str | None, mode: Mode, *, purge: bool = False
) -> Promotion:
    source, target = Selection.parse("dev/app"), Target("prod")
    return engine.promote(source, target, tags=tags, mode=mode, purge=purge, by="me")


def live(order: dict[str, object]) -> None:
    told = os.open(str(order["told"]), os.O_WRONLY | os.O_APPEND)

    def say(line: str) -> None:
        os.write(told, line.encode() + b"\n")

    kill_at = order.get("kill_at")
    life = deeds.Life(say, kill_at if isinstance(kill_at, int) else None)
    limits = liftlock.Limits(part_pairs_max=int(str(order["parts"])))
    engine = liftlock.open(Path(str(order["store"])), limits=limits, reach=life.reach)
    say("begun")
    if "kill_after" in order:
        # It may hit LMDB in the middle of a part, or of its commit, where no point of ours is.
        threading.Timer(float(str(order["kill_after"])), kill).start()
    say(f"done {DEEDS[str(order['deed'])](engine).id}")
    engine.close()
    if "kill_after" in order:
        kill()  # too late: all is told


if __name__ == "__main__":
    deeds.main(live)
