"""The lines of the README, run as they stand there, in a fresh directory, with a real client."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from contextlib import suppress
from pathlib import Path

import pytest
from shells import APP, ENV, push

import liftlock

ROOT = Path(__file__).parents[2]
TREE = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "engine", "cli")
PORT = "5000"
IN_CI = "LIFTLOCK_REQUIRE_CLIENTS" in os.environ
SECONDS_MAX = 240


def lines_of_the_readme() -> str:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if block.startswith("make demo")]
    assert len(found) == 1, "README.md has one block that begins with `make demo`"
    return found[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the work tree, as a clone would be."""
    folder = tmp_path / "liftlock"
    folder.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    if not IN_CI:
        _borrow_dependencies(folder)
    return folder


def _borrow_dependencies(folder: Path) -> None:
    """Give the copy a `.venv` that has this one's dependencies: no network, and half the time.

    In CI `make` makes it from nothing, as for a newcomer.
    """
    environment = folder / ".venv"
    venv.create(environment, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = (folder / "engine", folder / "cli", sysconfig.get_path("purelib"))
    (environment / "lib" / version / "site-packages" / "borrowed.pth").write_text(
        "".join(f"{place}\n" for place in places)
    )
    script = environment / "bin" / "liftlock"
    script.write_text(f"#!{environment}/bin/python\nfrom liftlock_cli.main import main\n\nmain()\n")
    script.chmod(0o755)
    (environment / ".for-use").touch()


@pytest.fixture
def port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def test_the_python_of_the_readme_promotes(tmp_path: Path):
    text = (ROOT / "README.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    root = tmp_path / "images"
    with liftlock.open(root, create=True) as engine:
        engine.create_registry("dev", by="tests")
        push(engine, "dev/team/app", APP, "1.2")
    assert program.count("/srv/images") == 1
    program = program.replace("/srv/images", str(root))
    subprocess.run([sys.executable, "-W", "error", "-c", program], env=ENV, check=True)
    with liftlock.open(root) as engine:
        (done,) = engine.list_promotions().entries
        assert (done.by, done.comment) == ("release-bot", "Ready for testing")


@pytest.mark.clients
def test_the_lines_of_the_readme_work_as_they_stand(tree: Path, port: str):
    for client in ("skopeo", "curl", "make"):
        if shutil.which(client) is None:
            assert not IN_CI, f"{client} is missing"
            pytest.skip(f"{client} is not on this machine")
    lines = lines_of_the_readme().replace(f":{PORT}", f":{port}")
    after = f"""
curl -fs http://127.0.0.1:{port}/v2/prod/team/app/manifests/1.2 >&2 && exit 91
liftlock show prod/team/app:1.2 && exit 92
liftlock show dev/team/app:1.2
liftlock check
"""
    script = f"set -eux\n{lines}\nset +e\n{after}"
    mine = {"PYTHONPATH", "VIRTUAL_ENV", "VENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    env = {k: v for k, v in os.environ.items() if k not in mine and not k.startswith("LIFTLOCK_")}
    # To files: the server in the background outlives the shell and would keep a pipe open.
    said, told = tree / "said.txt", tree / "told.txt"
    with said.open("w") as stdout, told.open("w") as stderr:
        running = subprocess.Popen(
            ["bash", "-c", script],
            cwd=tree,
            env={**env, "LIFTLOCK_SERVER__PORT": port},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            running.wait(SECONDS_MAX)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    out = said.read_text()
    assert running.returncode == 0, out + told.read_text()
    assert "All of it held." in out
    assert f"http://127.0.0.1:{port}" in out
    assert "promotion 1: dev/team/app:1.2 -> prod/team/app:1.2 sha256:" in out
    assert "Ready for testing" in out
    assert "promotion 2 (undoes 1): prod/team/app:1.2 " in out
    assert "checked: 0 errors" in out
