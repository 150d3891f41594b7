"""Refusing: every broken rule is named, and the gravest speaks for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liftlock.errors import Invalid, LiftlockError, NotFound, PlanOutdated, TagMoved


def refuse(violations: Sequence[LiftlockError]) -> None:
    """Raise the gravest of `violations`, speaking for all; do nothing if there are none."""
    if violations:
        # Several parts of a set may find the same.
        each = list({str(error): error for error in violations}.values())
        gravest = min(each, key=_gravity)
        raise gravest.among(each)


_GRAVITY: Final[tuple[tuple[type[LiftlockError], ...], ...]] = (
    (Invalid,),
    (NotFound,),
    (TagMoved, PlanOutdated),
)


def _gravity(error: LiftlockError) -> int:
    ranks = (rank for rank, family in enumerate(_GRAVITY) if isinstance(error, family))
    return next(ranks, len(_GRAVITY))
