"""From what is asked for to images on routes and repositories as wholes, in one snapshot.

Names, globs and paths are resolved here, and nowhere else. What is wrong is collected, so that a
refusal names all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from liftlock import bearers, links, names
from liftlock.config import Limits
from liftlock.errors import (
    LiftlockError,
    ManifestUnknown,
    NameInvalid,
    NothingSelected,
    RepositoryUnknown,
    TagMoved,
)
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import FoundRepository
from liftlock.model import ABSENT, ANYTHING, Mode
from liftlock.oci.digest import Digest
from liftlock.oci.reference import (
    NAME_CHARACTERS_MAX,
    RepositoryName,
    Selection,
    Target,
    parse_tag,
)
from liftlock.promotion.chaining import drop_done_chains
from liftlock.promotion.closure import is_attachment
from liftlock.promotion.forms import faults, retagged, tag_filter
from liftlock.promotion.repeating import repeated_glob, repeated_tag, repeated_whole
from liftlock.promotion.request import PromotionRequest, RequestItem
from liftlock.promotion.routing import disappointments
from liftlock.promotion.values import Expectation, Leg, Pair, Repeated, Route, Whole

P = ParamSpec("P")
T = TypeVar("T")


class Selecting:
    """The selection of one request, and what it knows of the names concerned."""

    def __init__(self, txn: ReadTxn, request: PromotionRequest, limits: Limits) -> None:
        self.txn, self.request, self.limits = txn, request, limits
        self.is_move = request.mode is Mode.MOVE
        self.routes: dict[Leg, Route] = {}
        self.wholes: list[Whole] = []
        self.repeated: list[Repeated] = []
        self.listed_below: dict[tuple[int, str], tuple[str, ...]] = {}
        self.violations: list[LiftlockError] = []
        self.registries: dict[str, int | None] = {}
        self.repositories: dict[RepositoryName, FoundRepository | None] = {}

    def select(self) -> None:
        """Take in every item, or note why it cannot be."""
        self.violations += faults(self.request, self.limits)
        if self.violations:
            return
        for item in self.request.items:
            selection = item.source
            if selection.is_image:
                self.take_image(item, self.leg(selection, item.target))
            elif selection.is_deep or selection.repository is None:
                self.take_deep(item)
            else:
                self.take_repository(item, self.leg(selection, item.target), is_one=True)
        drop_done_chains(self.txn, self.routes, self.wholes, self.repeated)

    # --- names ------------------------------------------------------------------------------

    def leg(self, source: Selection, target: Target) -> Leg:
        """Return whence and where an item goes that selects one repository."""
        assert source.repository is not None
        return Leg(
            RepositoryName(source.registry, source.repository),
            RepositoryName(target.registry, target.repository or source.repository),
        )

    def registry(self, name: str) -> int | None:
        """Return a registry's id; None, with a violation, if there is none."""
        try:
            return self.registries[name]
        except KeyError:
            number = self.attempt(names.get_registry, self.txn, name)
            self.registries[name] = number
            return number

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

    # --- one image --------------------------------------------------------------------------

    def take_image(self, item: RequestItem, leg: Leg) -> None:
        """Take in one image, by its tag, its digest, or both."""
        tag = item.source.tag
        target_tag = item.target.tag or (retagged(item.retag, tag) if tag else None)
        self.is_too_long(leg.target)
        source = self.source(leg.source)
        target = self.repository(leg.target) if self.registry(leg.target.registry) else None
        old = None
        if target is not None and target_tag is not None:
            found = links.find_tag(self.txn, target.id, target_tag)
            old = found.digest if found else None
        if source and target and tag and self.is_move and old is not None:
            repeated = repeated_tag(
                self.txn, item, leg, source, target, tag, target_tag or tag, old
            )
            if repeated is not None:
                self.repeated.append(repeated)
                return
        digest = self.attempt(self.image_digest, item, leg, source) if source else None
        route = self.route(leg)
        if digest is None or route is None or source is None:
            # What else is wrong can be said without knowing what would come along.
            name = f"{leg.target}:{target_tag}" if target_tag else str(leg.target)
            expectations = [(item.expect_target, name, old)]
            if digest is not None:
                source_name = f"{leg.source}:{tag}" if tag else str(leg.source)
                expectations.insert(0, (item.expect_source, source_name, digest))
            for error in disappointments(expectations):
                self.refuse(error)
            return
        if target_tag is None and target is not None:
            is_there = links.find_linked(self.txn, target.id, (digest,))
            old = digest if is_there else None
        if item.expect_source is not ANYTHING or item.expect_target is not ANYTHING:
            route.expectations[len(route.pairs)] = Expectation(
                item.expect_source, item.expect_target
            )
        route.pairs.append(Pair(tag or "", target_tag or "", digest, old))

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

    # --- repositories -----------------------------------------------------------------------

    def take_deep(self, item: RequestItem) -> None:
        """Take in every repository below a path."""
        selection = item.source
        registry = self.registry(selection.registry)
        if self.registry(item.target.registry) is None or registry is None:
            return
        before = "" if selection.repository is None else f"{selection.repository}/"
        found = tuple(names.iter_below(self.txn, registry, before))
        self.listed_below[registry, before] = found
        taken = [
            self.take_repository(item, self.leg_below(item, name), is_one=False) for name in found
        ]
        if not any(taken) and not (self.is_move and self.repeat_deep(item, registry, before)):
            what = f"no tag that {item.tags!r:.80} selects" if found else "no repository"
            self.refuse(NothingSelected(str(selection), what))

    def leg_below(self, item: RequestItem, name: str) -> Leg:
        """Return whence and where one repository goes of an item that selects several."""
        source, target = item.source, item.target
        before = "" if source.repository is None else f"{source.repository}/"
        path = name if target.repository is None else f"{target.repository}/{name[len(before) :]}"
        return Leg(RepositoryName(source.registry, name), RepositoryName(target.registry, path))

    def repeat_deep(self, item: RequestItem, registry: int, before: str) -> bool:
        """Note what a move took before of what is asked for; tell whether it was anything."""
        known = len(self.repeated)
        for name in bearers.iter_names(self.txn, registry, before):
            leg = self.leg_below(item, name)
            source, target = self.repository(leg.source), self.repository(leg.target)
            home = self.registry(leg.target.registry)
            if item.tags is None:
                if source is None and home is not None:
                    repeated = repeated_whole(self.txn, leg, registry, home)
                    self.repeated += [repeated] if repeated is not None else []
            elif source is not None and isinstance(item.tags, str):
                matches = tag_filter(item.tags)[1]
                self.repeated += repeated_glob(self.txn, leg, source, target, matches)
            elif source is not None:
                for tag in dict.fromkeys(item.tags):
                    self.was_moved(item, leg, source, target, tag)
        return len(self.repeated) > known

    def take_repository(self, item: RequestItem, leg: Leg, *, is_one: bool) -> bool:
        """Take in a repository, or some of its tags; tell whether anything was."""
        if item.tags is None:
            return self.take_whole(item, leg)
        source = self.source(leg.source)
        route = self.route(leg) if source else None
        if source is None or route is None:
            return False
        if isinstance(item.tags, str):
            found = list(self.globbed(source, item.tags))
        else:
            found = self.listed(source, item, leg, route, is_one=is_one)
        if not found:
            if isinstance(item.tags, str) and is_one:
                self.miss_glob(leg, source, route, item.tags)
            if not route.pairs:
                self.routes.pop(leg, None)
            return False
        self.take_tags(route, item, found)
        return True

    def take_tags(
        self, route: Route, item: RequestItem, found: Sequence[tuple[str, bytes]]
    ) -> None:
        """Take in tags; an attachment tag that a glob has found goes by its own name."""
        mains = []
        for tag, digest in found:
            if isinstance(item.tags, str) and is_attachment(tag):
                route.loose[tag] = digest
            else:
                target_tag = retagged(item.retag, tag)
                if target_tag != tag and self.attempt(parse_tag, target_tag) is None:
                    continue
                mains.append((tag, target_tag, digest))
        olds: Sequence[bytes | None] = [None] * len(mains)
        if route.target is not None:
            records = links.find_tags(self.txn, route.target.id, [target for _, target, _ in mains])
            olds = [record.digest if record else None for record in records]
        route.pairs += [
            Pair(tag, target, digest, old)
            for (tag, target, digest), old in zip(mains, olds, strict=True)
        ]

    def globbed(self, source: FoundRepository, glob: str) -> Iterator[tuple[str, bytes]]:
        """Stream the tags that match a glob, and where they are."""
        prefix, matches = tag_filter(glob)
        for tag, record in links.iter_tags(self.txn, source.id, prefix):
            if matches(tag):
                yield tag, record.digest

    def listed(
        self, source: FoundRepository, item: RequestItem, leg: Leg, route: Route, *, is_one: bool
    ) -> list[tuple[str, bytes]]:
        """Return tags by name, and where they are; of a single repository all must be there."""
        assert item.tags is not None
        tags = list(dict.fromkeys(item.tags))
        found = []
        for tag, record in zip(tags, links.find_tags(self.txn, source.id, tags), strict=True):
            if record is not None:
                found.append((tag, record.digest))
            elif is_one and not self.was_moved(item, leg, source, route.target, tag):
                self.refuse(ManifestUnknown(str(leg.source), tag))
        return found

    def was_moved(
        self,
        item: RequestItem,
        leg: Leg,
        source: FoundRepository,
        target: FoundRepository | None,
        tag: str,
    ) -> bool:
        """Tell, and note, whether a tag that is not there was moved by this request before."""
        if not self.is_move or target is None:
            return False
        target_tag = retagged(item.retag, tag)
        there = links.find_tag(self.txn, target.id, target_tag)
        if there is None:
            return False
        repeated = repeated_tag(self.txn, item, leg, source, target, tag, target_tag, there.digest)
        if repeated is not None:
            self.repeated.append(repeated)
        return repeated is not None

    def miss_glob(self, leg: Leg, source: FoundRepository, route: Route, glob: str) -> None:
        """Note that no tag matches, unless a move of just these was the last that happened."""
        repeated = (
            repeated_glob(self.txn, leg, source, route.target, tag_filter(glob)[1])
            if self.is_move
            else []
        )
        if repeated:
            self.repeated += repeated
        else:
            self.refuse(NothingSelected(str(leg.source), f"no tag that matches {glob!r:.80}"))

    def take_whole(self, item: RequestItem, leg: Leg) -> bool:
        """Take in a repository as a whole."""
        registry = self.registry(leg.target.registry)
        source = self.repository(leg.source)
        if source is None:
            home = self.registry(leg.source.registry)
            repeated = (
                repeated_whole(self.txn, leg, home, registry)
                if self.is_move and home is not None and registry is not None
                else None
            )
            if repeated is not None:
                self.repeated.append(repeated)
                return True
            self.source(leg.source)
            return False
        if self.is_too_long(leg.target) or registry is None:
            return False
        target = self.repository(leg.target)
        if target is not None and item.expect_target is ABSENT:
            self.refuse(TagMoved(str(leg.target), "absent", "there"))
        self.wholes.append(Whole(leg.source, source, leg.target, registry, target))
        return True


def select(txn: ReadTxn, request: PromotionRequest, limits: Limits) -> Selecting:
    """Resolve `request` in a snapshot; what is wrong is in the `violations` of what is returned."""
    selecting = Selecting(txn, request, limits)
    selecting.select()
    return selecting
