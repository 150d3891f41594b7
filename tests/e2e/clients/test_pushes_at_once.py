"""Many clients at once: every push that was answered is whole."""

from __future__ import annotations

import json
import subprocess

import pytest
from layouts import Layout
from programs import CLIENT_SECONDS

pytestmark = [
    pytest.mark.clients,
    pytest.mark.parametrize("server", [1, 3], ids=["1-worker", "3-workers"], indirect=True),
]

CLIENTS = 10


def push_at_once(skopeo, server, pairs):
    """Start a skopeo for each layout and target; all of them must succeed."""
    options = ("--all", "--preserve-digests")
    commands = [
        skopeo.copying(f"oci:{layout}:1", f"docker://{server.name(target)}", *options)
        for layout, target in pairs
    ]
    started = [
        subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for one in commands
    ]
    told = [process.communicate(timeout=CLIENT_SECONDS)[1] for process in started]
    assert [process.returncode for process in started] == [0] * len(pairs), told


def assert_whole(skopeo, server, repository, digest, folder):
    """The image at `digest` can be pulled, all of it."""
    source = f"docker://{server.name(repository)}@{digest}"
    skopeo.copy(source, f"oci:{folder}:1", "--all", "--preserve-digests")
    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest


def test_one_image_onto_ten_tags(skopeo, server, index, tmp_path):
    layout, digest = index
    tags = [f"t{number}" for number in range(CLIENTS)]
    push_at_once(skopeo, server, [(layout.root, f"dev/ten-tags:{tag}") for tag in tags])
    assert server.tags("dev/ten-tags") == tags
    assert {server.digest("dev/ten-tags", tag) for tag in tags} == {digest}
    assert_whole(skopeo, server, "dev/ten-tags", digest, tmp_path / "back")


def test_one_image_onto_one_tag(skopeo, server, index, tmp_path):
    layout, digest = index
    push_at_once(skopeo, server, [(layout.root, "dev/one-tag:1")] * CLIENTS)
    assert server.tags("dev/one-tag") == ["1"]
    assert server.digest("dev/one-tag", "1") == digest
    assert_whole(skopeo, server, "dev/one-tag", digest, tmp_path / "back")


def test_ten_images_onto_one_tag(skopeo, server, tmp_path):
    """One of them is the last; the others stay whole, and can be pulled by digest."""
    digests = {}
    for number in range(CLIENTS):
        layout = Layout(tmp_path / f"image-{number}")
        top = layout.add_index(f"amd64 {number}".encode(), f"arm64 {number}".encode())
        digests[layout.finish(top, "1")] = layout.root
    push_at_once(skopeo, server, [(root, "dev/rivals:1") for root in digests.values()])
    assert server.digest("dev/rivals", "1") in digests
    for digest, root in digests.items():
        assert_whole(skopeo, server, "dev/rivals", digest, root.with_name(f"{root.name}-back"))
