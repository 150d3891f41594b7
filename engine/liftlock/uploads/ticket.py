"""What a session's id says: when and what it was started for, and that it was given out here.

An id is hex of: when it was given, in ms since 1970 (6 bytes); 16 random bytes, which nobody can
guess; the digest algorithm's byte; the ids of registry and repository; a hash of the name; and 16
bytes of keyed BLAKE3 over all of that. So a session needs nothing on the disk before its first
byte comes, and an id that was not given out by this store names none.
"""

from __future__ import annotations

import hmac
import logging
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from blake3 import blake3

from liftlock import names
from liftlock.errors import RecordCorrupt, UploadUnknown
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn, Table, WriteTxn
from liftlock.metadata.records import SecretRecord, decoded, protect
from liftlock.oci.digest import ALGORITHMS
from liftlock.oci.reference import RepositoryName

log = logging.getLogger("liftlock")

_SAID: Final = struct.Struct(">6s16sBQQ8s")
TIME_BYTES: Final = 6
_SERIAL_BYTES: Final = 22
_SEAL_BYTES: Final = 16
_NO_REPOSITORY: Final = 0
_SECRET_KEY: Final = b"uploads"


class Ticket(NamedTuple):
    """What a session was started for, and when."""

    name: RepositoryName
    registry: int
    """Its id: a registry of the same name that came later is another."""
    repository: int | None
    """Its id likewise: a session ends when its repository is renamed or deleted. None if the
    session was there before the repository."""
    algorithm: str
    serial: bytes
    """When it was given, and random bytes: the key of its row in `ended`."""

    @property
    def at(self) -> Instant:
        """When it was given."""
        return int.from_bytes(self.serial[:TIME_BYTES], "big")

    def has_ended(self, txn: ReadTxn) -> bool:
        """Tell whether the session was committed or cancelled."""
        return has_ended(txn, self.serial)

    def end(self, txn: WriteTxn) -> None:
        """Note that the session has ended."""
        txn.put_many(Table.ENDED, [protect(Table.ENDED, self.serial)])

    def is_over(self, txn: ReadTxn) -> bool:
        """Tell whether the session has ended, or its name stands for something else by now."""
        if self.has_ended(txn):
            return True
        registry, repository = home_of(txn, self.name)
        return registry != self.registry or self.repository not in {None, repository}


class Tickets:
    """Gives out ids of one store's sessions, and reads them. Any thread may call.

    The secret behind them is worth nothing but its sessions. If it is lost or damaged, the next id
    that is given out comes with a new one, and the sessions before it are over: so pushes go on.
    """

    def __init__(self, store: MetadataStore, new_id: Callable[[], str]) -> None:
        """Take over a store; `new_id` makes 32 random hex digits."""
        self._store = store
        self._new_id = new_id
        self._known: bytes | None = None

    def prepare(self) -> None:
        """Make the secret behind the ids, if there is none: what else the first id does."""
        self._store.write(self._make_secret)

    def give(self, name: RepositoryName, algorithm: str, at: Instant) -> str:
        """Make the id of a new session for `name`.

        Raises:
            RegistryUnknown: there is no such registry.
            StoreFull, StoreBusy: the secret is to be made, and there is no room; or not now.
        """
        # Looked up each time, so that all processes go over to a new one at once.
        secret, (registry, repository) = self._store.read(
            lambda txn: (_find_secret(txn), home_of(txn, name))
        )
        self._known = secret = secret or self._store.write(self._make_secret)
        said = _SAID.pack(
            at.to_bytes(TIME_BYTES, "big"),
            bytes.fromhex(self._new_id()),
            ALGORITHMS.index(algorithm),
            registry,
            repository or _NO_REPOSITORY,
            _hash(name),
        )
        return (said + _seal(said, secret)).hex()

    def read(self, session_id: str, name: RepositoryName) -> Ticket:
        """Read an id that came with a name.

        Raises:
            UploadUnknown: it was not given out here, or for another repository.
        """
        try:
            raw = bytes.fromhex(session_id)
            said, seal = raw[: _SAID.size], raw[_SAID.size :]
            at, random, algorithm, registry, repository, hashed = _SAID.unpack(said)
        except (ValueError, struct.error) as error:
            raise UploadUnknown(session_id) from error
        # One spelling alone, as it was given out: to a folder another one is another name.
        if raw.hex() != session_id or hashed != _hash(name):
            raise UploadUnknown(session_id)
        if not self._is_sealed(said, seal):
            raise UploadUnknown(session_id)
        return Ticket(name, registry, repository or None, ALGORITHMS[algorithm], at + random)

    def _is_sealed(self, said: bytes, seal: bytes) -> bool:
        known = self._known
        if known is not None and hmac.compare_digest(seal, _seal(said, known)):
            return True
        # Not known yet; or another process had to make a new one.
        self._known = known = self._store.read(_find_secret)
        return known is not None and hmac.compare_digest(seal, _seal(said, known))

    def _make_secret(self, txn: WriteTxn) -> bytes:
        found = _find_secret(txn)  # another process may have been faster
        if found is not None:
            return found
        if txn.get(Table.SECRETS, _SECRET_KEY) is not None:
            log.error("the key behind the ids of uploads is damaged; open uploads have ended")
        secret = bytes.fromhex(self._new_id() + self._new_id())
        record = SecretRecord(secret).encode()
        txn.put_many(Table.SECRETS, [protect(Table.SECRETS, _SECRET_KEY, record)])
        return secret


def _seal(said: bytes, secret: bytes) -> bytes:
    return blake3(said, key=secret).digest(_SEAL_BYTES)


def serial_of(session_id: str) -> bytes | None:
    """Return the serial of an id, whoever gave it out; None if it has none."""
    try:
        return bytes.fromhex(session_id[: 2 * _SERIAL_BYTES])
    except ValueError:
        return None


def has_ended(txn: ReadTxn, serial: bytes) -> bool:
    """Tell whether the session of this serial was committed or cancelled."""
    return txn.get(Table.ENDED, serial) is not None


def home_of(txn: ReadTxn, name: RepositoryName) -> tuple[int, int | None]:
    """Return the ids of registry and repository, or RegistryUnknown."""
    registry = names.get_registry(txn, name.registry)
    found = names.find_in(txn, registry, name.repository)
    return registry, found.id if found else None


def _find_secret(txn: ReadTxn) -> bytes | None:
    """Return the secret; None if there is none that can be read."""
    memo = txn.memo
    try:
        secret: bytes | None = memo[_SECRET_KEY]
    except KeyError:
        secret = memo[_SECRET_KEY] = _read_secret(txn)
    return secret


def _read_secret(txn: ReadTxn) -> bytes | None:
    value = txn.get(Table.SECRETS, _SECRET_KEY)
    if value is None:
        return None
    try:
        return decoded(SecretRecord.decode, Table.SECRETS, _SECRET_KEY, value).secret
    except RecordCorrupt:
        return None


@lru_cache(maxsize=1024)
def _hash(name: RepositoryName) -> bytes:
    return blake3(str(name).encode()).digest(8)
