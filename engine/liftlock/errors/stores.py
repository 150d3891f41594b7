"""The store cannot do it now, or does not give back what was put in."""

from __future__ import annotations

from liftlock.errors.base import LiftlockError


class Unavailable(LiftlockError):
    """The store cannot do it now; the same request may work later."""


class StoreBusy(Unavailable):
    """The store cannot be used from here right now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The store cannot be used right now: {reason}.")
        self.reason = reason


class OutcomeUnknown(Unavailable):
    """A promotion may be done or not: the process that was to do it is gone, and did not say."""

    def __init__(self) -> None:
        super().__init__(
            "It may be done or not: the process that promotes was lost before it said so. The "
            "history of the target tells."
        )


class StoreFull(Unavailable):
    """There is no room; nothing of the request was kept."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"There is no room left for {what}. Free space on the store's disk, or raise the "
            "metadata map limit; a restart is not needed."
        )
        self.what = what


class Corruption(LiftlockError):
    """What the store gives back is not what was put in; never caught below a process's edge."""


class RecordCorrupt(Corruption):
    """A metadata row fails its checksum or cannot be read."""

    def __init__(self, table: str, key: bytes, reason: str) -> None:
        super().__init__(
            f"Row {key.hex()} of table {table} is damaged: {reason}. Run `liftlock check`."
        )
        self.table = table
        self.key = key


class StoreDamaged(Corruption):
    """A part of the store is missing; nothing was touched, and nothing was made in its place."""

    def __init__(self, root: str, what: str) -> None:
        super().__init__(
            f"The store at {root} has lost {what}. Nothing was changed. "
            "Is its disk mounted? Otherwise restore it from a backup."
        )
        self.root = root
        self.what = what


class FormatUnknown(Corruption):
    """The store was written in a format that this version does not read; it was not touched."""

    def __init__(self, root: str, found: str, known: str) -> None:
        super().__init__(
            f"The store at {root} {found}; this version of Liftlock reads format {known}. "
            "Nothing was changed. Use the version that wrote it, or restore it from a backup."
        )
        self.root = root
        self.found = found
