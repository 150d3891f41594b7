"""Compare-and-set: a tag or manifest is only changed where it is as somebody expects."""

from __future__ import annotations

from typing import Final

from liftlock.errors import TagMoved
from liftlock.model import ABSENT, ANYTHING, Condition, Expectation, Places
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference

_NAMED_MAX: Final = 3
"""Digests that a refusal names; more are counted."""


def require_expected(expected: Condition, reference: Reference, found: bytes | None) -> None:
    """Require that what `reference` names is where it is expected.

    Args:
        expected: where that is.
        reference: a tag, or without one a digest.
        found: the digest that the tag is at, or that of the manifest; None: it is absent.

    Raises:
        TagMoved: it is elsewhere.
    """
    if expected is ANYTHING:
        return
    digest = None if found is None else Digest(found)
    missed = _missed(_sides(expected), digest)
    if missed is None:
        return
    if digest is None:
        raise TagMoved(str(reference), missed, "absent")
    raise TagMoved(str(reference), missed, "there" if reference.tag is None else str(digest))


def _sides(expected: Condition) -> Expectation:
    if isinstance(expected, Expectation):
        return expected
    if expected is ABSENT:
        return Expectation(not_at=ANYTHING)
    return Expectation() if expected is ANYTHING else Expectation(at=frozenset((expected,)))


def _missed(expected: Expectation, found: Digest | None) -> str | None:
    """Return where it was expected, in words; None if it is there."""
    at, not_at = expected.at, expected.not_at
    if at is not None and (found is None or not _is_among(found, at)):
        return _named(at) if found is None or at else "elsewhere"
    if not_at is not None and found is not None and _is_among(found, not_at):
        return "absent" if not_at is ANYTHING else "elsewhere"
    return None


def _is_among(found: Digest, places: Places) -> bool:
    return places is ANYTHING or found in places


def _named(places: Places) -> str:
    if places is ANYTHING or not places:
        return "there"
    if len(places) > _NAMED_MAX:
        return f"one of {len(places)} digests"
    return " or ".join(map(str, sorted(places)))
