"""What every part of the engine works on: an open store, and what is agreed about it."""

from __future__ import annotations

from collections.abc import Callable

from liftlock import uploads
from liftlock.blobs.contract import BlobStore
from liftlock.config import Limits
from liftlock.metadata.contract import Instant, MetadataStore
from liftlock.points import Reach


class Opened:
    """The two stores, the clock, and the limits of one engine."""

    limits: Limits
    _store: MetadataStore
    _blobs: BlobStore
    _clock: Callable[[], Instant]
    _reach: Reach
    _uploads: uploads.Place
