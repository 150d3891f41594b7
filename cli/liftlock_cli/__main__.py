"""`python -m liftlock_cli` is `liftlock`."""

from __future__ import annotations

from liftlock_cli.main import main

if __name__ == "__main__":
    main()
