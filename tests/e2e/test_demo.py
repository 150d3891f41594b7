"""The demo holds what it promises, again and again, and leaves nothing running."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import liftlock
import liftlock_cli

# Processes run these very sources, whatever is installed.
SOURCES = os.pathsep.join(str(Path(m.__file__).parents[1]) for m in (liftlock, liftlock_cli))
DEMO = [sys.executable, "-W", "error", "-m", "liftlock_cli.demo"]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        DEMO,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(running: subprocess.Popen[str], before: str = "") -> tuple[int, str, str]:
    out, err = running.communicate(timeout=120)
    return running.returncode, before + out, err


def is_served(out: str) -> bool:
    """Tell whether anything listens where the demo's server did."""
    listens = re.search(r"127\.0\.0\.1:(\d+)", out)
    assert listens
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(listens[1]))) == 0


def test_the_demo_holds_and_can_be_run_again(tmp_path):
    layouts = []
    for _ in range(2):
        code, out, err = finish(start(tmp_path))
        assert (code, err) == (0, "")
        assert "All of it held." in out
        assert "promotion 1: demo-dev/team/app:1.2 -> demo-prod/team/app:1.2 sha256:" in out
        assert "byte for byte" in out
        assert "zero-copy" in out
        assert not is_served(out)
        pictures = tmp_path / ".liftlock/demo/images"
        layouts.append({path: path.read_bytes() for path in pictures.rglob("*") if path.is_file()})
    assert layouts[0] == layouts[1]
    assert {path.parent.name for path in layouts[0] if path.name == "oci-layout"} == {"app", "tool"}


def test_two_demos_at_once_do_not_meet(tmp_path):
    (tmp_path / ".liftlock/demo").mkdir(parents=True)
    with (tmp_path / ".liftlock/demo/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, out, err = finish(start(tmp_path))
    assert (code, out) == (1, "")
    assert "another demo runs" in err


def test_a_demo_that_cannot_run_says_so(tmp_path):
    (tmp_path / ".liftlock/demo/server.log").mkdir(parents=True)
    code, _, err = finish(start(tmp_path))
    assert code == 1
    assert err.startswith("The demo failed (IsADirectoryError): ")
    assert "Traceback" not in err


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_an_ended_demo_takes_its_server_along(tmp_path, by):
    # On a busy machine a demo may be through before the signal comes: that shows nothing.
    for _ in range(10):
        running = start(tmp_path)
        assert running.stdout
        seen = running.stdout.readline() + running.stdout.readline()
        os.kill(running.pid, by)
        code, out, err = finish(running, seen)
        if code != 0:
            break
    assert (code, err) == (128 + by, "")
    assert "All of it held." not in out
    assert not is_served(out)
