"""Several teams that work on one store at once, in a process that is killed meanwhile.

Run as a script as `deeds` is: {"store": …, "told": …, "seed": 1, "kill_at": 200}, to be killed at
a named point, or with "kill_after": 0.2 in place of the last, after so many seconds.

Each team has two repositories of its own, so that it knows what its tags must be; before it does
something it tells what they will be after it, and then that it is done. All of them promote to
one tag, too.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from random import Random

import deeds

import liftlock
from liftlock import Digest, Mode, Reference, RepositoryName, Target
from liftlock.testing import images

TEAMS = 4
TAGS = ("a", "b", "c")
SHARED = Reference(RepositoryName("prod", "shared"), "latest")
Tags = dict[str, str]
"""`registry/repository:tag` and its digest."""


def repositories(team: int) -> tuple[RepositoryName, RepositoryName]:
    return RepositoryName("dev", f"team{team}"), RepositoryName("prod", f"team{team}")


def tags_of(engine: liftlock.Engine, team: int) -> Tags:
    """Return what the tags of a team are in the store."""
    tags: Tags = {}
    for name in repositories(team):
        try:
            page = engine.list_tags(name)
        except liftlock.errors.RepositoryUnknown:
            continue
        tags |= {f"{name}:{tag.name}": str(tag.digest) for tag in page.entries}
    return tags


class Team:
    """One thread's work, and what it makes of the tags."""

    def __init__(self, engine: liftlock.Engine, number: int, say: deeds.Say, random: Random):
        self.engine = engine
        self.number = number
        self.say = say
        self.random = random
        self.dev, self.prod = repositories(number)
        self.tags = tags_of(engine, number)
        self.undoable: tuple[int, Tags] | None = None
        self.tell(after=self.tags)
        self.tell(done=0)

    def tell(self, **what: object) -> None:
        self.say(json.dumps({"team": self.number, **what}))

    def work(self) -> None:
        deeds_ = (self.push, self.push, self.promote, self.move, self.undo, self.delete, self.share)
        while True:
            self.random.choice(deeds_)()

    def push(self) -> None:
        layer = self.random.randbytes(200)
        for content in (deeds.CONFIG, layer):
            images.upload(self.engine, self.dev, content)
        descriptors = [
            {"mediaType": kind, "digest": str(Digest.of(content)), "size": len(content)}
            for kind, content in ((images.CONFIG, deeds.CONFIG), (images.LAYER, layer))
        ]
        document = {"schemaVersion": 2, "config": descriptors[0], "layers": descriptors[1:]}
        body, tag = json.dumps(document).encode(), self.random.choice(TAGS)
        self.intend(self.tags | {f"{self.dev}:{tag}": str(Digest.of(body))})
        images.push(self.engine, self.dev, tag, body)
        self.done()

    def promote(self, mode: Mode = Mode.COPY) -> None:
        if not (mine := [name for name in self.tags if name.startswith("dev/")]):
            return
        source = self.random.choice(mine)
        tag, before = source.rpartition(":")[2], self.tags
        after = before | {f"{self.prod}:{tag}": before[source]}
        if mode is Mode.MOVE:
            del after[source]
        self.intend(after)
        promotion = self.engine.promote(
            Reference.parse(source), Target("prod"), mode=mode, by=f"team{self.number}"
        )
        self.done(promotion.id or 0)
        if promotion.changed and promotion.id:
            self.undoable = promotion.id, before

    def move(self) -> None:
        self.promote(Mode.MOVE)

    def undo(self) -> None:
        if self.undoable is not None:
            number, before = self.undoable
            self.intend(before)
            self.done(self.engine.undo(number, by=f"team{self.number}").id or 0)

    def delete(self) -> None:
        if self.tags:
            gone = self.random.choice(sorted(self.tags))
            self.intend({name: digest for name, digest in self.tags.items() if name != gone})
            reference = Reference.parse(gone)
            self.engine.delete_tag(reference.name, reference.tag, by=f"team{self.number}")
            self.done()

    def share(self) -> None:
        """Promote to the tag that all teams promote to."""
        mine = [name for name in self.tags if name.startswith("dev/")]
        if mine:
            source = Reference.parse(self.random.choice(mine))
            target = Target("prod", SHARED.name.repository, SHARED.tag)
            self.intend(self.tags, keep=True)
            done = self.engine.promote(source, target, by=f"team{self.number}")
            self.done(done.id or 0)

    def intend(self, after: Tags, *, keep: bool = False) -> None:
        self.tags = after
        if not keep:
            self.undoable = None
        self.tell(after=after)

    def done(self, promotion: int = 0) -> None:
        self.tell(done=promotion)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(order: dict[str, object]) -> None:
    """Let all teams work until the process is killed."""
    told = os.open(str(order["told"]), os.O_WRONLY | os.O_APPEND)
    count, kill_at, lock = 0, order.get("kill_at"), threading.Lock()

    def reach(point: str) -> None:
        nonlocal count
        with lock:
            count += 1
            if count == kill_at:
                kill()

    def say(line: str) -> None:
        os.write(told, line.encode() + b"\n")

    random = Random(str(order["seed"]))
    engine = liftlock.open(Path(str(order["store"])), reach=reach)
    teams = [Team(engine, n, say, Random(random.random())) for n in range(TEAMS)]
    threads = [threading.Thread(target=team.work) for team in teams]
    for thread in threads:
        thread.start()
    if "kill_after" in order:
        # It may hit LMDB in the middle of a commit, where there is no point of ours.
        threading.Timer(float(str(order["kill_after"])), kill).start()
    for thread in threads:
        thread.join()
    raise AssertionError("nobody killed us")


if __name__ == "__main__":
    deeds.main(live)
