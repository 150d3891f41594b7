"""Small file systems of their own, that tests can fill up.

They need root and the right to mount; without, their tests are skipped, unless
LIFTLOCK_REQUIRE_CLIENTS is set: then they fail, so that nobody takes a run without them for a run
with them. An ext4 needs a loop device too, which containers mostly lack: those may always skip.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(root: Path, size: int, kind: str = "tmpfs", options: str = "") -> Iterator[None]:
    """Mount a `tmpfs` or an `ext4` of `size` bytes at a folder, for as long as the body runs."""
    if kind == "tmpfs":
        commands = [["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(root)]]
    else:
        image = root.with_name(root.name + ".image")
        with image.open("wb") as file:
            file.truncate(size)
        commands = [
            ["mkfs.ext4", "-q", "-m", "0", "-b", "4096", str(image)],
            ["mount", "-o", f"loop{options}", str(image), str(root)],
        ]
    for command in commands:
        _run_or_skip(command, is_needed=kind == "tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", str(root)], check=True)


def fill(ballast: Path, *, leave: int = 0) -> None:
    """Take all the room there is, but for `leave` bytes; unlink `ballast` to give it back."""
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        # In ever smaller pieces, since the ballast's own records need a block now and then.
        for piece in (65536, 4096, 512, 1):
            with suppress(OSError):
                while (room := _room(ballast) - leave) > 0:
                    os.write(file, bytes(min(room, piece)))
    finally:
        os.close(file)


def _room(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def _run_or_skip(command: Sequence[str], *, is_needed: bool) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"cannot mount a small disk ({getattr(error, 'stderr', '') or error})"
        if is_needed and "LIFTLOCK_REQUIRE_CLIENTS" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
