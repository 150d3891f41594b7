"""Promotion: plan, apply, undo. Metadata only: no blob file is opened, linked or touched."""

from __future__ import annotations

from liftlock.promotion.applying import apply, rehearse
from liftlock.promotion.planning import plan
from liftlock.promotion.request import PromotionRequest, RequestItem
from liftlock.promotion.undo_applying import apply_undo, rehearse_undo
from liftlock.promotion.undo_planning import UndoPlan, plan_undo
from liftlock.promotion.values import Plan, Request

__all__ = [
    "Plan",
    "PromotionRequest",
    "Request",
    "RequestItem",
    "UndoPlan",
    "apply",
    "apply_undo",
    "plan",
    "plan_undo",
    "rehearse",
    "rehearse_undo",
]
