"""What the tests of the command line have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import liftlock
from liftlock_cli.demo.images import Image

# Tests are no package (importlib mode), so this folder must be named.
sys.path.append(str(Path(__file__).parent))

from shells import APP, OTHER, TOOL, Shell, push


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A store with the registries dev and prod, and images in dev."""
    root = tmp_path / "store"
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="test")
        engine.create_registry("prod", by="test")
        push(engine, "dev/team/app", APP, "1.2", "1.10")
        push(engine, "dev/team/app", OTHER, "1.3", "latest")
        push(engine, "dev/team/tool", TOOL)
    return Shell(root)


@pytest.fixture
def pushed(shell: Shell) -> Callable[[str, Image, str], None]:
    """Push to the store while commands are not running."""

    def push_one(name: str, image: Image, tag: str) -> None:
        with liftlock.open(shell.root) as engine:
            push(engine, name, image, tag)

    return push_one
