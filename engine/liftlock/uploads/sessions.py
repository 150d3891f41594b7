"""Sessions: started, looked at, given to one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from liftlock.blobs.hashing import ContentHash
from liftlock.errors import UploadUnknown
from liftlock.oci.digest import require_algorithm
from liftlock.oci.reference import RepositoryName
from liftlock.uploads.place import Place, is_recorded
from liftlock.uploads.purpose import Purpose, home_of
from liftlock.uploads.upload import HeldUpload


def start(place: Place, name: RepositoryName, algorithm: str) -> str:
    """Start a session; return its id.

    Raises:
        RegistryUnknown: there is no such registry.
        DigestInvalid: blobs cannot be named by this algorithm.
        StoreFull: there is no room.
    """
    require_algorithm(algorithm)
    registry, repository = place.store.read(lambda txn: home_of(txn, name))
    purpose = Purpose(name, registry, repository, algorithm)
    session_id = purpose.session_id(place.new_id())
    place.blobs.create_session(session_id)
    place.states.keep(session_id, ContentHash(algorithm))
    return session_id


def size(place: Place, name: RepositoryName, session_id: str) -> int:
    """Return how many bytes a session has received.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
    """
    purpose = Purpose.of(session_id, name)
    received = place.blobs.peek_session(session_id)
    if place.store.read(purpose.is_outdated):
        raise UploadUnknown(session_id)
    return received


@contextmanager
def hold(place: Place, name: RepositoryName, session_id: str) -> Iterator[HeldUpload]:
    """Give a session to one caller until the context ends.

    Raises:
        UploadUnknown: it is not there, or was started for another repository.
        UploadBusy: another request holds it.
    """
    purpose = Purpose.of(session_id, name)
    with place.blobs.hold_session(session_id, partial(is_recorded, place.store)) as session:
        if place.store.read(purpose.is_outdated):
            raise UploadUnknown(session_id)
        upload = HeldUpload(place, session, purpose)
        try:
            yield upload
        finally:
            upload.rest()
