"""The layers that pyproject.toml draws, as a test."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_imports_keep_to_the_layers() -> None:
    pytest.importorskip("importlinter", reason="import-linter belongs to the lint tools")
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    paths = [str(ROOT / "engine"), str(ROOT / "cli")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {script}", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_every_module_of_the_engine_has_a_layer() -> None:
    """Else a new module could import whatever it likes."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {
        name.strip().strip("()").removeprefix("liftlock.")
        for layer in layers
        for name in layer.split("|")
    }
    there = {
        path.stem
        for path in (ROOT / "engine/liftlock").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    free = {"__init__", "testing"}
    """The public names, and the test tools (which a contract of their own keeps out)."""
    assert there - named - free == OUTSIDE


OUTSIDE = {"folder"}
"""Not yet in a layer. Take out what is put in; put in nothing."""
