"""The command line as processes on one store, and images to put into it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import liftlock
import liftlock_cli.main
from liftlock.engine import Engine
from liftlock.oci.reference import Reference, RepositoryName
from liftlock_cli.demo.images import Image, tool

TOOL = tool("3.0")
APP = Image("1.2", TOOL.children[0], (), (), TOOL.blobs[:2])
OTHER = Image("1.3", TOOL.children[1], (), (), TOOL.blobs[2:4])
# Processes run these very sources, whatever is installed.
SOURCES = os.pathsep.join(str(Path(m.__file__).parents[1]) for m in (liftlock, liftlock_cli))
ENV = {**os.environ, "PYTHONPATH": SOURCES}


class Shell:
    """Calls of `liftlock` on one store, each a process."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(self.root)]
        return subprocess.run(
            [*line, *words],
            env=ENV, input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def out(self, *words: str, stdin: str = "") -> str:
        done = self(*words, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self.out(*words, "-o", "json", stdin=stdin))

    def fails(self, code: int, *words: str, stdin: str = "") -> str:
        done = self(*words, stdin=stdin)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        return done.stderr

    def names(self, *words: str) -> list[str]:
        return self.out(*words, "-o", "name").split()

    def tags(self, registry: str) -> dict[str, str]:
        """Where every tag of a registry is."""
        entries = [entry for name in self.names("ls", registry) for entry in self.json("ls", name)]
        return {entry["name"]: entry["digest"] for entry in entries}


def push(engine: Engine, name: str, image: Image, *tags: str) -> None:
    repository = RepositoryName.parse(name)
    for blob in image.blobs:
        session = engine.start_upload(repository, by="test")
        with engine.hold_upload(repository, session) as upload:
            upload.append(blob.body)
            upload.commit(blob.digest, by="test")
    for content in (*image.children, *image.referrers):
        reference = Reference(repository, None, content.digest)
        engine.put_manifest(reference, content.body, media_type=content.media_type, by="test")
    for tag in tags or (image.tag,):
        engine.put_manifest(
            Reference(repository, tag),
            image.top.body,
            media_type=image.top.media_type,
            by="test",
        )


class InProcess:
    """Calls of `liftlock` on one store, within this process."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(liftlock_cli.main.liftlock, ["--root", str(self.root), *words])

    def out(self, *words: str) -> str:
        """What a command that works prints; to stderr it prints nothing."""
        result = self(*words)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.out(*words, "-o", "json"))

    def fails(self, code: int, *words: str) -> str:
        """What a command that fails says; to stdout it prints nothing."""
        result = self(*words)
        assert (result.exit_code, result.stdout) == (code, ""), result.stderr
        return result.stderr
