"""What images weigh, the process that moves them does not: its memory is the same for any layer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from shells import ENV, Shell

import liftlock
from liftlock.oci.digest import Digest
from liftlock.testing.archives import Layout, tar_of

MIB = 1024 * 1024
SMALL, LARGE = 64 * MIB, 5 * 1024 * MIB
GROWTH_MAX = 24 * MIB
"""Less than one hundredth of what passes: buffers, and what the allocator keeps of them."""


def archive_with(path: Path, size: int) -> Path:
    """Write a layout as a tar, with a layer of so many bytes, which no gzip makes fewer."""
    piece = os.urandom(MIB)
    hasher = hashlib.sha256()
    for _ in range(size // MIB):
        hasher.update(piece)
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": f"sha256:{hasher.hexdigest()}",
        "size": size,
    }
    layout = Layout()
    layout.enter(layout.manifest("a", layers=[layer]), "1")
    packed = tar_of(layout.files)
    end = len(packed.rstrip(b"\0"))
    end += -end % tarfile.BLOCKSIZE
    header = tarfile.TarInfo(f"blobs/sha256/{hasher.hexdigest()}")
    header.size = size
    with path.open("wb") as file:
        file.write(packed[:end] + header.tobuf(tarfile.PAX_FORMAT))
        for _ in range(size // MIB):
            file.write(piece)
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return path


def peak_of(shell: Shell, *words: str) -> int:
    """Run a command; return the most anonymous memory that it had, in bytes."""
    line = [sys.executable, "-m", "liftlock_cli", "--root", str(shell.root), *words]
    process = subprocess.Popen(line, env=ENV, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with Path(f"/proc/{process.pid}/status").open() as status:
            lines = dict(line.split(":", 1) for line in status if ":" in line)
        peak = max(peak, int(lines.get("RssAnon", "0 kB").split()[0]) * 1024)
        time.sleep(0.01)
    assert process.returncode == 0
    return peak


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_layers(tmp_path: Path):
    if shutil.disk_usage(tmp_path).free < 6 * LARGE:
        pytest.skip("the disk has no room for several copies of the layer")
    peaks: dict[int, list[int]] = {}
    for size in (SMALL, LARGE):
        with liftlock.open(tmp_path / str(size), create=True) as engine:
            engine.create_registry("dev", by="tests")
        shell = Shell(tmp_path / str(size))
        archive = str(archive_with(tmp_path / "archive.tar", size))
        peaks[size] = [
            peak_of(shell, "import", archive, "--to", "dev/app"),
            peak_of(shell, "export", "dev", str(tmp_path / "out.tar.gz"), "--overwrite"),
            peak_of(shell, "export", "dev", str(tmp_path / str(size) / "layout")),
            peak_of(shell, "import", str(tmp_path / "out.tar.gz"), "--to", "dev/again"),
        ]
        (repository,) = {entry["digest"] for entry in shell.json("ls", "dev/again")}
        assert Digest.parse(repository)
    shown = json.dumps({size: [peak // MIB for peak in all_] for size, all_ in peaks.items()})
    print(f"MiB of anonymous memory: {shown}")  # noqa: T201 - it is what is measured
    for small, large in zip(*peaks.values(), strict=True):
        assert large - small < GROWTH_MAX, shown
