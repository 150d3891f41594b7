"""Where each image of an archive goes: from what it is called there, and where it is wanted.

An archive calls an image by a tag alone, or in full: with a host, as docker and podman do, or as
Liftlock does, `registry/repository:tag`. What `to` says takes the place of the host or registry,
and, if it names a repository or a tag, of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import LiftlockError, NameInvalid, TargetsCollide, TransferInvalid
from liftlock.oci.digest import Digest, referrers_tag
from liftlock.oci.reference import RepositoryName, Target, parse_tag
from liftlock.promotion.deciding import refuse
from liftlock.promotion.forms import retagged, tag_filter
from liftlock.transfer.contents import Contents, Named
from liftlock.transfer.imagenames import Name, name_of

_SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is to be brought in, where to, and what is taken for granted."""

    to: Target | None = None
    """None: images are called in full, as an export of several repositories calls them."""
    tags: str | tuple[str, ...] | None = None
    """A glob, or tags by name: only those, as the archive calls them. None: all it has."""
    retag: str | None = None
    """A template for the tags, with `{tag}` for the archive's."""
    overwrite: bool = False
    """Whether tags that are there may be moved."""
    allow_sparse: bool = False
    """Whether images may name what neither archive nor target has: that this is meant."""


class Set(NamedTuple):
    """A tag that an import sets."""

    digest: bytes
    source: str
    is_attachment: bool


@dataclass(slots=True)
class Place:
    """What goes to one repository."""

    tags: dict[str, Set] = field(default_factory=dict)
    untagged: dict[bytes, str] = field(default_factory=dict)
    """Manifests that come for their own sake, and get no tag; and what the archive calls them."""
    members: dict[bytes, None] = field(default_factory=dict)
    """All manifests that go there."""


def place_all(
    contents: Contents, request: ImportRequest, limits: Limits
) -> dict[RepositoryName, Place]:
    """Decide which images go where, with all that they bring.

    Raises:
        LiftlockError: names or tags do not fit, or it is more than one transaction may do; the
            gravest speaks for all that is wrong.
    """
    if request.to is not None and request.to.tag is not None and request.retag is not None:
        reason = f"{request.to} names its tag, and a template makes another; give one of them"
        raise TransferInvalid("import", reason)
    placing = _Placing(contents, request)
    for image in contents.images:
        placing.take(image)
    refuse(placing.violations)
    if request.to is not None and request.to.tag is not None:
        placing.give_one_tag(request.to.tag)
    left = limits.transaction_records_max
    for name, place in placing.places.items():
        # A small archive can name one index of many images in many repositories.
        left -= _follow(contents, name, place, placing, left)
        if left < 0:
            most = f"{limits.transaction_records_max} places (transaction_records_max)"
            reason = f"its manifests go to more than {most}; import it in parts, with --tags"
            raise TransferInvalid("import", reason)
    kept = {n: place for n, place in placing.places.items() if place.tags or place.untagged}
    if not kept:
        raise TransferInvalid("import", placing.nothing())
    return kept


