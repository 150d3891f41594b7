"""Liftlock: promote container images between registries without moving a byte.

    import liftlock

    with liftlock.open("/srv/images", create=True) as engine:
        engine.create_registry("prod", by="me")

Everything public stands here and in `liftlock.model` (what the engine takes and hands out),
`liftlock.errors`, `liftlock.config` and `liftlock.oci`; and in `liftlock.http`, how errors are said
over HTTP. docs/embedding.md shows how to use it.
"""

from __future__ import annotations

from liftlock import config, errors, model, oci
from liftlock.blobs.contract import Pieces
from liftlock.config import Limits
from liftlock.engine import (
    Engine,
    Exporting,
    Importing,
    LastChunk,
    PromotionCall,
    PromotionRequest,
    RequestItem,
    SizeDiffers,
    Upload,
    in_memory,
    init,
    open,  # noqa: A004 - liftlock.open, as in gzip.open
)
from liftlock.errors import LiftlockError
from liftlock.model import (
    ABSENT,
    ANYTHING,
    Expectation,
    Mode,
    RegistrySettings,
    SettingsChange,
    Side,
)
from liftlock.oci import Digest, Reference, RepositoryName, Selection, Target

__all__ = [
    "ABSENT",
    "ANYTHING",
    "Digest",
    "Engine",
    "Expectation",
    "Exporting",
    "Importing",
    "LastChunk",
    "LiftlockError",
    "Limits",
    "Mode",
    "Pieces",
    "PromotionCall",
    "PromotionRequest",
    "Reference",
    "RegistrySettings",
    "RepositoryName",
    "RequestItem",
    "Selection",
    "SettingsChange",
    "Side",
    "SizeDiffers",
    "Target",
    "Upload",
    "config",
    "errors",
    "in_memory",
    "init",
    "model",
    "oci",
    "open",
]
