"""The front end's limits: every wait, queue, body and path has one, with a name and a unit."""

from __future__ import annotations

from dataclasses import dataclass

from liftlock.config import KIB, MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one server accepts and how long it waits; frozen, passed down, never global."""

    header_seconds: int = 30
    """From a connection's start, or its last answer, to the end of the next request's header."""
    idle_seconds: float = 60.0
    """A body must bring `progress_bytes` in this time, and a reader must take a piece."""
    progress_bytes: int = 4 * KIB
    """What a body must bring within `idle_seconds`: a byte a second is no progress."""
    header_bytes_max: int = 64 * KIB
    """Request line and header fields; the server answers 431 at the latest at twice as much."""
    target_bytes_max: int = 8 * KIB
    """Path and query as they were sent."""
    body_piece_bytes: int = 256 * KIB
    """Blob bytes that cross between event loop and thread at a time; two are in flight."""
    range_piece_bytes: int = 64 * KIB
    """Bytes of a range sent at a time; smaller, since the server queues four for its reader."""
    document_bytes_max: int = 4 * MIB
    """A promotion request below /api/: room for some ten thousand items."""
    inline_document_bytes_max: int = 64 * KIB
    """What of it is read in the event loop; a longer one is read in a thread."""
    drain_bytes_max: int = 16 * MIB
    """Rest of a refused body that is read and dropped, so that the connection can go on."""
    inline_records_max: int = 200
    """Records that a read may touch in the event loop; longer ones go to a thread."""
    give_way_seconds: float = 0.01
    """How long the event loop waits for submitted promotions to be computed."""
    write_threads: int = 32
    """Threads that hash, write and wait for commits; so many writes can share one commit."""
    read_threads: int = 16
    """Threads that read blob ranges and long lists."""
    connections_max: int = 1024
    """Connections that a worker serves at a time; more wait in the backlog."""
    backlog: int = 1024
    """Connections that the kernel keeps waiting."""
    stop_seconds: int = 30
    """What running requests get at a stop; after that they are cut off."""
    sweep_seconds: int = 3600
    """From one sweep of expired upload sessions and orphan files to the next."""
