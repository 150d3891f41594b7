"""The load generator in C (`load/load.c`): compiled when it is needed, fed with files of units.

A unit is what a client does in one go: requests that depend on each other, each with the status
that it must be answered with. A run in which any request was answered otherwise raises.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import contestants

_SOURCES: Final = Path(__file__).parent / "load"
_COMPILE: Final = ("gcc", "-O2", "-Wall", "-Wextra", "-std=gnu11", "-D_GNU_SOURCE")
_STOP_SECONDS_MAX: Final = 10
_GRACE_SECONDS: Final = 30
FIXED_SECONDS_MAX: Final = 120
LOCATION: Final = "\x01"
"""In a target: the Location of the unit's last answer."""
JOINT: Final = "\x02"
"""After `LOCATION`: what joins another parameter to it."""


@dataclass(frozen=True)
class Request:
    """A request, and the status of the answer that lets the unit go on."""

    method: str
    target: str
    expected: int
    body: bytes = b""
    content_type: str = ""
    accept: str = ""

    def encode(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: 127.0.0.1"]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        if self.accept:
            lines.append(f"Accept: {self.accept}")
        if self.method not in {"GET", "HEAD"}:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Unit = Sequence[Request]
Result = dict[str, Any]  # Any: JSON, as load.c prints it


class LoadFailed(Exception):
    """Something was answered otherwise than a unit needs."""


class LoadGenerator:
    """The compiled programs, and the folder of their files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("load", "fixed"):
            compiled(folder, name)

    def write(self, name: str, units: Iterable[Unit]) -> Path:
        """Write a file of units."""
        path = self._folder / f"{name}.units"
        with path.open("wb") as file:
            for unit in units:
                file.write(b"unit\n")
                for request in unit:
                    encoded = request.encode()
                    file.write(b"request %d %d\n" % (request.expected, len(encoded)))
                    file.write(encoded + b"\n")
        return path

    def once(self, port: int, connections: int, path: Path) -> Result:
        """Send every unit once."""
        command = self._command(port, connections, path, "once", contestants.RUN_SECONDS_MAX)
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=contestants.RUN_SECONDS_MAX + _GRACE_SECONDS,
        )
        return _result(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def looping(self, port: int, connections: int, path: Path) -> Iterator[Result]:
        """Send the units again and again while the context lasts; the result is there after it."""
        command = self._command(port, connections, path, "loop", contestants.RUN_SECONDS_MAX)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        result: Result = {}
        try:
            yield result
            if process.poll() is not None:
                raise LoadFailed("the load ended before what it was to be a load for")
        finally:
            process.terminate()
            out, complaint = process.communicate(timeout=_STOP_SECONDS_MAX)
        result.update(_result(process.returncode, out, complaint))

    @contextmanager
    def fixed_server(self) -> Iterator[int]:
        """Run the server that answers everything at once; yield its port."""
        process = subprocess.Popen(
            [str(self._folder / "fixed"), str(FIXED_SECONDS_MAX)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()

    def _command(self, port: int, connections: int, path: Path, how: str, most: int) -> list[str]:
        program = str(self._folder / "load")
        return [program, str(port), str(connections), str(path), how, str(most)]


def compiled(folder: Path, name: str, *libraries: str) -> Path:
    """Compile one of the programs into `folder`; return where it is."""
    program = folder / name
    source = _SOURCES / f"{name}.c"
    subprocess.run([*_COMPILE, "-o", str(program), str(source), *libraries], check=True)
    return program


def rate(result: Result) -> float:
    """Return completed units a second."""
    return float(result["completed"] / result["seconds"])


def _result(code: int, out: str, complaint: str) -> Result:
    if code:
        raise LoadFailed(complaint.strip())
    result: Result = json.loads(out)
    if result["failed"] or not result["completed"]:
        raise LoadFailed(f"{result['failed']} units failed, first: {result['first_failure']}")
    if result["reconnects"]:
        print(f"    {result['reconnects']} connections were closed and made anew", file=sys.stderr)
    return result
