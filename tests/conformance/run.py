"""Run the distribution specification's own suite against a fresh server, with every option on.

    python tests/conformance/run.py <distribution-spec>/conformance

The suite is a Go program, built here from its source. What a registry need not support, it skips
without failing; so that nothing gets lost unseen, what may be skipped is listed below. What it saw
(report.html has each request and answer) stays in .liftlock/conformance.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / ".liftlock" / "conformance"
PASSED: Final = "passed"

# In two registries: what the suite mounts goes from one to the other.
REPOSITORIES: Final = ("conformance/team/app", "elsewhere/team/app")

OPTIONS: Final = {
    "OCI_VERSION": "dev",  # the default of every option is that of the specification's main branch
    "OCI_DATA_SPARSE": "true",
}
MAY_BE_SKIPPED: Final = {
    "mount anonymous/blob-mount-anonymous": "a digest alone gives nobody another's content",
}

LIFTLOCK: Final = (sys.executable, "-m", "liftlock_cli", "--root")
_LISTENS: Final = re.compile(r"http://(\S+)$")
_STOP_SECONDS_MAX: Final = 30
_RUN_SECONDS_MAX: Final = 600


class Check(NamedTuple):
    name: str
    status: str
    reason: str

    @property
    def is_as_it_should(self) -> bool:
        return self.status == PASSED or (
            self.status == "skipped" and self.name.endswith(tuple(MAY_BE_SKIPPED))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the distribution specification's suite.")
    parser.add_argument("suite", type=Path, help="the folder conformance of distribution-spec")
    suite: Path = parser.parse_args().suite
    if not (suite / "go.mod").is_file():
        parser.error(
            f"{str(suite)!r} is no folder with the suite. Get it with `git clone "
            "https://github.com/opencontainers/distribution-spec`; it is the folder conformance."
        )
    if shutil.which("go") is None:
        parser.error("the suite is built from source: install the Go toolchain (1.24 or newer).")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    program = _build(suite)
    with tempfile.TemporaryDirectory(prefix="liftlock-") as folder:
        store = Path(folder) / "store"
        with _served(store) as address:
            is_content = _run(program, address)
            subprocess.run([*LIFTLOCK, store, "check"], check=True, stdout=sys.stderr)
    sys.exit(_tell(list(_checks()), is_content=is_content))


def _build(suite: Path) -> Path:
    program = RESULTS / "suite"
    subprocess.run(["go", "build", "-o", program, "."], cwd=suite, check=True)
    return program


@contextmanager
def _served(store: Path) -> Iterator[str]:
    """Serve a new store, which has the registries: they allow what the suite tries."""
    subprocess.run([*LIFTLOCK, store, "init"], check=True, stdout=sys.stderr)
    for name in REPOSITORIES:
        registry, _, _ = name.partition("/")
        create = [*LIFTLOCK, store, "registry", "create", registry, "--allow-sparse"]
        subprocess.run(create, check=True, stdout=sys.stderr)
    with (RESULTS / "server.log").open("wb") as log:
        command = [*LIFTLOCK, store, "serve", "--host", "127.0.0.1", "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.stdout is not None, "it is a pipe"
    try:
        listens = _LISTENS.search(server.stdout.readline().strip())
        if listens is None:
            sys.exit(f"The server does not answer: {(RESULTS / 'server.log').read_text()}")
        yield listens[1]
    finally:
        server.terminate()
        server.wait(_STOP_SECONDS_MAX)


def _run(program: Path, address: str) -> bool:
    """Run the suite; tell whether it is content. Where it runs, no configuration of it lies."""
    with (RESULTS / "report.txt").open("wb") as report:
        done = subprocess.run(
            [program],
            cwd=RESULTS,
            env=_environment(address),
            stdout=report,
            timeout=_RUN_SECONDS_MAX,
            check=False,
        )
    return done.returncode == 0


def _environment(address: str) -> Mapping[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    first, second = REPOSITORIES
    return (
        ours
        | OPTIONS
        | {
            "OCI_REGISTRY": address,
            "OCI_TLS": "disabled",
            "OCI_REPO1": first,
            "OCI_REPO2": second,
            "OCI_RESULTS_DIR": str(RESULTS),
            "OCI_LOG": "error",  # what failed is told below, once
        }
    )


def _checks() -> Iterator[Check]:
    for case in ET.parse(RESULTS / "junit.xml").iter("testcase"):
        said = case.findtext("system-out") or case.findtext("system-err") or ""
        yield Check(case.get("name", ""), case.get("status", ""), " ".join(said.split()))


def _tell(checks: list[Check], *, is_content: bool) -> int:
    """Say what came out; return the exit code."""
    off = re.findall(r"^ +(\w+): false$", (RESULTS / "results.yaml").read_text(), re.MULTILINE)
    wrong = [check for check in checks if not check.is_as_it_should]
    for check in wrong:
        print(f"{check.status:8} {check.name}: {check.reason[:300]}")
    for name, reason in MAY_BE_SKIPPED.items():
        skipped = sum(check.name.endswith(name) and check.status != PASSED for check in checks)
        print(f"{skipped} may be skipped: {name} ({reason})")
    if off:
        print(f"These options are off, and should be on: {', '.join(off)}")
    passed = sum(check.status == PASSED for check in checks)
    print(f"{passed} of {len(checks)} checks passed, {len(wrong)} did not as they should.")
    print(f"All that was said: {RESULTS.relative_to(ROOT)}/report.html")
    return int(not is_content or bool(wrong) or bool(off) or not passed)


if __name__ == "__main__":
    main()
