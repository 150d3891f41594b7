"""What a session was started for: kept beside its bytes, and held against what names mean now."""

from __future__ import annotations

import msgspec

from liftlock import names
from liftlock.errors import UploadUnknown
from liftlock.metadata.contract import ReadTxn
from liftlock.oci.reference import RepositoryName


class Header(msgspec.Struct):
    """What a session was started for; kept beside its bytes."""

    name: str
    registry: int
    """Its id: a registry of the same name that came later is another."""
    repository: int | None
    """Its id likewise: a session ends when its repository is renamed or deleted. None if the
    session was there before the repository."""
    algorithm: str
    by: str


def home_of(txn: ReadTxn, name: RepositoryName) -> tuple[int, int | None]:
    """Return the ids of registry and repository, or RegistryUnknown."""
    registry = names.get_registry(txn, name.registry)
    found = names.find_in(txn, registry, name.repository)
    return registry, found.id if found else None


def has_moved(txn: ReadTxn, name: RepositoryName, header: Header) -> bool:
    """Tell whether a session's name stands for something else by now."""
    registry, repository = home_of(txn, name)
    return registry != header.registry or header.repository not in {None, repository}


def read_header(header: bytes, name: RepositoryName, session_id: str) -> Header:
    """Return what a session was started for; UploadUnknown if that was another repository."""
    try:
        read = msgspec.json.decode(header, type=Header)
    except msgspec.DecodeError as error:
        raise UploadUnknown(session_id) from error
    if read.name != str(name):
        raise UploadUnknown(session_id)
    return read
