"""What is for people's eyes only: colours, progress, notes; and how it is kept away from others."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from shells import APP, ENV, push

import liftlock

BOLD = "\x1b[1m"
ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store") / "store"
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="tests")
        push(engine, "dev/team/app", APP)
    return root


def line(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(root), *words]


def environment(**more: str) -> dict[str, str]:
    bare = {k: v for k, v in ENV.items() if k not in {"NO_COLOR", "FORCE_COLOR", "TERM"}}
    return bare | {"TERM": "xterm"} | more


def piped(root: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line(root, *words), env=environment(**more), capture_output=True, text=True, check=False
    )


def on_terminal(root: Path, *words: str, **more: str) -> str:
    """What a terminal gets that is both stdout and stderr."""
    own, other = pty.openpty()
    running = subprocess.Popen(
        line(root, *words), env=environment(**more), stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    shown = b""
    try:
        while piece := os.read(own, 65536):
            shown += piece
    except OSError:  # the other side is closed
        pass
    os.close(own)
    assert running.wait(60) == 0, shown
    return shown.decode()


@pytest.mark.parametrize(
    ("words", "more", "is_styled"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": ""}, True),
        ((), {"NO_COLOR": "0"}, False),
        ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_gets_colours_unless_somebody_said_otherwise(root, words, more, is_styled):
    shown = on_terminal(root, *words, "ls", **more)
    assert "dev" in shown
    assert (BOLD in shown) == is_styled
    assert (ESCAPE in shown) == is_styled


@pytest.mark.parametrize(
    ("words", "more", "is_styled"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": ""}, False),
        (("--color", "always"), {}, True),
    ],
)
def test_a_pipe_gets_none_unless_somebody_said_otherwise(root, words, more, is_styled):
    done = piped(root, *words, "ls", **more)
    assert (BOLD in done.stdout) == is_styled
    assert (ESCAPE in done.stdout) == is_styled
    assert done.stderr == ""


def test_json_and_names_are_never_coloured(root):
    for form in ("json", "name"):
        assert ESCAPE not in piped(root, "--color", "always", "ls", "-o", form).stdout


@pytest.mark.parametrize("words", [("check",), ("check", "--content"), ("history", "verify")])
def test_quiet_leaves_only_results(root, words):
    loud = piped(root, *words, "-o", "json")
    assert loud.stderr.startswith("checked: ")
    quiet = piped(root, "-q", *words, "-o", "json")
    assert (quiet.stderr, json.loads(quiet.stdout)) == ("", [])


def test_quiet_leaves_errors(root):
    assert piped(root, "-q", "ls", "none").stderr.startswith("Error: There is no registry 'none'")
