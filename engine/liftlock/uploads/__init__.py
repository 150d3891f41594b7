"""Upload sessions: open, append, commit or cancel; and what becomes of a blob's bytes.

The order of a commit is what makes it safe (docs/format.md): bytes are durable under their final
name before the transaction that inserts the record; a file that is not needed any more goes only
after the transaction that said so. A crash leaves at most a file without a record, which the
sweep removes.
"""

from __future__ import annotations

from liftlock.uploads.place import Place
from liftlock.uploads.sessions import hold, size, start
from liftlock.uploads.sweeping import sweep
from liftlock.uploads.ticket import Tickets
from liftlock.uploads.together import LastChunk, SizeDiffers, finish
from liftlock.uploads.upload import Upload

__all__ = [
    "LastChunk",
    "Place",
    "SizeDiffers",
    "Tickets",
    "Upload",
    "finish",
    "hold",
    "size",
    "start",
    "sweep",
]
