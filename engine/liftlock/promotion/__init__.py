"""Promotion: plan, apply, undo. Metadata only: no blob file is opened, linked or touched.

    request, forms      what is asked
    graph/              what hangs together, and what a repository lacks of it
    selecting/          from what is asked to images on routes, and repositories as wholes
    planning/           from those to a plan
    applying/           from a plan to rows
    undoing/            the way back

What several of them share is beside them: `values`, `expecting`, `deciding`, `drafting`, `wording`.
"""

from __future__ import annotations

from liftlock.promotion.applying.plans import apply, rehearse, still_holds
from liftlock.promotion.applying.together import is_plain, promote_together
from liftlock.promotion.planning.plans import plan
from liftlock.promotion.recorded import listed, recorded
from liftlock.promotion.request import PromotionRequest, RequestItem
from liftlock.promotion.undoing.applying import apply_undo, rehearse_undo
from liftlock.promotion.undoing.planning import plan_undo
from liftlock.promotion.undoing.values import UndoPlan
from liftlock.promotion.values import Plan

__all__ = [
    "Plan",
    "PromotionRequest",
    "RequestItem",
    "UndoPlan",
    "apply",
    "apply_undo",
    "is_plain",
    "listed",
    "plan",
    "plan_undo",
    "promote_together",
    "recorded",
    "rehearse",
    "rehearse_undo",
    "still_holds",
]
