"""Promotions as people are told of them: as they are made, and as the history has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from liftlock import bearers, history
from liftlock.errors import PromotionUnknown
from liftlock.history import Act, Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, ReadTxn, Table
from liftlock.metadata.records import WHOLE, Action, IdRecord, Kind, decoded
from liftlock.model import (
    Mode,
    Outcome,
    Page,
    Promotion,
    PromotionItem,
    PromotionSummary,
    Tally,
)
from liftlock.oci.digest import Digest
from liftlock.promotion.values import Leg, Part, Plan, Repeated, Route, TagChange, Way, Whole

_OUTCOMES: Final = {
    Action.CREATED: Outcome.CREATE,
    Action.UPDATED: Outcome.OVERWRITE,
    Action.EXTENDED: Outcome.EXTEND,
    Action.KEPT: Outcome.UNCHANGED,
    Action.COPIED: Outcome.CREATE,
    Action.RENAMED: Outcome.CREATE,
    Action.MERGED: Outcome.EXTEND,
}
_UNDONE: Final = {
    Action.DELETED: Outcome.REMOVE,
    Action.CREATED: Outcome.CREATE,
    Action.UPDATED: Outcome.OVERWRITE,
    Action.REDUCED: Outcome.UNCHANGED,
    Action.RENAMED: Outcome.CREATE,
    Action.REVIVED: Outcome.CREATE,
    Action.REMOVED: Outcome.REMOVE,
}
"""Of an undo's items."""
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
        self.linked = sum([whole.source.record.counts[1] for whole in copies])
        """Manifests that were newly linked."""

    def tell(self, route: Route, part: Part) -> None:
        """Take in what happens to some images."""
        brought = part.bringing.manifests
        self.linked += len(brought)
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
            plan=plan.hash,
        )

    def _other_items(self) -> Iterator[PromotionItem]:
        for whole in self._plan.wholes:
            tally = self.tally(whole.route) if whole.route is not None else whole_tally(whole)
            yield _whole_item(whole, tally, changes=whole.way is not Way.STAY)
        for item in self._plan.repeated:
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
        tags = whole.source.record.counts[0]
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
        plan=plan.hash,
    )


def _same_items(route: Route) -> Iterator[PromotionItem]:
    if route.is_whole:
        return
    source, target = str(route.source_name), str(route.target_name)
    for pair in route.pairs:
        same = Outcome.UNCHANGED
        change = TagChange(pair.target_tag, pair.digest, pair.old, pair.source_tag, same, False)  # noqa: FBT003
        yield _item(source, target, change)


def _part_items(route: Route, part: Part) -> Iterator[PromotionItem]:
    """Yield what happens to each tag of some images."""
    source, target = str(route.source_name), str(route.target_name)
    for change in part.sets:
        yield _item(source, target, change)


def _repeated_item(item: Repeated) -> PromotionItem:
    """Return an item that was done before."""
    digest = Digest(item.digest) if item.digest else None
    return PromotionItem(item.source, item.target, digest, digest, Outcome.UNCHANGED)


def _whole_item(whole: Whole, tally: Tally, *, changes: bool) -> PromotionItem:
    """Return what happens to a repository as a whole."""
    outcome = Outcome.CREATE if whole.way in {Way.COPY, Way.RENAME} else Outcome.EXTEND
    return PromotionItem(
        str(whole.source_name),
        str(whole.target_name),
        None,
        None,
        outcome if changes else Outcome.UNCHANGED,
        tally=tally,
    )


def whole_tally(whole: Whole) -> Tally:
    """Return the counts of a repository that goes as it is."""
    tags, manifests, _, _ = whole.source.record.counts
    if whole.way is Way.STAY:
        return Tally(tags, 0, 0, 0, tags, 0)
    return Tally(tags, tags, 0, 0, 0, manifests)


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


