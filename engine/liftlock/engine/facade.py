"""The engine: everything Liftlock can do, as one embeddable object.

Front end and CLI use nothing else. Methods are synchronous and may be called from any thread; what
they did is durable when they return, and what they refused has left nothing behind. An engine
belongs to the process that opened it: open it after a fork, never before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from liftlock import uploads
from liftlock.blobs.contract import BlobStore
from liftlock.blobs.hashing import HashStates
from liftlock.config import Limits
from liftlock.engine.blobs import BlobEngine
from liftlock.engine.contents import ContentEngine
from liftlock.engine.deleting import DeletingEngine
from liftlock.engine.exports import ExportEngine
from liftlock.engine.imports import ImportEngine
from liftlock.engine.machine import new_id, system_clock
from liftlock.engine.promotions import PromotionEngine
from liftlock.engine.registries import RegistryEngine
from liftlock.engine.upkeep import UpkeepEngine
from liftlock.engine.views import ViewEngine
from liftlock.metadata.contract import Instant, MetadataStore
from liftlock.points import Reach, nowhere


class Engine(
    RegistryEngine,
    ContentEngine,
    BlobEngine,
    DeletingEngine,
    PromotionEngine,
    ImportEngine,
    ExportEngine,
    UpkeepEngine,
    ViewEngine,
):
    """A store in use. Close it, or use it as a context manager.

    `open` makes one, and `in_memory`. Any thread may call any method at any time.

    Attributes:
        limits: what it accepts, and how long it keeps things; never changed.
    """

    def __init__(
        self,
        store: MetadataStore,
        blobs: BlobStore,
        *,
        limits: Limits = Limits(),
        clock: Callable[[], Instant] = system_clock,
        reach: Reach = nowhere,
        part: int | None = None,
    ) -> None:
        """Put an engine on two stores; `open` does it for a folder.

        Args:
            store: facts; its commits must be sealed by `seals.seal`.
            blobs: bytes.
            limits: what to accept, and how long to keep things.
            clock: the time of day in ms since 1970 UTC.
            reach: told of each named point of a write.
            part: a descriptor to close at the end, which stands for this process's part in
                owning the folder.
        """
        self.limits = limits
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._part = part
        self._reach = reach
        states = HashStates(limits.hash_states_max)
        tickets = uploads.Tickets(store, new_id)
        self._hashers = ThreadPoolExecutor(os.cpu_count(), "liftlock-hash")
        self._uploads = uploads.Place(
            store, blobs, clock, new_id, tickets, limits, states, self._hashers, reach
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is queued, then let go of the store. Harmless when repeated.

        Nobody else may be using the engine then; what is called later fails. Without it nothing
        is lost that was acknowledged: the next one to open the store finds all of it.
        """
        self._store.close()
        self._blobs.close()
        self._hashers.shutdown()
        if self._part is not None:
            os.close(self._part)
            self._part = None
