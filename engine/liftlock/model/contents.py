"""What there is: registries, repositories, tags, manifests and blobs; and where one expects it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Final, Generic, Literal, TypeVar

from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName

T = TypeVar("T")


class Absent(Enum):
    """Expect that a tag does not exist."""

    ABSENT = "absent"


class Anything(Enum):
    """Expect nothing of a tag."""

    ANYTHING = "anything"


ABSENT: Final = Absent.ABSENT
ANYTHING: Final = Anything.ANYTHING
Expected = Digest | Literal[Absent.ABSENT, Anything.ANYTHING]
"""Where a caller saw a tag: at a digest, nowhere, or it does not matter."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; `more` tells whether entries follow the last one."""

    entries: tuple[T, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a search found in the bounded part of everything that one call looks at.

    It may have found nothing there, and still go on.
    """

    entries: tuple[T, ...]
    cursor: str | None
    """From where the next call goes on; None: that was all."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a registry or repository has; a registry's numbers are the sums of its repositories'."""

    tags: int
    """How many there are."""
    manifests: int
    """How many it has, each once a repository."""
    blobs: int
    """How many it has, each once a repository."""
    bytes: int
    """The sizes of these blobs, whoever else has them; manifests do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """What a registry accepts."""

    allow_sparse: bool = False
    """Whether indexes and images may name what their repository lacks."""
    allow_delete: bool = True
    """Whether tags, manifests, blobs and repositories can be deleted, and moves can purge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """What becomes of a registry's settings; None: it stays as it is."""

    allow_sparse: bool | None = None
    allow_delete: bool | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether it says nothing of any setting."""
        return not self._said()

    def applied_to(self, settings: RegistrySettings) -> RegistrySettings:
        """Return the settings as they are then."""
        return replace(settings, **self._said())

    def _said(self) -> dict[str, bool]:
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry, when it was asked for."""

    name: str
    created_at: int
    """In ms since 1970 UTC."""
    created_by: str
    repositories: int
    """How many it has."""
    usage: Usage
    settings: RegistrySettings


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, when it was asked for."""

    name: RepositoryName
    version: int
    """Rises, by any amount, with every change of its name, tags or content."""
    created_at: int
    """In ms since 1970 UTC."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and where it points."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class ManifestContent:
    """A stored manifest, byte for byte as it was pushed."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BlobContent:
    """A stored blob, for `Engine.read_blob`."""

    digest: Digest
    size: int
    """In bytes."""
    locator: str
    """Where its file is: a name that is never used twice. Empty of a small blob, which has none."""
    content: bytes | None = None
    """The bytes of a small blob, where they were looked up with it."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a manifest push did."""

    digest: Digest
    subject: Digest | None
    """The manifest's subject, for the `OCI-Subject` header."""
    tags: tuple[str, ...]
    """All that it was pushed under, each once; they point at it, whether or not they did before."""


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that has a subject, as the referrers API describes it."""

    digest: Digest
    media_type: str
    size: int
    """Of the manifest itself, in bytes."""
    artifact_type: str | None
    annotations: Mapping[str, str] | None
    position: str
    """Where it stands in the list: the cursor for what follows."""
