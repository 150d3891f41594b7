"""The engine: everything Liftlock can do, as one embeddable object.

Front end and CLI use nothing else.
"""

from __future__ import annotations

from liftlock.engine.facade import Engine
from liftlock.engine.machine import new_id, system_clock
from liftlock.engine.opening import init, open  # noqa: A004 - liftlock.open, as in gzip.open
from liftlock.promotion import PromotionRequest, RequestItem
from liftlock.uploads import LastChunk, SizeDiffers, Upload

__all__ = [
    "Engine",
    "LastChunk",
    "PromotionRequest",
    "RequestItem",
    "SizeDiffers",
    "Upload",
    "init",
    "new_id",
    "open",
    "system_clock",
]
