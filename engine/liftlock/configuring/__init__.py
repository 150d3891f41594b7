"""Configuration from a file, the environment and flags: read, judged, and traced to its source.

What can be configured is declared as frozen dataclasses, a section each; whoever reads brings them.
This package knows none of them. It reads no environment by itself either: it is given one.
"""

from __future__ import annotations

from liftlock.configuring.declaration import Declaration, Key, Section
from liftlock.configuring.example import example
from liftlock.configuring.faults import ConfigurationInvalid, Fault
from liftlock.configuring.reading import Reading, Setting, read
from liftlock.configuring.sources import Flags, Origin, Source
from liftlock.configuring.strays import Stray

__all__ = [
    "ConfigurationInvalid",
    "Declaration",
    "Fault",
    "Flags",
    "Key",
    "Origin",
    "Reading",
    "Section",
    "Setting",
    "Source",
    "Stray",
    "example",
    "read",
]
