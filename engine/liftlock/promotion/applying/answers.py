"""Promotions as people are told of them while they are made or, in a dry run, would be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from liftlock.history import Act
from liftlock.metadata.contract import Instant
from liftlock.model import Mode, Outcome, Promotion, PromotionItem, Tally
from liftlock.oci.digest import Digest
from liftlock.promotion.values import Leg, Part, Plan, Repeated, Route, TagChange, Way, Whole

_NO_TALLY: Final = Tally(0, 0, 0, 0, 0, 0)


class Telling:
    """What a promotion is told by, collected while it is decided or written."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._items: dict[str, PromotionItem] = {}
        self._manifests: list[Digest] = []
        self._referrers: list[Digest] = []
        self._tallies: dict[Leg, Tally] = {}
        copies = [whole for whole in plan.wholes if whole.way is Way.COPY]
        self.linked = sum([whole.source.record.counts.manifests for whole in copies])
        """Manifests that were newly linked."""
        self._purged = 0
        self._warnings = list(plan.warnings)

    def tell(self, route: Route, part: Part) -> None:
        """Take in what happens to some images."""
        brought = part.bringing.manifests
        self.linked += len(brought)
        self._purged += len(part.purged)
        self._warnings += part.warnings
        if route.is_whole:
            leg = Leg(route.source_name, route.target_name)
            self._tallies[leg] = _added(self.tally(route), part)
            return
        # Of an attachment tag that two parts set, the last one counts.
        self._items.update((item.target, item) for item in _part_items(route, part))
        self._referrers += [Digest(member.digest) for member in brought if member.is_referrer]
        if self._plan.parts is not None:
            self._manifests += [Digest(member.digest) for member in brought]

    def tally(self, route: Route) -> Tally:
        """Return the counts of a repository that is merged."""
        return self._tallies.get(Leg(route.source_name, route.target_name), _NO_TALLY)

    def promotion(self, act: Act, at: Instant, number: int | None, records: int) -> Promotion:
        """Return what all of it comes to."""
        plan = self._plan
        return Promotion(
            id=number,
            at=at,
            by=act.by,
            mode=plan.request.mode,
            comment=act.comment,
            items=(*self._items.values(), *self._other_items()),
            linked=self.linked,
            manifests=tuple(self._manifests),
            referrers=tuple(self._referrers),
            records=records,
            changed=True,
            purged=self._purged,
            warnings=tuple(self._warnings),
            plan=plan.hash,
            absent=tuple(map(Digest, plan.absent)),
            absent_more=plan.absent_more,
        )

    def _other_items(self) -> Iterator[PromotionItem]:
        plan = self._plan
        for whole in plan.wholes:
            tally = self.tally(whole.route) if whole.route is not None else whole_tally(whole)
            is_taken = plan.request.mode is Mode.MOVE and whole.way in {Way.RENAME, Way.MERGE}
            changes = whole.way is not Way.STAY
            yield _whole_item(whole, tally, changes=changes, is_taken=is_taken)
        for item in plan.repeated:
            yield _repeated_item(item)


def told(route: Route, part: Part, act: Act, at: Instant, number: int, records: int) -> Promotion:
    """Return the answer of a copy that is one part of one route."""
    brought = part.bringing.manifests
    return Promotion(
        id=number,
        at=at,
        by=act.by,
        mode=Mode.COPY,
        comment=act.comment,
        items=tuple(_part_items(route, part)),
        linked=len(brought),
        manifests=tuple([Digest(member.digest) for member in brought]),
        referrers=tuple([Digest(member.digest) for member in brought if member.is_referrer]),
        records=records,
        changed=True,
    )


def unchanged(plan: Plan, act: Act, at: Instant) -> Promotion:
    """Answer a promotion that changes nothing like the one that did it, if one did."""
    done = plan.answered_by.record if plan.answered_by else None
    items = [item for route in plan.routes for item in _same_items(route)]
    for whole in plan.wholes:
        tags = whole.source.record.counts.tags
        items.append(_whole_item(whole, Tally(tags, 0, 0, 0, tags, 0), changes=False))
    items += map(_repeated_item, plan.repeated)
    return Promotion(
        id=done.promotion if done else None,
        at=done.at if done else at,
        by=done.by if done else act.by,
        mode=plan.request.mode,
        comment=done.comment if done else act.comment,
        items=tuple(items),
        linked=0,
        manifests=(),
        referrers=(),
        records=0,
        changed=False,
        warnings=plan.warnings,
        plan=plan.hash,
    )


def _same_items(route: Route) -> Iterator[PromotionItem]:
    if route.is_whole:
        return
    source, target = str(route.source_name), str(route.target_name)
    for pair in route.pairs:
        same = Outcome.UNCHANGED
        change = TagChange(pair.target_tag, pair.digest, pair.old, pair.source_tag, same, False)  # noqa: FBT003
        yield _item(source, target, change, ())


def _part_items(route: Route, part: Part) -> list[PromotionItem]:
    """Return what happens to each tag of some images."""
    source, target = str(route.source_name), str(route.target_name)
    taken = part.leaving or {removal.tag for removal in part.removes}
    return [_item(source, target, change, taken) for change in part.sets]


def _repeated_item(item: Repeated) -> PromotionItem:
    """Return an item that was done before."""
    digest = Digest(item.digest) if item.digest else None
    return PromotionItem(item.source, item.target, digest, digest, Outcome.UNCHANGED)


def _whole_item(
    whole: Whole, tally: Tally, *, changes: bool, is_taken: bool = False
) -> PromotionItem:
    """Return what happens to a repository as a whole."""
    outcome = Outcome.CREATE if whole.way in {Way.COPY, Way.RENAME} else Outcome.EXTEND
    return PromotionItem(
        str(whole.source_name),
        str(whole.target_name),
        None,
        None,
        outcome if changes else Outcome.UNCHANGED,
        taken=is_taken,
        tally=tally,
    )


def whole_tally(whole: Whole) -> Tally:
    """Return the counts of a repository that goes as it is."""
    counts = whole.source.record.counts
    if whole.way is Way.STAY:
        return Tally(counts.tags, 0, 0, 0, counts.tags, 0)
    return Tally(counts.tags, counts.tags, 0, 0, 0, counts.manifests)


def _added(tally: Tally, part: Part) -> Tally:
    """Add what happens to some images to the counts of a repository that is merged."""
    outcomes = [change.outcome for change in part.sets if change.tag]
    return Tally(
        tally.tags + len(outcomes),
        tally.created + outcomes.count(Outcome.CREATE),
        tally.overwritten + outcomes.count(Outcome.OVERWRITE),
        tally.extended + outcomes.count(Outcome.EXTEND),
        tally.unchanged + outcomes.count(Outcome.UNCHANGED),
        tally.manifests + len(part.bringing.manifests),
    )


def _item(source: str, target: str, change: TagChange, taken: Collection[str]) -> PromotionItem:
    digest = Digest(change.digest)
    return PromotionItem(
        f"{source}:{change.counterpart}" if change.counterpart else f"{source}@{digest}",
        f"{target}:{change.tag}" if change.tag else f"{target}@{digest}",
        digest,
        Digest(change.old) if change.old else None,
        change.outcome,
        change.is_attachment,
        change.counterpart in taken,
    )
