"""curl: a download that broke off goes on where it was."""

from __future__ import annotations

import subprocess

import pytest
from programs import CLIENT_SECONDS, require, run

pytestmark = pytest.mark.clients

HALF = 1_500_000


@pytest.fixture
def blob(server, skopeo, index):
    """The address and the content of the largest blob of an image."""
    layout, _ = index
    skopeo.push(f"{layout.root}:1", server.name("dev/broken-off:1"))
    hexadecimal, content = max(layout.contents().items(), key=lambda pair: len(pair[1]))
    return f"http://{server.host}/v2/dev/broken-off/blobs/sha256:{hexadecimal}", content


def test_a_broken_download_goes_on(server, blob, tmp_path):
    """The first reader goes away in the middle; the second asks for the rest only."""
    address, content = blob
    curl, file = require("curl"), tmp_path / "blob"
    broken = subprocess.run(
        ["sh", "-c", f'"{curl}" -sS "$0" 2>"$1.err" | head -c {HALF} >"$1"', address, file],
        timeout=CLIENT_SECONDS,
        check=True,
    )
    assert broken.returncode == 0
    assert file.read_bytes() == content[:HALF]
    count = ("--write-out", "%{http_code} %{size_download}")
    told = run(curl, "-fsS", "--continue-at", "-", "--output", file, *count, address)
    assert told == f"206 {len(content) - HALF}"
    assert file.read_bytes() == content


def test_a_finished_download_is_left_as_it_is(server, blob, tmp_path):
    """Nothing is left to send, which is 416; curl knows from its size that it has all."""
    address, content = blob
    file = tmp_path / "blob"
    file.write_bytes(content)
    count = ("--write-out", "%{http_code}")
    told = run(require("curl"), "-sS", "--continue-at", "-", "--output", file, *count, address)
    assert told == "416"
    assert file.read_bytes() == content


def test_a_part_in_the_middle_is_fetched(server, blob, tmp_path):
    address, content = blob
    file = tmp_path / "part"
    run(require("curl"), "-fsS", "--range", "1000-1999", "--output", file, address)
    assert file.read_bytes() == content[1000:2000]
