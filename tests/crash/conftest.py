"""What the crash tests share; `deeds` is also the script that their children run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import liftlock

HERE = Path(__file__).parent
sys.path.append(str(HERE))


class Mortals:
    """Makes processes that do a scenario's deeds and are killed at a given moment."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        self.made = 0
        self.mother = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(liftlock.__file__).parents[1])},
        )

    def live(self, store: Path, scenario: str, **order: object) -> list[str]:
        """Let a process do the whole scenario; return what it told."""
        status, told = self.run(store, scenario, **order)
        assert status == 0, told
        return told

    def die(self, store: Path, scenario: str, **order: object) -> list[str]:
        """Let a process be killed in the scenario; return what it told before."""
        status, told = self.run(store, scenario, **order)
        assert status == signal.SIGKILL, (status, told)
        return told

    def run(self, store: Path, scenario: str, **order: object) -> tuple[int, list[str]]:
        self.made += 1
        told = self.folder / f"told{self.made}"
        told.touch()
        order |= {"store": str(store), "told": str(told), "scenario": scenario}
        self.mother.stdin.write(json.dumps(order) + "\n")
        self.mother.stdin.flush()
        return int(self.mother.stdout.readline()), told.read_text().splitlines()

    def close(self) -> None:
        self.mother.communicate(timeout=60)
        assert self.mother.returncode == 0


@pytest.fixture(scope="module")
def mortals(request, tmp_path_factory) -> Iterator[Mortals]:
    """Processes of `deeds.py`, or of the script that a test names as the parameter."""
    mortals = Mortals(tmp_path_factory.mktemp("told"), getattr(request, "param", "deeds.py"))
    yield mortals
    mortals.close()
