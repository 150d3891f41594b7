"""From what is asked for to images on routes and repositories as wholes, in one snapshot.

Names and globs are resolved in `resolving`, and paths here; nowhere else. What is wrong is
collected, so that a refusal names all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from liftlock import links, names
from liftlock.config import Limits
from liftlock.errors import ManifestUnknown, NothingSelected, PromotionInvalid, TagMoved
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import FoundRepository
from liftlock.model import ABSENT, ANYTHING, Mode
from liftlock.oci.reference import parse_tag
from liftlock.promotion.expecting import unmet
from liftlock.promotion.forms import item_faults, retagged, size_fault, tag_filter
from liftlock.promotion.request import PromotionRequest, RequestItem
from liftlock.promotion.selecting.chaining import drop_done_chains
from liftlock.promotion.selecting.repeating import (
    repeated_below,
    repeated_glob,
    repeated_listed,
    repeated_tag,
    repeated_whole,
)
from liftlock.promotion.selecting.resolving import Known, leg_below, leg_of
from liftlock.promotion.values import ExpectedPair, Leg, Pair, Repeated, Route, Whole


class Selecting:
    """The selection of one request."""

    def __init__(self, txn: ReadTxn, request: PromotionRequest, limits: Limits) -> None:
        self.txn, self.request, self.limits = txn, request, limits
        self.is_move = request.mode is Mode.MOVE
        self.wholes: list[Whole] = []
        self.repeated: list[Repeated] = []
        self.listed_below: dict[tuple[int, str], tuple[str, ...]] = {}
        self.known = Known(txn)

    def select(self) -> None:
        """Take in every item, or note why it cannot be."""
        request = self.request
        fault = None if request.faults else size_fault(len(request.items), self.limits)
        if fault is not None:
            self.known.refuse(fault)
            return
        if request.purge and not self.is_move:
            self.known.refuse(PromotionInvalid("purge goes with a move: a copy takes nothing away"))
        self.known.violations += request.faults
        for item in request.items:
            selection = item.source
            wrong = item_faults(item, request.mode)
            if wrong:
                # The others are judged all the same.
                self.known.violations += wrong
            elif selection.is_image:
                self.take_image(item, leg_of(selection, item.target))
            elif selection.is_deep or selection.repository is None:
                self.take_deep(item)
            else:
                self.take_repository(item, leg_of(selection, item.target), is_one=True)
        drop_done_chains(self.txn, request.mode, self.known.routes, self.wholes, self.repeated)
        self.repeated = list({(one.source, one.target): one for one in self.repeated}.values())

    # --- one image --------------------------------------------------------------------------

    def take_image(self, item: RequestItem, leg: Leg) -> None:
        """Take in one image, by its tag, its digest, or both."""
        tag = item.source.tag
        target_tag = item.target.tag or (retagged(item.retag, tag) if tag else None)
        self.known.is_too_long(leg.target)
        source = self.known.source(leg.source)
        target = (
            self.known.repository(leg.target) if self.known.registry(leg.target.registry) else None
        )
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
        digest = self.known.attempt(self.known.image_digest, item, leg, source) if source else None
        route = self.known.route(leg)
        if digest is None or route is None or source is None:
            # What else is wrong can be said without knowing what would come along.
            name = f"{leg.target}:{target_tag}" if target_tag else str(leg.target)
            expectations = [(item.expect_target, name, old)]
            if digest is not None:
                source_name = f"{leg.source}:{tag}" if tag else str(leg.source)
                expectations.insert(0, (item.expect_source, source_name, digest))
            for error in unmet(expectations):
                self.known.refuse(error)
            return
        if target_tag is None and target is not None:
            is_there = links.find_linked(self.txn, target.id, (digest,))
            old = digest if is_there else None
        if item.expect_source is not ANYTHING or item.expect_target is not ANYTHING:
            route.expectations[len(route.pairs)] = ExpectedPair(
                item.expect_source, item.expect_target
            )
        if tag is None and target_tag:
            self.known.warn_of_index(leg, source, digest, target_tag)
        route.pairs.append(Pair(tag or "", target_tag or "", digest, old))

    # --- repositories -----------------------------------------------------------------------

    def take_deep(self, item: RequestItem) -> None:
        """Take in every repository below a path."""
        selection = item.source
        registry = self.known.registry(selection.registry)
        if self.known.registry(item.target.registry) is None or registry is None:
            return
        before = "" if selection.repository is None else f"{selection.repository}/"
        found = tuple(names.iter_below(self.txn, registry, before))
        self.listed_below[registry, before] = found
        taken = [self.take_repository(item, leg_below(item, name), is_one=False) for name in found]
        if any(taken):
            return
        repeated = list(repeated_below(self.known, item, registry, before)) if self.is_move else []
        self.repeated += repeated
        if not repeated:
            what = f"no tag that {item.tags!r:.80} selects" if found else "no repository"
            self.known.refuse(NothingSelected(str(selection), what, selection.registry))

    def take_repository(self, item: RequestItem, leg: Leg, *, is_one: bool) -> bool:
        """Take in a repository, or some of its tags; tell whether anything was."""
        if item.tags is None:
            return self.take_whole(item, leg)
        source = self.known.source(leg.source)
        route = self.known.route(leg) if source else None
        if source is None or route is None:
            return False
        if isinstance(item.tags, str):
            found = list(self.known.globbed(source, item.tags))
        else:
            found = self.listed(source, item, leg, route, is_one=is_one)
        if not found:
            if isinstance(item.tags, str) and is_one:
                self.miss_glob(leg, source, route, item.tags)
            if not route.pairs:
                self.known.routes.pop(leg, None)
            return False
        self.take_tags(route, item, found)
        return True

    def take_tags(
        self, route: Route, item: RequestItem, found: Sequence[tuple[str, bytes]]
    ) -> None:
        """Take in tags; an attachment tag that a glob has found goes by its own name."""
        mains = []
        for tag, digest in found:
            if isinstance(item.tags, str) and links.is_attachment(tag):
                route.loose[tag] = digest
            else:
                target_tag = retagged(item.retag, tag)
                if target_tag != tag and self.known.attempt(parse_tag, target_tag) is None:
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
                self.known.refuse(ManifestUnknown(str(leg.source), tag))
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
        repeated = repeated_listed(self.txn, item, leg, source, target, tag)
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
            name = str(leg.source)
            self.known.refuse(NothingSelected(name, f"no tag that matches {glob!r:.80}", name))

    def take_whole(self, item: RequestItem, leg: Leg) -> bool:
        """Take in a repository as a whole."""
        registry = self.known.registry(leg.target.registry)
        source = self.known.repository(leg.source)
        if source is None:
            home = self.known.registry(leg.source.registry)
            repeated = (
                repeated_whole(self.txn, leg, home, registry)
                if self.is_move and home is not None and registry is not None
                else None
            )
            if repeated is not None:
                self.repeated.append(repeated)
                return True
            self.known.source(leg.source)
            return False
        if self.known.is_too_long(leg.target) or registry is None:
            return False
        target = self.known.repository(leg.target)
        if target is not None and item.expect_target is ABSENT:
            self.known.refuse(TagMoved(str(leg.target), "absent", "there"))
        self.wholes.append(Whole(leg.source, source, leg.target, registry, target))
        return True


def select(txn: ReadTxn, request: PromotionRequest, limits: Limits) -> Selecting:
    """Resolve `request` in a snapshot; what is wrong with it is in `known.violations`."""
    selecting = Selecting(txn, request, limits)
    selecting.select()
    return selecting