class _Placing:
    def __init__(self, contents: Contents, request: ImportRequest) -> None:
        self.contents = contents
        self.request = request
        self.violations: list[LiftlockError] = []
        self.places: dict[RepositoryName, Place] = {}
        self.attachments: dict[RepositoryName, dict[str, Set]] = {}
        self.referrers: dict[bytes, list[bytes]] = {}
        """Of each subject, the manifests of the archive that refer to it."""
        self.homes: dict[bytes, set[RepositoryName] | None] = {}
        """Where a listed manifest may come along to; None: wherever what it refers to goes."""
        self.is_chosen = _chooser(request.tags)
        for digest, held in contents.manifests.items():
            if held.edges.subject is not None:
                self.referrers.setdefault(held.edges.subject, []).append(digest)

    def take(self, image: Named) -> None:
        """Take an image in, or note why it cannot be."""
        try:
            name = name_of(image.name, self.contents.kind)
            is_bare = not name.tag
            follows = is_bare and self._follows(image.digest)
            # What is called by nothing and refers to another goes where that goes.
            if follows and not name.path:
                self.homes[image.digest] = None
                return
            where = self._where(image, name)
            if not is_bare:
                parse_tag(name.tag)
        except LiftlockError as error:
            self.violations.append(error)
            return
        homes = self.homes.setdefault(image.digest, set())
        if homes is not None:
            homes.add(where)
        place = self.places.setdefault(where, Place())
        if follows:
            return
        if is_bare:
            if self.request.tags is None:
                source = image.name or str(Digest(image.digest))
                place.untagged[image.digest] = source
        elif links.is_attachment(name.tag):
            one = Set(image.digest, image.name, is_attachment=True)
            self._set(where, self.attachments.setdefault(where, {}), name.tag, one)
        elif self.is_chosen(name.tag):
            self._take_tag(where, place, name.tag, image)

    def give_one_tag(self, tag: str) -> None:
        """Give the one image that there is the tag that was asked for."""
        ((_, place),) = self.places.items() if len(self.places) == 1 else ((None, Place()),)
        digests = {one.digest: one.source for one in place.tags.values()} | place.untagged
        if len(digests) != 1:
            shown = _shown(sorted(digests.values()))
            said = f"the archive has images {shown}" if digests else "the archive has none"
            raise TransferInvalid(
                "import",
                f"{self.request.to} names one tag, and {said}; choose one with --tags, or leave "
                "the tag out",
            )
        ((digest, source),) = digests.items()
        place.tags = {tag: Set(digest, source, is_attachment=False)}
        place.untagged = {}

    def nothing(self) -> str:
        """Say why nothing is brought in."""
        tags = {name_of(image.name, self.contents.kind).tag for image in self.contents.images}
        return f"{self.request.tags!r:.120} selects no tag; the archive has {_shown(sorted(tags))}"

    def _follows(self, digest: bytes) -> bool:
        """Tell whether a manifest refers to another of the archive."""
        return self.contents.manifests[digest].edges.subject in self.contents.manifests

    def _where(self, image: Named, name: Name) -> RepositoryName:
        to = self.request.to
        if to is not None and to.repository is not None:
            return RepositoryName(to.registry, to.repository)
        registry = name.registry if to is None else to.registry
        if not registry or not name.path:
            called = f"{image.name!r:.120}" if image.name else f"{Digest(image.digest)}, unnamed,"
            raise TransferInvalid(
                "import",
                f"{called} does not say which {'repository' if registry else 'registry'} it goes "
                "to; say where with --to registry/repository[:tag]",
            )
        return RepositoryName.parse(f"{registry}/{name.path}")

    def _take_tag(self, where: RepositoryName, place: Place, tag: str, image: Named) -> None:
        target = retagged(self.request.retag, tag)
        try:
            parse_tag(target)
        except NameInvalid as error:
            self.violations.append(error)
            return
        self._set(where, place.tags, target, Set(image.digest, image.name, is_attachment=False))

    def _set(self, where: RepositoryName, tags: dict[str, Set], tag: str, one: Set) -> None:
        known = tags.setdefault(tag, one)
        if known.digest != one.digest:
            self.violations.append(TargetsCollide(f"{where}:{tag}", (known.source, one.source)))


def _chooser(tags: str | Collection[str] | None) -> Callable[[str], bool]:
    if tags is None:
        return lambda _: True
    if isinstance(tags, str):
        prefix, matches = tag_filter(tags)
        return lambda tag: tag.startswith(prefix) and matches(tag)
    return frozenset(tags).__contains__


def _follow(
    contents: Contents, name: RepositoryName, place: Place, placing: _Placing, most: int
) -> int:
    """Find all manifests that go to a repository, with what is attached; return how many.

    It ends early if they are more than `most`.
    """
    attachments = placing.attachments.get(name, {})
    takes_all = placing.request.tags is None and (
        placing.request.to is None or placing.request.to.tag is None
    )
    if takes_all:
        place.tags |= {tag: one for tag, one in attachments.items() if tag not in place.tags}
    by_stem: dict[str, list[tuple[str, Set]]] = {}
    for tag, one in attachments.items():
        by_stem.setdefault(tag.partition(".")[0], []).append((tag, one))
    level = [*(one.digest for one in place.tags.values()), *place.untagged]
    while level and len(place.members) <= most:
        place.members.update(dict.fromkeys(level))
        beyond: dict[bytes, None] = {}
        for digest in level:
            beyond.update(dict.fromkeys(_beyond(contents, digest, name, placing)))
            for tag, one in by_stem.get(referrers_tag(digest), ()):
                place.tags.setdefault(tag, one)
                beyond[one.digest] = None
        level = [digest for digest in beyond if digest not in place.members]
    return len(place.members)


def _beyond(
    contents: Contents, digest: bytes, name: RepositoryName, placing: _Placing
) -> Iterator[bytes]:
    """Yield what a manifest brings along to a repository, of what the archive has."""
    for child in contents.manifests[digest].edges.children:
        if child in contents.manifests:
            yield child
    for referrer in placing.referrers.get(digest, ()):
        homes = placing.homes.get(referrer)
        if homes is None or name in homes:
            yield referrer


def _shown(names: Iterable[str]) -> str:
    listed = [name or "unnamed" for name in names]
    more = f" and {len(listed) - _SHOWN_MAX} more" if len(listed) > _SHOWN_MAX else ""
    return ", ".join(listed[:_SHOWN_MAX]) + more
