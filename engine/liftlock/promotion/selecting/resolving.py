"""Names that a request names: resolved in one snapshot, each once, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from liftlock import links, names, registries
from liftlock.errors import LiftlockError, ManifestUnknown, NameInvalid, RepositoryUnknown, TagMoved
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import FoundRepository
from liftlock.model import RegistrySettings
from liftlock.oci.digest import Digest
from liftlock.oci.reference import NAME_CHARACTERS_MAX, RepositoryName, Selection, Target
from liftlock.promotion.forms import tag_filter
from liftlock.promotion.request import RequestItem
from liftlock.promotion.values import Leg, Route

P = ParamSpec("P")
T = TypeVar("T")


class Known:
    """What is known of the names that a request is about."""

    def __init__(self, txn: ReadTxn) -> None:
        self.txn = txn
        self.violations: list[LiftlockError] = []
        """All that is wrong with the request."""
        self.warnings: list[str] = []
        """What may not be what was meant."""
        self.routes: dict[Leg, Route] = {}
        self.registries: dict[str, int | None] = {}
        self.repositories: dict[RepositoryName, FoundRepository | None] = {}
        self.settings: dict[str, RegistrySettings] = {}
        """Of the registries on whose settings something depended."""

    def registry(self, name: str) -> int | None:
        """Return a registry's id; None, with a violation, if there is none."""
        try:
            return self.registries[name]
        except KeyError:
            number = self.attempt(names.get_registry, self.txn, name)
            self.registries[name] = number
            return number

    def settings_of(self, name: str) -> RegistrySettings:
        """Return the settings of a registry that is there."""
        if name not in self.settings:
            self.settings[name] = registries.settings_of(self.txn, name)
        return self.settings[name]

    def repository(self, name: RepositoryName) -> FoundRepository | None:
        """Return a repository; None if it, or its registry, is not there."""
        try:
            return self.repositories[name]
        except KeyError:
            registry = self.registry(name.registry)
            found = names.find_in(self.txn, registry, name.repository) if registry else None
            self.repositories[name] = found
            return found

    def source(self, name: RepositoryName) -> FoundRepository | None:
        """Return a repository that something is taken from; None, with a violation, if absent."""
        found = self.repository(name)
        if found is None and self.registries[name.registry] is not None:
            self.refuse(RepositoryUnknown(str(name)))
        return found

    def attempt(self, get: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what `get` returns; if it refuses, note that and return None."""
        try:
            return get(*args, **kwargs)
        except LiftlockError as error:
            self.refuse(error)
            return None

    def refuse(self, error: LiftlockError) -> None:
        """Note a violation, once."""
        if all(str(error) != str(known) for known in self.violations):
            self.violations.append(error)

    def is_too_long(self, name: RepositoryName) -> bool:
        """Tell, with a violation, whether a target's name is too long."""
        if len(name.registry) + 1 + len(name.repository) <= NAME_CHARACTERS_MAX:
            return False
        text = str(name)
        reason = f"the target would be longer than {NAME_CHARACTERS_MAX} characters"
        self.refuse(NameInvalid(text, reason))
        return True

    def route(self, leg: Leg) -> Route | None:
        """Return the route from a repository that is there; None if there is no target registry."""
        found = self.routes.get(leg)
        if found is None:
            source = self.repository(leg.source)
            registry = self.registry(leg.target.registry)
            if self.is_too_long(leg.target) or source is None or registry is None:
                return None
            found = Route(leg.source, source, leg.target, registry, self.repository(leg.target))
            self.routes[leg] = found
        return found

    def warn_of_index(
        self, leg: Leg, source: FoundRepository, digest: bytes, target_tag: str
    ) -> None:
        """Warn of a digest that is one platform of an index, and would be all of a tag."""
        held = keys.held_manifest(digest)
        (parents,) = links.parents_of(self.txn, source.id, (held,), limit=1)
        if parents:
            name = f"{leg.source}@{Digest(digest)}"
            self.warnings.append(
                f"{name} is one of the images of index {Digest(parents[0])}, and "
                f"{leg.target}:{target_tag} gets only that one; promote the index to have them all"
            )

    def image_digest(self, item: RequestItem, leg: Leg, source: FoundRepository) -> bytes:
        """Return what the source's tag or digest stands for; both must agree."""
        name, tag, wanted = leg.source, item.source.tag, item.source.digest
        if tag is None:
            assert wanted is not None, "an image is named by a tag or a digest"
            if not links.find_linked(self.txn, source.id, (wanted.key,)):
                raise ManifestUnknown(str(name), str(wanted))
            return wanted.key
        found = links.find_tag(self.txn, source.id, tag)
        if found is None:
            if isinstance(item.expect_source, Digest):
                raise TagMoved(f"{name}:{tag}", str(item.expect_source), "absent")
            raise ManifestUnknown(str(name), tag)
        if wanted is not None and wanted.key != found.digest:
            raise TagMoved(f"{name}:{tag}", str(wanted), str(Digest(found.digest)))
        return found.digest

    def globbed(self, source: FoundRepository, glob: str) -> Iterator[tuple[str, bytes]]:
        """Stream the tags that match a glob, and where they are."""
        prefix, matches = tag_filter(glob)
        for tag, record in links.iter_tags(self.txn, source.id, prefix):
            if matches(tag):
                yield tag, record.digest


def leg_of(source: Selection, target: Target) -> Leg:
    """Return whence and where an item goes that selects one repository."""
    assert source.repository is not None
    return Leg(
        RepositoryName(source.registry, source.repository),
        RepositoryName(target.registry, target.repository or source.repository),
    )


def leg_below(item: RequestItem, name: str) -> Leg:
    """Return whence and where one repository goes of an item that selects several."""
    source, target = item.source, item.target
    before = "" if source.repository is None else f"{source.repository}/"
    path = name if target.repository is None else f"{target.repository}/{name[len(before) :]}"
    return Leg(RepositoryName(source.registry, name), RepositoryName(target.registry, path))
