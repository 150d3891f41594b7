"""Names: the grammar of the distribution spec, and our one rule on top.

A name is `<registry>/<repository>`: the first path component is the registry. A registry has at
most 64 characters, `registry/repository` together at most 255, so that every key fits LMDB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from liftlock.errors import NameIncomplete, NameInvalid
from liftlock.oci.digest import Digest

REGISTRY_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 255
TAG_CHARACTERS_MAX: Final = 128

# distribution-spec, "Pulling manifests": <name> and <reference>.
COMPONENT_PATTERN: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
TAG_PATTERN: Final = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_REGISTRY: Final = re.compile(COMPONENT_PATTERN)
_PATH: Final = re.compile(rf"{COMPONENT_PATTERN}(?:/{COMPONENT_PATTERN})*")
_TAG: Final = re.compile(TAG_PATTERN)
_GRAMMAR: Final = "lower-case letters and digits, joined by single . or _, by __ or by dashes"


class RepositoryName(NamedTuple):
    """Where images live: a repository of a registry."""

    registry: str
    repository: str

    @classmethod
    def parse(cls, text: str) -> RepositoryName:
        """Read `<registry>/<repository>`.

        Raises:
            NameInvalid: it breaks the grammar or a length limit.
            NameIncomplete: it is a registry's name alone.

        Source: distribution-spec, "Pulling manifests"; that the first component is the registry,
        and the limits, are ours.
        """
        if len(text) > NAME_CHARACTERS_MAX:
            raise NameInvalid(text, f"it is longer than {NAME_CHARACTERS_MAX} characters")
        if ":" in text:
            what = "the host" if "/" in text.partition(":")[2] else "the tag"
            raise NameInvalid(text, f"names are <registry>/<repository>; leave out {what}")
        if not _PATH.fullmatch(text):
            raise NameInvalid(text, f"it must be path components, joined by /, of {_GRAMMAR}")
        registry, slash, repository = text.partition("/")
        if not slash:
            raise NameIncomplete(text)
        return cls(parse_registry(registry), repository)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image as a caller names it: by tag, by digest, or by both, which must then agree."""

    name: RepositoryName
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `<registry>/<repository>[:<tag>][@<digest>]`.

        Raises:
            NameInvalid, NameIncomplete: the name or the tag is at fault.
            DigestInvalid: the digest is.

        Source: distribution-spec, "Pulling manifests".
        """
        path, at, digest = text.partition("@")
        name, tag = _split_tag(path)
        return cls(
            RepositoryName.parse(name),
            parse_tag(tag) if tag is not None else None,
            Digest.parse(digest) if at else None,
        )

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


class Selection(NamedTuple):
    """What a promotion takes: an image, a repository, or all repositories below a path."""

    registry: str
    repository: str | None = None
    """None: every repository of the registry."""
    is_deep: bool = False
    """Whether the repositories *below* `repository` are meant, and not it."""
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read `<registry>[/<repository>][/**]`, or an image as `Reference.parse` does.

        Raises:
            NameInvalid: the name or the tag is at fault.
            DigestInvalid: the digest is.
        """
        path = text.removesuffix("/**")
        if "/" not in path and ":" not in path and "@" not in path:
            return cls(parse_registry(path))
        if path is not text:
            name = RepositoryName.parse(path)
            return cls(name.registry, name.repository, is_deep=True)
        return cls.of(Reference.parse(text))

    @classmethod
    def of(cls, image: Reference) -> Selection:
        """Select an image, or with neither tag nor digest the repository."""
        name = image.name
        return cls(name.registry, name.repository, False, image.tag, image.digest)  # noqa: FBT003

    @property
    def is_image(self) -> bool:
        """Whether it names one image."""
        return self.tag is not None or self.digest is not None

    def __str__(self) -> str:
        path = self.registry if self.repository is None else f"{self.registry}/{self.repository}"
        deep = "/**" if self.is_deep else ""
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{path}{deep}{tag}{digest}"


class Target(NamedTuple):
    """Where a promotion goes; what is left out is the source's."""

    registry: str
    repository: str | None = None
    tag: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `<registry>[/<repository>][:<tag>]`.

        Raises:
            NameInvalid: a part breaks the grammar, or a digest was given.
        """
        text = text.removesuffix("/**")
        if "@" in text:
            raise NameInvalid(text, "a target is <registry>[/<repository>][:<tag>], no digest")
        path, tag = _split_tag(text)
        tag = parse_tag(tag) if tag is not None else None
        if "/" not in path:
            return cls(parse_registry(path), None, tag)
        name = RepositoryName.parse(path)
        return cls(name.registry, name.repository, tag)

    def __str__(self) -> str:
        path = self.registry if self.repository is None else f"{self.registry}/{self.repository}"
        return path if self.tag is None else f"{path}:{self.tag}"


def parse_registry(text: str) -> str:
    """Return `text` if it can name a registry.

    Raises:
        NameInvalid: it is no path component, or has more than `REGISTRY_CHARACTERS_MAX`.
    """
    if len(text) > REGISTRY_CHARACTERS_MAX:
        raise NameInvalid(text, f"a registry has at most {REGISTRY_CHARACTERS_MAX} characters")
    if not _REGISTRY.fullmatch(text):
        raise NameInvalid(text, f"a registry is one path component of {_GRAMMAR}")
    return text


def parse_tag(text: str) -> str:
    """Return `text` if it can be a tag.

    Raises:
        NameInvalid: it breaks the grammar, or has more than `TAG_CHARACTERS_MAX`.

    Source: distribution-spec, "Pulling manifests".
    """
    if len(text) > TAG_CHARACTERS_MAX:
        raise NameInvalid(text, f"a tag has at most {TAG_CHARACTERS_MAX} characters")
    if not _TAG.fullmatch(text):
        raise NameInvalid(
            text, "a tag is letters, digits, . _ and -, and begins with neither . nor -"
        )
    return text


def _split_tag(text: str) -> tuple[str, str | None]:
    # A colon before the last slash would be a host's port; names here have no host.
    slash = text.rfind("/")
    name, colon, tag = text[slash + 1 :].partition(":")
    return text[: slash + 1] + name, tag if colon else None
