"""Registries and repositories: their names, what they have, and what became of them."""

from __future__ import annotations

import struct
from typing import NamedTuple, Self

from liftlock.metadata.counts import Counts, added
from liftlock.metadata.records.acts import Naming
from liftlock.metadata.records.settings import decode_settings, encode_settings
from liftlock.model import RegistrySettings

_Q = struct.Struct(">Q")
_ID_AND_BYTE = struct.Struct(">QB")
_REGISTRY = struct.Struct(">QH")
_DEAD = struct.Struct(">QQ?")
_COUNTS = struct.Struct(">qqqqq")
_REPOSITORY = struct.Struct(">QQQqqqqq")


class IdRecord(NamedTuple):
    """`names`: the id that a name stands for. `promotions`: the event of a number."""

    id: int

    def encode(self) -> bytes:
        return _Q.pack(self.id)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_Q.unpack(body))


class RegistryRecord(NamedTuple):
    """`registries`."""

    born: int
    settings: RegistrySettings
    name: str

    def encode(self) -> bytes:
        settings = encode_settings(self.settings)
        return _REGISTRY.pack(self.born, len(settings)) + settings + self.name.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        born, length = _REGISTRY.unpack_from(body)
        end = _REGISTRY.size + length
        return cls(born, decode_settings(body[_REGISTRY.size : end]), body[end:].decode())


class RepositoryRecord(NamedTuple):
    """`repositories`: where it is, and what it has (for display; `check` recounts)."""

    registry: int
    version: int
    """Raised by every change of its name, tags, manifest links or grants."""
    born: int
    """The event that made it; no row of it is older in effect."""
    counts: Counts
    """Of repositories one, itself; none once the sweep of it has begun."""
    name: str

    def touched(self, delta: Counts) -> Self:
        """Return it with its version raised and `delta` added to its counts."""
        registry, version, born, counts, name = self
        return type(self)(registry, version + 1, born, added(counts, delta), name)

    def encode(self) -> bytes:
        return (
            _REPOSITORY.pack(self.registry, self.version, self.born, *self.counts)
            + self.name.encode()
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        registry, version, born, *counts = _REPOSITORY.unpack_from(body)
        name = body[_REPOSITORY.size :].decode()
        return cls(registry, version, born, Counts(*counts), name)


class FoundRepository(NamedTuple):
    """A repository's id and row."""

    id: int
    record: RepositoryRecord


class NamingRecord(NamedTuple):
    """`names_log`: which id a name began or ceased to stand for."""

    id: int
    naming: Naming

    def encode(self) -> bytes:
        return _ID_AND_BYTE.pack(self.id, self.naming)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        number, naming = _ID_AND_BYTE.unpack(body)
        return cls(number, Naming(naming))


class RepositoryLogRecord(NamedTuple):
    """`repository_log`: what happened to a repository, and where it was from then on."""

    naming: Naming
    registry: int
    name: str

    def encode(self) -> bytes:
        return _ID_AND_BYTE.pack(self.registry, self.naming) + self.name.encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        registry, naming = _ID_AND_BYTE.unpack_from(body)
        return cls(Naming(naming), registry, body[_ID_AND_BYTE.size :].decode())


class DeadRecord(NamedTuple):
    """`dead`: since when a repository or registry is deleted, and by which event."""

    since: int
    event: int
    is_going: bool = False
    """Whether the sweep has begun to remove its rows."""

    def encode(self) -> bytes:
        return _DEAD.pack(*self)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_DEAD.unpack(body))


class CountsRecord(NamedTuple):
    """`counters`: what a registry has; under id 0, what the store has of registries and content."""

    counts: Counts

    def encode(self) -> bytes:
        return _COUNTS.pack(*self.counts)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(Counts(*_COUNTS.unpack(body)))
