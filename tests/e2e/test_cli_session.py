"""The reference's session, run as it is printed there: every command, once at least."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from shells import APP, ENV, TOOL, push

import liftlock
from liftlock_cli.main import liftlock as command

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"
PUSH = re.compile(r"^# push .*$", re.MULTILINE)


def session() -> str:
    """The lines below the heading."""
    section = REFERENCE.read_text().partition("\n## Every command, once\n")[2]
    return section.partition("```sh\n")[2].partition("```\n")[0]


def commands(of: click.Command, path: str) -> Iterator[str]:
    if not isinstance(of, click.Group):
        yield path
        return
    for name, below in of.commands.items():
        yield from commands(below, f"{path} {name}")


def test_every_command_is_in_it():
    lines = re.findall(r"^(?:\w+=\"?\$\()?(liftlock .*)$", session(), re.MULTILINE)
    missing = [
        path
        for path in commands(command, "liftlock")
        if not any(re.match(re.escape(path) + r"(?:\s|$)", line) for line in lines)
    ]
    assert missing == [], "each command has an example in docs/cli.md"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "liftlock"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -W error -m liftlock_cli "$@"\n')
    program.chmod(0o755)
    bare = {name: value for name, value in ENV.items() if not name.startswith("LIFTLOCK_")}
    return bare | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def test_it_runs_as_it_is_printed(tmp_path, environment):
    before, after = PUSH.split(session())
    folder = tmp_path / "here"
    folder.mkdir()

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(before)
    with liftlock.open(folder / ".liftlock/store") as engine:
        push(engine, "dev/team/app", APP)
        push(engine, "dev/team/tool", TOOL)
    said = run(after)
    for expected in (
        f"promotion 1: dev/team/app:1.2 -> prod/team/app:1.2 {APP.top.digest}",
        "Ready for testing",
        "promotion 3 (undoes 1)",
        f"deleted dev/team/app:1.2, which was at {APP.top.digest}",
        "checked: 0 errors",
        "liftlock serves ",
    ):
        assert expected in said
