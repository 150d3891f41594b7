"""docs/operations.md: its lines, run as they stand there on a store of our own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import liftlock
from liftlock import Digest, Reference, RepositoryName

sys.path.append(str(Path(__file__).parent / "clients"))

from programs import STOP_SECONDS
from shells import APP, ENV, OTHER, TOOL, push

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
RUN = {"Install": 1, "Watch it": 1, "Back up": 2, "Restore": 1}
"""How many blocks each section has; each is run below."""


def blocks(section: str, language: str = "sh") -> list[str]:
    fence = rf"^```{language}\n(.*?)^```$"
    return re.findall(fence, SECTIONS[section], re.MULTILINE | re.DOTALL)


class Machine:
    """A store, a place for backups, and a shell in which both are where the page has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.backup = folder / "images", folder / "backup"
        self.backup.mkdir()
        self.port = "5000"
        command = folder / "bin" / "liftlock"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m liftlock_cli "$@"\n')
        command.chmod(0o755)

    def run(self, lines: str, *, cwd: Path | None = None) -> str:
        for there, here in (
            ("/srv/images", self.store), ("/backup", self.backup),
            ("/opt/liftlock", self.folder / "opt"), (":5000", f":{self.port}"),
        ):  # fmt: skip
            lines = lines.replace(there, str(here))
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euxc", lines],
            cwd=cwd or self.folder,
            env={**ENV, "PATH": path},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def push(self, name: str, *tags: str) -> None:
        with liftlock.open(self.store) as engine:
            push(engine, name, OTHER if tags == ("later",) else APP, *tags)

    def tags(self, root: Path | None = None) -> list[str]:
        with liftlock.open(root or self.store) as engine:
            page = engine.list_tags(RepositoryName.parse("dev/team/app"))
            return [tag.name for tag in page.entries]

    @contextmanager
    def serving(self, port: str = "0") -> Iterator[str]:
        command = [sys.executable, "-m", "liftlock_cli", "--root", str(self.store), "serve"]
        server = subprocess.Popen(
            [*command, "--port", port], env=ENV, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert server.stdout
            url = server.stdout.readline().strip().rpartition("http")[2]
            yield f"http{url}"
        finally:
            server.terminate()
            server.communicate(timeout=STOP_SECONDS)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    with liftlock.open(made.store, create=True) as engine:
        for registry in ("dev", "prod"):
            engine.create_registry(registry, by="tests")
        push(engine, "dev/team/app", APP, "1.2")
        push(engine, "dev/team/tool", TOOL)
    return made


def test_every_block_is_run() -> None:
    assert {title: len(blocks(title)) for title in SECTIONS if blocks(title)} == RUN


@pytest.mark.skipif(
    "LIFTLOCK_REQUIRE_CLIENTS" not in os.environ, reason="it fetches what the wheel depends on"
)
def test_the_wheel_is_all_there_is_to_install(machine: Machine, tmp_path: Path) -> None:
    tree = tmp_path / "checkout"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("engine", "cli"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (lines,) = blocks("Install")
    where = '/opt/liftlock/bin/python -c "import liftlock; print(liftlock.__file__)"'
    said = machine.run(f"unset PYTHONPATH\n{lines}\n{where}", cwd=tree).splitlines()
    assert said[-2].startswith("liftlock ")
    assert Path(said[-1]).is_relative_to(machine.folder / "opt")


def test_the_unit_is_one_that_systemd_understands(machine: Machine) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not on this machine")
    (unit,) = blocks("Install", "ini")
    file = machine.folder / "liftlock.service"
    command = machine.folder / "bin" / "liftlock"
    unit = unit.replace("/opt/liftlock/bin/liftlock", str(command))
    file.write_text(unit.replace("User=liftlock", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_watched_answers_beside_the_server(machine: Machine) -> None:
    (lines,) = blocks("Watch it")
    with machine.serving() as url:
        machine.port = url.rpartition(":")[2]
        said = machine.run(lines)
    assert said.count("0 errors") == 2


def test_a_stopped_store_is_backed_up_and_restored(machine: Machine) -> None:
    machine.run(blocks("Back up")[0])
    machine.push("dev/team/app", "later")
    for path in (machine.store / "metadata").iterdir():
        path.unlink()
    (lines,) = blocks("Restore")
    assert "0 errors" in machine.run(lines)
    assert machine.tags() == ["1.2"]
    machine.push("dev/team/app", "1.3")
    assert machine.tags() == ["1.2", "1.3"]


def test_a_large_store_is_copied_while_it_is_served(machine: Machine) -> None:
    running, stopped = blocks("Back up")[1].split("# Stop the server here.\n")
    assert "cp" in running
    assert "cp" in stopped
    with machine.serving() as url:
        machine.run(running)
        content = b"pushed while it is copied"
        digest = liftlock.Digest.of(content)
        assert httpx2.post(
            f"{url}/v2/dev/team/app/blobs/uploads/", params={"digest": str(digest)}, content=content
        ).is_success
    assert "0 errors" in machine.run(stopped)
    copied = machine.backup / "later"
    assert machine.tags(copied) == ["1.2"]
    with liftlock.open(copied) as engine:
        assert engine.get_blob(RepositoryName.parse("dev/team/app"), digest).size == len(content)


def test_older_metadata_fit_newer_blobs(machine: Machine) -> None:
    machine.run(blocks("Back up")[0])
    machine.push("dev/team/app", "later")
    shutil.rmtree(machine.store / "metadata")
    shutil.copytree(machine.backup / "images" / "metadata", machine.store / "metadata")
    with liftlock.open(machine.store) as engine:
        found = list(engine.check(content=True))
    assert {(each.severity.value, each.rule) for each in found} <= {("remark", "file-has-record")}
    machine.push("dev/team/app", "later")
    assert machine.tags() == ["1.2", "later"]


def test_a_damaged_blob_is_mended_by_pushing_it_again(machine: Machine) -> None:
    name = RepositoryName.parse("dev/team/app")
    content = b"more than a row has" * 1000
    digest = Digest.of(content)
    with liftlock.open(machine.store) as engine:
        path = engine.blob_path(engine.put_blob(name, digest, content, by="tests"))
    assert path
    Path(path).chmod(0o600)
    os.truncate(path, 1)
    said = machine.run("liftlock --root /srv/images check && exit 1 || test $? = 7")
    assert "record-has-file" in said
    assert str(digest) in said
    with liftlock.open(machine.store) as engine:
        engine.put_blob(name, digest, content, by="tests")
    machine.run("liftlock --root /srv/images check --content")


def test_an_overwritten_tag_goes_back_to_where_the_history_has_it(machine: Machine) -> None:
    with liftlock.open(machine.store) as engine:
        was = engine.get_manifest(Reference.parse("dev/team/app:1.2")).digest
        push(engine, "dev/team/app", OTHER, "1.2")
    said = machine.run("liftlock --root /srv/images history dev/team/app:1.2 -o json")
    assert str(was) in said
    machine.run(f"liftlock --root /srv/images promote dev/team/app@{was} --to dev:1.2")
    with liftlock.open(machine.store) as engine:
        assert engine.get_manifest(Reference.parse("dev/team/app:1.2")).digest == was


def test_another_server_on_the_same_store_takes_over(machine: Machine) -> None:
    """An upgrade without a pause."""
    path = "/v2/dev/team/app/manifests/1.2"
    with machine.serving() as new:
        with machine.serving() as old:
            assert old != new
            assert httpx2.get(old + path).content == httpx2.get(new + path).content
        assert httpx2.get(new + path).is_success
