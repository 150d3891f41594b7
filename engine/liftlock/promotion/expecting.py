"""Compare-and-set: what the asker took for granted, held against what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from liftlock.errors import LiftlockError, TagMoved
from liftlock.model import Expected
from liftlock.model.expectations import missed
from liftlock.oci.digest import Digest


def unmet(
    expectations: Iterable[tuple[Expected, str, bytes | None]],
) -> Iterator[LiftlockError]:
    """Yield an error for each thing that is not where it was expected."""
    for expected, name, found in expectations:
        digest = None if found is None else Digest(found)
        place = missed(expected, digest)
        if place is not None:
            yield TagMoved(name, place, "absent" if digest is None else str(digest))
