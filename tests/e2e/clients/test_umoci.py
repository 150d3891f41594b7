"""umoci: an image is pulled, unpacked, changed, packed again and pushed back."""

from __future__ import annotations

import os

import pytest
from programs import require, run

pytestmark = pytest.mark.clients


def test_a_repacked_image_goes_back_with_one_layer_more(skopeo, server, image, tmp_path):
    layout, _ = image
    repository = "dev/repacked"
    name = server.name(repository)
    skopeo.push(f"{layout.root}:1", f"{name}:1")
    work = tmp_path / "work"
    skopeo.copy(f"docker://{name}:1", f"oci:{work}:1")
    umoci(work, "unpack", "1", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / "file").read_bytes() == b"hello"
    (root / "added").write_text("water level")
    umoci(work, "repack", "2", tmp_path / "bundle")
    run(require("umoci"), "config", "--image", f"{work}:2", "--config.label=lock=7")
    skopeo.copy(f"oci:{work}:2", f"docker://{name}:2")

    before, after = (server.manifest(repository, tag) for tag in ("1", "2"))
    assert after["layers"][0] == before["layers"][0]
    assert len(after["layers"]) == 2
    assert server.config(repository, "2")["config"]["Labels"] == {"lock": "7"}
    again = tmp_path / "again"
    skopeo.copy(f"docker://{name}:2", f"oci:{again}:2")
    umoci(again, "unpack", "2", tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "rootfs" / "added").read_text() == "water level"


def umoci(layout, verb, tag, bundle):
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    known = rootless if verb == "unpack" else []
    run(require("umoci"), verb, *known, "--image", f"{layout}:{tag}", bundle)
