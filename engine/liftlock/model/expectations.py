"""What somebody expects of a tag or a manifest before it is changed: compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liftlock.model.contents import Anything, Expected
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
