"""Promotion: plan, apply, undo. Metadata only: no blob file is opened, linked or touched."""

from __future__ import annotations

from liftlock.promotion.applying import apply, rehearse, still_holds
from liftlock.promotion.planning import plan
from liftlock.promotion.recorded import listed, recorded
from liftlock.promotion.request import PromotionRequest, RequestItem
from liftlock.promotion.together import is_plain, promote_together
from liftlock.promotion.undo_applying import apply_undo, rehearse_undo
from liftlock.promotion.undo_planning import plan_undo
from liftlock.promotion.undo_values import UndoPlan
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
