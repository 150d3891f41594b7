"""docs/embedding.md: its registry with a real client, and every other block in order."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

sys.path.append(str(Path(__file__).parent / "clients"))

from layouts import Layout, digest_of
from programs import STOP_SECONDS, Skopeo
from shells import ENV

import liftlock
from liftlock import Digest, Reference, RepositoryName, Selection, Target

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PROGRAM, *EXAMPLES = BLOCKS
LINES_MAX = 85


@dataclass(frozen=True)
class Running:
    root: Path
    url: str

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Running]:
    """The page's program, as it stands there, with the registries dev and prod."""
    root, program = tmp_path / "images", tmp_path / "registry.py"
    program.write_text(PROGRAM)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(program), str(root), "0"],
            env=ENV, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url, (tmp_path / "log").read_text()
        with liftlock.open(root) as engine:
            for name in ("dev", "prod"):
                engine.create_registry(name, by="tests")
        yield Running(root, url)
    finally:
        process.terminate()  # which it does not expect: nothing may be lost by it
        process.communicate(timeout=STOP_SECONDS)
    assert "Traceback" not in (tmp_path / "log").read_text()
    with liftlock.open(root) as engine:
        assert list(engine.check(content=True)) == []


def test_the_program_is_short() -> None:
    assert sum(bool(line.strip()) for line in PROGRAM.splitlines()) <= LINES_MAX


@pytest.mark.clients
@pytest.mark.parametrize("platforms", [1, 2])
def test_skopeo_pushes_to_it_and_pulls_what_was_promoted(
    registry: Running, tmp_path: Path, platforms: int
) -> None:
    skopeo, pushed = Skopeo(), Layout(tmp_path / "pushed")
    top = pushed.add_image("amd64", b"hello") if platforms == 1 else pushed.add_index(b"a", b"b")
    digest = pushed.finish(top, "1")
    skopeo.push(f"{pushed.root}:1", f"{registry.host}/dev/app:1")
    with liftlock.open(registry.root) as engine:
        engine.promote(Selection.parse("dev/app:1"), Target.parse("prod/apps/app:9"), by="tests")
    pulled = tmp_path / "pulled"
    skopeo.copy(f"docker://{registry.host}/prod/apps/app:9", f"oci:{pulled}:1", "--all")
    assert (
        Layout.contents(pushed).items()
        <= {path.name: path.read_bytes() for path in (pulled / "blobs/sha256").iterdir()}.items()
    )
    assert httpx2.get(f"{registry.url}/v2/prod/apps/app/tags/list").json() == {
        "name": "prod/apps/app",
        "tags": ["9"],
    }
    with liftlock.open(registry.root) as engine:
        assert str(engine.get_manifest(Reference.parse("prod/apps/app:9")).digest) == digest


@pytest.mark.parametrize("form", ["plain", "chunked"])
def test_bodies_of_either_form_are_taken(registry: Running, form: str) -> None:
    content = bytes(range(256)) * 10_000
    digest = digest_of(content)
    pieces = [content[:70_000], content[70_000:70_001], content[70_001:]]
    with httpx2.Client(base_url=registry.url) as client:
        begun = client.post("/v2/dev/app/blobs/uploads/")
        body = iter(pieces) if form == "chunked" else content
        assert client.patch(begun.headers["Location"], content=body).status_code == 202
        put = client.put(begun.headers["Location"], params={"digest": digest})
        assert (put.status_code, put.headers["Location"]) == (201, f"/v2/dev/app/blobs/{digest}")
        there = client.get(put.headers["Location"])
        assert there.content == content
        head = client.head(put.headers["Location"])
        assert (head.headers["Content-Length"], head.content) == (str(len(content)), b"")
        # A blob's bytes with the request that ends the upload, as oras and helm send them.
        begun = client.post("/v2/prod/app/blobs/uploads/")
        body = iter(pieces) if form == "chunked" else content
        put = client.put(begun.headers["Location"], params={"digest": digest}, content=body)
        assert put.status_code == 201
    with liftlock.open(registry.root) as engine:
        name = RepositoryName.parse("prod/app")
        assert engine.get_blob(name, Digest.parse(digest)).size == len(content)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "nowhere/app/tags/list", 404, "NAME_UNKNOWN"),
        ("HEAD", "dev/app/manifests/1", 404, None),
        ("PUT", "dev/app/manifests/1", 400, "MANIFEST_INVALID"),
        ("POST", "nowhere/app/blobs/uploads/", 404, "NAME_UNKNOWN"),
        ("PUT", "dev/app/blobs/uploads/123", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", "dev/app/manifests/1", 405, None),
    ],
)
def test_refusals_have_the_specification_s_form(
    registry: Running, method: str, path: str, status: int, code: str | None
) -> None:
    answer = httpx2.request(method, f"{registry.url}/v2/{path}")
    assert answer.status_code == status
    if code is not None:
        (error,) = answer.json()["errors"]
        assert error["code"] == code
        assert error["message"]


def test_every_other_block_runs(tmp_path: Path) -> None:
    """In one program, in order, as a reader would type them."""
    assert len(EXAMPLES) >= 10
    program = tmp_path / "examples.py"
    program.write_text("\n".join(EXAMPLES))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "There is no registry 'dev'" in done.stdout


def test_an_engine_belongs_to_the_process_that_opened_it(tmp_path: Path) -> None:
    program = """
import os, sys, liftlock
with liftlock.open(sys.argv[1], create=True) as engine:
    try:
        liftlock.open(sys.argv[1])
    except liftlock.errors.StoreBusy:
        print("open already", flush=True)
    if os.fork() == 0:
        try:
            engine.create_registry("dev", by="child")
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
    engine.create_registry("dev", by="parent")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store")],
        env=ENV, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "open already"
    assert "opened before a fork" in done.stdout


@pytest.mark.parametrize("way", ["open", "in_memory"])
def test_put_blob_leaves_nothing_behind_when_it_fails(tmp_path: Path, way: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"the beginning"
        raise OSError("the line broke")

    name, digest = RepositoryName.parse("dev/app"), Digest.of(b"all")
    root = tmp_path / "store"
    with liftlock.open(root, create=True) if way == "open" else liftlock.in_memory() as engine:
        engine.create_registry("dev", by="tests")
        with pytest.raises(OSError, match="the line broke"):
            engine.put_blob(name, digest, broken(), by="tests")
        with pytest.raises(liftlock.errors.DigestInvalid):
            engine.put_blob(name, digest, b"other", by="tests")
        assert way == "in_memory" or list((root / "uploads").iterdir()) == []
        assert list(engine.check(content=True)) == []
        blob = engine.put_blob(name, digest, [b"a", b"ll"], by="tests")
        assert b"".join(engine.read_blob(blob)) == b"all"
