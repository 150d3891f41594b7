"""Compare-and-set: what the asker took for granted, held against what there is."""

from __future__ import annotations

from collections.abc import Iterable

from liftlock.errors import LiftlockError, TagMoved
from liftlock.model import ABSENT, ANYTHING, Expected
from liftlock.oci.digest import Digest


def unmet(
    expectations: Iterable[tuple[Expected, str, bytes | None]],
) -> list[LiftlockError]:
    """Return an error for each thing that is not where it was expected."""
    return [
        TagMoved(
            name,
            "absent" if expected is ABSENT else str(expected),
            "absent" if found is None else str(Digest(found)),
        )
        for expected, name, found in expectations
        if not _agrees(found, expected)
    ]


def _agrees(found: bytes | None, expected: Expected) -> bool:
    if expected is ANYTHING:
        return True
    if expected is ABSENT:
        return found is None
    return found is not None and Digest(found) == expected
