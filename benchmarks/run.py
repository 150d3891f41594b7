"""Run the benchmarks, all or those named; each prints its table and leaves JSON and a picture.

python benchmarks/run.py                    all of them
python benchmarks/run.py over_http          one
python benchmarks/run.py --small            a trial: small sizes, numbers that mean nothing
python benchmarks/run.py --report           write the last results into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

import bars
import machine
import report
from outcome import RESULTS

BENCHMARKS: Final = (
    "promotions",
    "over_http",
    "whole_repositories",
    "store_size",
    "beside_reads",
    "dry_run",
    "serving",
    "serving_memory",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--small", action="store_true", help="small sizes, to try the programs")
    parser.add_argument("--report", action="store_true", help="write results into the docs")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if chosen.report:
        report.write(BENCHMARKS)
        return
    failed = [name for name in chosen.names or BENCHMARKS if not _run(name, small=chosen.small)]
    if failed:
        sys.exit(f"these did not come to an end: {', '.join(failed)}")


def _run(name: str, *, small: bool) -> bool:
    """Run one benchmark; if it fails, say why, and let the others have their turn."""
    print(f"\n{name}", flush=True)
    started = time.monotonic()
    RESULTS.mkdir(exist_ok=True)
    # Beside the results, since a temporary folder may be in memory, where a flush costs nothing.
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="run-") as folder:
        _keep_apart(folder)
        described = machine.describe(Path(folder))
        try:
            module = importlib.import_module(name)
            outcome = module.measure(Path(folder), module.SMALL if small else module.FULL)
        except (Exception, SystemExit):  # noqa: BLE001 - told, and counted as failed
            traceback.print_exc()
            return False
    outcome.machine, outcome.is_small = described, small
    outcome.print()
    outcome.save()
    (RESULTS / f"{name}.svg").write_text(bars.draw(outcome))
    print(f"  took {time.monotonic() - started:.0f} s", flush=True)
    return True


def _keep_apart(folder: str) -> None:
    """Have ext4 put the folders in `folder` far from each other; elsewhere, do nothing.

    Without a journal, ext4 passes over each file that was removed in the last minute when it makes
    one in the same part of the disk: what one contestant removes would slow down the others.
    """
    with suppress(FileNotFoundError):
        subprocess.run(["chattr", "+T", folder], capture_output=True, check=False)


if __name__ == "__main__":
    main()
