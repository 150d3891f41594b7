"""Sessions: started, looked at, given to one request at a time.

A session that has no bytes yet is nothing but its id: most uploads bring all their bytes in the
request that ends them, and leave no trace of the one that started them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from liftlock.blobs.contract import Session
from liftlock.errors import UploadUnknown
from liftlock.oci.digest import require_algorithm
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.place import Place, is_recorded
from liftlock.uploads.ticket import Ticket
from liftlock.uploads.upload import HeldUpload


def start(place: Place, name: RepositoryName, algorithm: str) -> str:
    """Start a session; return its id.

    Raises:
        RegistryUnknown: there is no such registry.
        DigestInvalid: blobs cannot be named by this algorithm.
    """
    require_algorithm(algorithm)
    session_id = place.tickets.give(name, algorithm, place.clock())
    place.states.begin(session_id)
    return session_id


def size(place: Place, name: RepositoryName, session_id: str) -> int:
    """Return how many bytes a session has received.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
    """
    ticket = place.tickets.read(session_id, name)
    if place.store.read(ticket.is_over):
        raise UploadUnknown(session_id)
    received = 0
    with suppress(UploadUnknown):
        received = place.blobs.peek_session(session_id)
    if not received and not may_begin(place, ticket):
        raise UploadUnknown(session_id)
    return received


@contextmanager
def hold(place: Place, name: RepositoryName, session_id: str) -> Iterator[HeldUpload]:
    """Give a session to one caller until the context ends.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
        UploadBusy: another request holds it.
        StoreFull: there is no room for its first byte.
    """
    ticket = place.tickets.read(session_id, name)
    with _held(place, ticket, session_id) as session:
        # Looked at once it is held: who held it before may have ended it.
        if place.store.read(ticket.is_over):
            if place.store.read(ticket.has_ended):
                session.discard()  # what a crash left, or what began once more a moment too late
            raise UploadUnknown(session_id)
        if not session.size and not may_begin(place, ticket):
            session.discard()  # a request held it once, and brought nothing
            raise UploadUnknown(session_id)
        upload = HeldUpload(place, session, ticket)
        try:
            yield upload
        finally:
            upload.rest()


def may_begin(place: Place, ticket: Ticket) -> bool:
    """Tell whether a session without bytes is still there."""
    limits = place.limits
    waited = place.clock() - ticket.at
    return waited <= min(limits.upload_begin_ms, limits.upload_idle_ms)


@contextmanager
def _held(place: Place, ticket: Ticket, session_id: str) -> Iterator[Session]:
    recorded = partial(is_recorded, place.store)
    with ExitStack() as stack:
        try:
            session = stack.enter_context(place.blobs.hold_session(session_id, recorded))
        except UploadUnknown:
            if not may_begin(place, ticket) or place.store.read(ticket.is_over):
                raise
            place.blobs.create_session(session_id)
            session = stack.enter_context(place.blobs.hold_session(session_id, recorded))
        yield session
