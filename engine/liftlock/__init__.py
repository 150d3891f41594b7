"""Liftlock: promote container images between registries without moving a byte.

    import liftlock

    with liftlock.open("/srv/images", create=True) as engine:
        engine.create_registry("prod", by="me")

Everything public stands here and in `liftlock.model`, `liftlock.errors`, `liftlock.config` and
`liftlock.oci`.
"""

from __future__ import annotations

from liftlock.config import Limits
from liftlock.engine import Engine, PromotionRequest, RequestItem, init, open  # noqa: A004 - liftlock.open, as in gzip.open
from liftlock.errors import LiftlockError
from liftlock.model import ABSENT, ANYTHING, Mode, Side
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, Selection, Target

__all__ = [
    "ABSENT",
    "ANYTHING",
    "Digest",
    "Engine",
    "LiftlockError",
    "Limits",
    "Mode",
    "PromotionRequest",
    "Reference",
    "RepositoryName",
    "RequestItem",
    "Selection",
    "Side",
    "Target",
    "init",
    "open",
]
