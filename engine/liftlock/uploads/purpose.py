"""What a session was started for: told by its id, and held against what names mean now.

An id is hex of: 16 random bytes, which nobody can guess; the digest algorithm's byte; the ids of
registry and repository; a hash of the name. So a session needs no file but that of its bytes, and
an id that was not given out here names none.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Self

from blake3 import blake3

from liftlock import names
from liftlock.errors import UploadUnknown
from liftlock.metadata.contract import ReadTxn
from liftlock.oci.digest import ALGORITHMS
from liftlock.oci.reference import RepositoryName

_RANDOM_HEX: Final = 32
_SAID: Final = struct.Struct(">BQQ8s")
_NO_REPOSITORY: Final = 0


class Purpose(NamedTuple):
    """What a session was started for."""

    name: RepositoryName
    registry: int
    """Its id: a registry of the same name that came later is another."""
    repository: int | None
    """Its id likewise: a session ends when its repository is renamed or deleted. None if the
    session was there before the repository."""
    algorithm: str

    def session_id(self, random: str) -> str:
        """Make an id of 32 random hex digits."""
        algorithm = ALGORITHMS.index(self.algorithm)
        repository = self.repository or _NO_REPOSITORY
        said = _SAID.pack(algorithm, self.registry, repository, _hash(self.name))
        return random + said.hex()

    @classmethod
    def of(cls, session_id: str, name: RepositoryName) -> Self:
        """Read an id that came with a name; UploadUnknown if it is none, or another name's."""
        try:
            said = bytes.fromhex(session_id[_RANDOM_HEX:])
            algorithm, registry, repository, hashed = _SAID.unpack(said)
            read = cls(name, registry, repository or None, ALGORITHMS[algorithm])
        except (ValueError, struct.error, IndexError) as error:
            raise UploadUnknown(session_id) from error
        if hashed != _hash(name):
            raise UploadUnknown(session_id)
        return read

    def is_outdated(self, txn: ReadTxn) -> bool:
        """Tell whether the name stands for something else by now."""
        registry, repository = home_of(txn, self.name)
        return registry != self.registry or self.repository not in {None, repository}


def home_of(txn: ReadTxn, name: RepositoryName) -> tuple[int, int | None]:
    """Return the ids of registry and repository, or RegistryUnknown."""
    registry = names.get_registry(txn, name.registry)
    found = names.find_in(txn, registry, name.repository)
    return registry, found.id if found else None


def _hash(name: RepositoryName) -> bytes:
    return blake3(str(name).encode()).digest(8)
