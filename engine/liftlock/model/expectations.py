"""What somebody expects of a tag or a manifest before it is changed: compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from liftlock.model.contents import ABSENT, ANYTHING, Anything, Expected
from liftlock.oci.digest import Digest

Places = frozenset[Digest] | Literal[Anything.ANYTHING]
"""Some digests, or whichever."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Where a tag has to be for something to be done to it; what is said on both sides must hold.

    A manifest is at its own digest, or nowhere.
    """

    at: Places | None = None
    """At one of these; ANYTHING: wherever, but there. None: it may also be absent."""
    not_at: Places | None = None
    """At none of these; ANYTHING: nowhere."""


Condition = Expected | Expectation
"""Compare-and-set for a change of one tag or manifest: ANYTHING sets no condition."""

_NAMED_MAX: Final = 3
"""Digests that are named; more are counted."""


def missed(expected: Condition, found: Digest | None) -> str | None:
    """Return where something was expected, in words; None if it is there."""
    if expected is ANYTHING:
        return None
    if expected is ABSENT:
        expected = Expectation(not_at=ANYTHING)
    elif isinstance(expected, Digest):
        expected = Expectation(at=frozenset((expected,)))
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
