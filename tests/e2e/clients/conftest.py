"""What the tests of real clients have in common: one server a module, and images to push."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests are no package (importlib mode), so this folder must be named.
sys.path.append(str(Path(__file__).parent))

from layouts import Layout, write_context
from programs import Server, Skopeo, serving


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A server with the registries dev and prod; after the module's tests its store is checked.

    It has one worker, unless a module asks for others (`indirect`).
    """
    workers = getattr(request, "param", 1)
    with serving(tmp_path_factory.mktemp("clients"), workers) as running:
        yield running


@pytest.fixture
def skopeo() -> Skopeo:
    return Skopeo()


@pytest.fixture
def image(tmp_path: Path) -> tuple[Layout, str]:
    """A layout with an image of one platform, tagged 1, and its digest."""
    layout = Layout(tmp_path / "image")
    return layout, layout.finish(layout.add_image("amd64", b"hello"), "1")


@pytest.fixture
def index(tmp_path: Path) -> tuple[Layout, str]:
    """A layout with an index of two platforms, tagged 1, and its digest."""
    layout = Layout(tmp_path / "index")
    return layout, layout.finish(layout.add_index(os.urandom(3_000_000), b"arm"), "1")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder to build an image from."""
    return write_context(tmp_path / "context")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: podman's run folder has at most 50 characters, a socket 100."""
    with tempfile.TemporaryDirectory(prefix="ll-") as folder:
        yield Path(folder)
