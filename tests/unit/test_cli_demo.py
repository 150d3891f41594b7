"""The demo's images: real, small, and the same each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
from functools import cache, partial
from pathlib import Path

import pytest

from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock_cli.demo import elf, images, layout

app = cache(images.app)
tool = cache(images.tool)
HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())


def test_the_same_files_give_the_same_images():
    assert images.app("1.2") == app("1.2")
    assert images.tool("3.0") == tool("3.0")
    assert app("1.2").top != app("1.3").top


def test_the_tool_is_the_same_on_every_machine():
    """Nothing of it comes from the machine but zlib, so only uncompressed parts are named."""
    program = elf.tiny_program("arm64", "x")
    assert hashlib.sha256(program).hexdigest() == (
        "513b57c7a523703e82431a0aa4fe66c0c636a8ad51efae21213bd162a7cdd8cb"
    )


@pytest.mark.parametrize("make", [partial(app, "1.2"), partial(tool, "3.0")], ids=["app", "tool"])
def test_every_manifest_is_valid_and_names_content_that_is_there(make):
    image = make()
    blobs = {blob.digest: blob for blob in image.blobs}
    children = {child.digest: child for child in image.children}
    for content in (image.top, *image.children, *image.referrers):
        parsed = manifests.parse(content.body, content.media_type, depth_max=16)
        for blob in parsed.blobs:
            assert len(blobs[blob.digest].body) == blob.size
            assert blobs[blob.digest].media_type == blob.media_type
        for child in parsed.children:
            assert len(children[child.digest].body) == child.size
    for referrer in image.referrers:
        parsed = manifests.parse(referrer.body, referrer.media_type, depth_max=16)
        assert parsed.subject
        assert parsed.subject.digest == image.top.digest
        assert parsed.artifact_type == images.SBOM


@pytest.mark.parametrize("make", [partial(app, "1.2"), partial(tool, "3.0")], ids=["app", "tool"])
def test_diff_ids_are_those_of_the_unpacked_layers(make):
    image = make()
    blobs = {blob.digest: blob for blob in image.blobs}
    for content in (image.top, *image.children):
        document = json.loads(content.body)
        if "layers" not in document:
            continue
        config = json.loads(blobs[Digest.parse(document["config"]["digest"])].body)
        assert config["rootfs"]["diff_ids"] == [
            str(Digest.of(gzip.decompress(blobs[Digest.parse(layer["digest"])].body)))
            for layer in document["layers"]
        ]


def test_nothing_in_a_layer_tells_when_or_by_whom_it_was_made():
    for blob in app("1.2").blobs:
        if blob.media_type == images.LAYER:
            assert blob.body[4:8] == bytes(4)
            with tarfile.open(fileobj=io.BytesIO(blob.body)) as tar:
                for entry in tar:
                    assert (entry.mtime, entry.uid, entry.gid, entry.uname) == (0, 0, 0, "")


def test_images_are_small():
    assert app("1.2").size < 8 * 1024 * 1024
    assert tool("3.0").size < 16 * 1024


def test_the_app_runs_from_what_is_in_its_layers(tmp_path: Path):
    """With the loader's own cache off, libraries can come only from the image."""
    image = app("1.2")
    for blob in image.blobs:
        if blob.media_type == images.LAYER:
            with tarfile.open(fileobj=io.BytesIO(blob.body)) as tar:
                tar.extractall(tmp_path, filter="data")
    program = elf.read_object(images.SHELL)
    shell, script = tmp_path / "bin/sh", tmp_path / "app/hello.sh"
    if program.interpreter is None:
        command = [shell, script]
    else:
        loader = tmp_path / program.interpreter.lstrip("/")
        if "ld-linux" not in loader.name:
            pytest.skip("only glibc's loader can be told to leave its cache alone")
        folders = {str(path.parent) for path in tmp_path.rglob("*.so*")}
        command = [loader, "--inhibit-cache", "--library-path", ":".join(folders), shell, script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "Hello from app 1.2: promoted, and not a byte was moved.\n"


@pytest.mark.skipif(HOST is None, reason="there is no tiny program for this machine")
def test_the_tiny_program_prints_and_ends_well(tmp_path: Path):
    assert HOST
    program = tmp_path / "tool"
    program.write_bytes(elf.tiny_program(HOST, "Hello.\n"))
    program.chmod(0o755)
    done = subprocess.run([program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello.\n", b"")


def test_a_script_is_no_program(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" + "#" * 100)
    with pytest.raises(elf.NotElf):
        elf.loaded_files(script)


def test_a_static_program_loads_nothing(tmp_path: Path):
    program = tmp_path / "tool"
    program.write_bytes(elf.tiny_program("arm64", "x"))
    assert elf.loaded_files(program) == ()


def test_a_layout_holds_exactly_its_images(tmp_path: Path):
    folder = tmp_path / "app"
    layout.write_layout(folder, [app("1.2"), app("1.3")])
    layout.write_layout(folder, [tool("3.0")])
    image = tool("3.0")
    index = json.loads((folder / "index.json").read_text())
    named = [entry for entry in index["manifests"] if "annotations" in entry]
    assert [entry["digest"] for entry in named] == [str(image.top.digest)]
    assert named[0]["annotations"] == {"org.opencontainers.image.ref.name": "3.0"}
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    contents = (image.top, *image.children, *image.referrers, *image.blobs)
    files = {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}
    assert files == {content.digest.hex: content.body for content in contents}