def recorded(txn: ReadTxn, number: int) -> Promotion:
    """Return a promotion as the history has it.

    Raises:
        PromotionUnknown: there is none of this number.
    """
    event = history.find_promotion(txn, number)
    if event is None:
        raise PromotionUnknown(number)
    record = event.record
    items = list(history.iter_items(txn, event.id))
    return Promotion(
        id=record.promotion,
        at=record.at,
        by=record.by,
        mode=_mode(txn, event),
        comment=record.comment,
        items=tuple(_recorded_items(txn, event, items)),
        linked=record.manifests,
        manifests=(),
        referrers=tuple(
            Digest(item.record.new)
            for item in items
            if item.record.action is Action.BROUGHT and item.record.new is not None
        ),
        records=record.records,
        changed=True,
        undoes=record.undoes or None,
    )


def listed(txn: ReadTxn, before: int | None, limit: int) -> Page[PromotionSummary]:
    """Return promotions and undos with numbers below `before`, newest first."""
    after = keys.id_key(min(max(before, 0), history.NUMBER_MAX)) if before is not None else None
    rows = list(txn.scan(Table.PROMOTIONS, after=after, reverse=True, limit=limit + 1))
    entries = []
    for key, value in rows[:limit]:
        event = history.get_event(txn, decoded(IdRecord.decode, Table.PROMOTIONS, key, value).id)
        record = event.record
        entries.append(
            PromotionSummary(
                record.promotion,
                record.at,
                record.by,
                _mode(txn, event),
                record.comment,
                record.undoes or None,
                record.items,
                record.records,
            )
        )
    return Page(tuple(entries), more=len(rows) > limit)


def _item(source: str, target: str, change: TagChange) -> PromotionItem:
    digest = Digest(change.digest)
    return PromotionItem(
        f"{source}:{change.counterpart}" if change.counterpart else f"{source}@{digest}",
        f"{target}:{change.tag}" if change.tag else f"{target}@{digest}",
        digest,
        Digest(change.old) if change.old else None,
        change.outcome,
        change.is_attachment,
    )


def _mode(txn: ReadTxn, event: Event) -> Mode:
    if event.record.undoes:
        undone = history.find_promotion(txn, event.record.undoes)
        event = undone or event
    return Mode.MOVE if event.record.kind is Kind.MOVE else Mode.COPY


def _recorded_items(txn: ReadTxn, event: Event, items: Iterable[Item]) -> Iterator[PromotionItem]:
    outcomes = _UNDONE if event.record.undoes else _OUTCOMES
    merged = {
        (item.repository, item.record.other.repository)
        for item in items
        if item.record.action is Action.MERGED and item.record.other is not None
    }
    for item in items:
        action = item.record.action
        other = item.record.other
        came_whole = other is not None and (item.repository, other.repository) in merged
        if action not in outcomes or (came_whole and action not in WHOLE):
            continue
        if not item.tag and action is Action.DELETED:
            continue  # a manifest that an undo took back, which was told by its tag
        yield _recorded_item(txn, event, item, outcomes[action])


def _recorded_item(txn: ReadTxn, event: Event, item: Item, outcome: Outcome) -> PromotionItem:
    record, number = item.record, event.id
    here = bearers.name_at(txn, item.repository, number)
    digest = Digest(record.new) if record.new else None
    if record.action in WHOLE:
        if record.action is Action.RENAMED:
            there = bearers.name_at(txn, item.repository, number - 1)
        else:
            there = bearers.side_at(txn, record.other, number - 1) if record.other else here
        return PromotionItem(there, here, None, None, outcome, tally=record.tally)
    suffix = f":{item.tag}" if item.tag else f"@{digest}"
    there = ""
    if record.other is not None:
        there = bearers.name_at(txn, record.other.repository, number - 1)
        there += f":{record.other.tag}" if record.other.tag else f"@{digest}"
    return PromotionItem(
        there,
        here + suffix,
        digest,
        Digest(record.old) if record.old else None,
        outcome,
        record.is_attachment,
    )
