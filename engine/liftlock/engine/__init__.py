"""The engine: everything Liftlock can do, as one embeddable object.

Front end and CLI use nothing else.
"""

from __future__ import annotations

from liftlock.engine.facade import Engine
from liftlock.engine.machine import new_id, system_clock
from liftlock.engine.opening import in_memory, init, open  # noqa: A004 - liftlock.open, as in gzip.open
from liftlock.engine.promotions import PromotionCall
from liftlock.promotion import PromotionRequest, RequestItem
from liftlock.transfer import Exporting, Importing
from liftlock.uploads import LastChunk, SizeDiffers, Upload

__all__ = [
    "Engine",
    "Exporting",
    "Importing",
    "LastChunk",
    "PromotionCall",
    "PromotionRequest",
    "RequestItem",
    "SizeDiffers",
    "Upload",
    "in_memory",
    "init",
    "new_id",
    "open",
    "system_clock",
]
