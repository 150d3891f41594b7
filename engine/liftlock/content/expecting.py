"""Compare-and-set: a tag or manifest is only changed where it is as somebody expects."""

from __future__ import annotations

from liftlock.errors import TagMoved
from liftlock.model import Condition
from liftlock.model.expectations import missed
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference


def require_expected(expected: Condition, reference: Reference, found: bytes | None) -> None:
    """Require that what `reference` names is where it is expected.

    Args:
        expected: where that is.
        reference: a tag, or without one a digest.
        found: the digest that the tag is at, or that of the manifest; None: it is absent.

    Raises:
        TagMoved: it is elsewhere.
    """
    digest = None if found is None else Digest(found)
    place = missed(expected, digest)
    if place is None:
        return
    if digest is None:
        raise TagMoved(str(reference), place, "absent")
    raise TagMoved(str(reference), place, "there" if reference.tag is None else str(digest))
