"""Promotion: plan, apply, undo. Metadata only: no blob file is opened, linked or touched."""

from __future__ import annotations

from liftlock.promotion.applying import apply, rehearse
from liftlock.promotion.plan import Plan, Request, plan
from liftlock.promotion.undoing import UndoPlan, apply_undo, plan_undo, rehearse_undo

__all__ = [
    "Plan",
    "Request",
    "UndoPlan",
    "apply",
    "apply_undo",
    "plan",
    "plan_undo",
    "rehearse",
    "rehearse_undo",
]
