"""The front end's limits: every wait, queue, body and path has one, with a name and a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from liftlock.config import KIB, MIB

MOST: Final = 2**31 - 1
"""What any of them is at most; the kernel takes no more of some."""


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
    """Header fields; 431 for more."""
    header_fields_max: int = 100
    """How many header fields; 431 for more, and the connection ends."""
    receive_bytes: int = 256 * KIB
    """A request line and header fields that are not complete by then are no request."""
    pipelined_max: int = 32
    """Requests that a connection may bring before the answer to the first; behind them it ends."""
    target_bytes_max: int = 8 * KIB
    """Path and query as they were sent."""
    body_piece_bytes: int = 1 * MIB
    """Blob bytes that cross between event loop and thread at a time; two are in flight, and about
    one more is received ahead."""
    body_piece_bytes_min: int = 64 * KIB
    """The same while there are very many uploads, or connections."""
    bodies_bytes: int = 64 * MIB
    """What all pieces of blobs in flight may hold, and half of it what is received ahead: many
    uploads cross in smaller pieces."""
    range_crossing_bytes: int = 256 * KIB
    """Bytes of a range that cross between thread and event loop at a time; two are in flight."""
    range_piece_bytes: int = 64 * KIB
    """Bytes of a range sent at a time; smaller, since one or two wait for its reader."""
    document_bytes_max: int = 4 * MIB
    """A promotion request below /api/: room for some ten thousand items."""
    inline_document_bytes_max: int = 64 * KIB
    """What of it is read in the event loop; a longer one is read in a thread."""
    drain_bytes_max: int = 16 * MIB
    """Rest of a refused body that is read and dropped, within `idle_seconds` in all, so that the
    connection can go on."""
    inline_records_max: int = 200
    """Records that a read may touch in the event loop; longer ones go to a thread."""
    give_way_seconds: float = 0.01
    """How long a read waits for what is computed for a commit."""
    together_bytes_max: int = 256 * KIB
    """What a small upload has at most."""
    together_max: int = 64
    """Small uploads that one thread ends at a time; and promotions, where there is no promoter."""
    write_threads: int = 32
    """Threads that hash, write and wait for commits; so many writes can share one commit."""
    file_threads: int = 4
    """Threads that read whole blobs and send them. One is enough while the files are in memory; so
    many may wait for a slow disk, and others are served."""
    read_threads: int = 16
    """Threads that read blob ranges and long lists."""
    connections_max: int = 1024
    """Connections that a worker serves at a time; more wait in the backlog."""
    client_requests_max: int = 256
    """Requests that one address (of IPv6, one /64) may have under way in a
    worker. 0: any number."""
    client_connections_max: int = 512
    """Connections that one address keeps in a worker when more than half of `connections_max` are
    in use; of more, idle ones are closed. 0: any number."""
    look_seconds: float = 1.0
    """From one look at the connections to the next; who was sent nothing for so long is idle."""
    client_uploads_max: int = 1000
    """Upload sessions that one address may have open in a worker. 0: any number."""
    client_uploads_seconds: int = 3600
    """How long an open session counts for that; the session itself stays longer."""
    open_uploads_known_max: int = 65_536
    """Open sessions of all addresses that a worker counts; of more, the oldest are not counted."""
    backlog: int = 1024
    """Connections that the kernel keeps waiting, for each worker."""
    stop_seconds: int = 30
    """What running requests get at a stop; after that they are cut off."""
    handover_seconds: float = 3.5
    """What a new worker gets to start before the old one stops, after SIGHUP."""
    sweep_seconds: int = 3600
    """From one sweep of expired upload sessions and orphan files to the next."""
    worker_losses_max: int = 3
    """How often one worker, or the promoter, may be lost within `worker_losses_seconds` and be
    replaced; at the next loss the server ends, since what starts it may be able to mend it."""
    worker_losses_seconds: float = 300.0
    """How long a loss counts."""

    def piece_bytes(self, sharing: int) -> int:
        """Return how much of a body is a piece, where so many share half of `bodies_bytes`."""
        share = self.bodies_bytes // (2 * sharing)
        return max(self.body_piece_bytes_min, min(share, self.body_piece_bytes))


OFF_AT_ZERO: Final = frozenset(
    {"client_requests_max", "client_connections_max", "client_uploads_max"}
)
"""Limits that 0 switches off, as behind a proxy, where all clients have one address."""
