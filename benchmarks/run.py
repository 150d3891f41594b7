"""Run every benchmark in turn; each prints its table and leaves its numbers as JSON."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = ("promotions.py",)


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}")
    for name in BENCHMARKS:
        print(f"\n{name}", flush=True)
        subprocess.run([sys.executable, HERE / name], check=True)


if __name__ == "__main__":
    main()
