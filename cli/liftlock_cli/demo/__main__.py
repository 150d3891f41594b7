"""`python -m liftlock_cli.demo`."""

from __future__ import annotations

import sys

from liftlock_cli.demo.run import main

if __name__ == "__main__":
    sys.exit(main())
