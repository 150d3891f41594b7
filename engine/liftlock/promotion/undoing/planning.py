"""Deciding how to undo a promotion, while its target still is what it made.

An undo is an act of its own, with a number and an entry in the history; nothing is erased. It
rests on rows that exist, never on the history alone: the digest that a tag goes back to must
still be linked, what a move took must still be there to be tagged again. And it takes nothing
away that somebody has come to rely on since: what a tag reaches that was set after the promotion
stays, with its signatures, and so does what was pushed or untagged since.
"""

from __future__ import annotations

from collections.abc import Sequence

from liftlock import history, links, names
from liftlock.config import Limits
from liftlock.errors import LiftlockError, PromotionInvalid, PromotionUnknown, UndoRefused
from liftlock.history import Event, Item
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import WHOLE, Action, FoundRepository, TagRecord
from liftlock.oci.digest import Digest
from liftlock.promotion.deciding import refuse
from liftlock.promotion.graph.bringing import Arrivals, Bringing, bring, look
from liftlock.promotion.graph.closure import closure
from liftlock.promotion.undoing.past import standing_event, undone_before, vouched_by
from liftlock.promotion.undoing.taking_back import TakingBack, unlinked
from liftlock.promotion.undoing.values import Restoring, UndoPlan
from liftlock.promotion.undoing.wholes import WholesUndoing, WholeUndo


def plan_undo(txn: ReadTxn, number: int, limits: Limits) -> UndoPlan:
    """Decide what undoing promotion `number` means in this snapshot.

    Raises:
        PromotionUnknown: there is no such promotion.
        UndoRefused: its target is not what it made any more, nothing of it is left, or it is
            itself an undo. All that stands against it is in `violations`.
    """
    undone = history.find_promotion(txn, number)
    if undone is None:
        raise PromotionUnknown(number)
    if undone.record.undoes:
        reason = f"it undid promotion {undone.record.undoes}; promote again instead"
        raise UndoRefused(number, reason)
    # What was right already, the promotion did not make: whatever became of it does not matter.
    told = list(history.iter_items(txn, undone.id))
    items = [
        item
        for item in told
        if item.record.action not in {Action.KEPT, Action.BROUGHT, Action.MERGED}
    ]
    done_by = undone_before(txn, undone, items)
    if done_by is not None:
        return UndoPlan(undone, {}, done_by=done_by)
    try:
        brought = [item for item in told if item.record.action is Action.BROUGHT]
        return _Undoing(txn, undone, items, brought, limits).plan()
    except PromotionInvalid as error:  # what is there now is too much to be followed
        raise UndoRefused(number, error.reason) from error


class _Undoing:
    """The decision, and what it knows of the repositories concerned."""

    def __init__(
        self,
        txn: ReadTxn,
        undone: Event,
        items: Sequence[Item],
        brought: Sequence[Item],
        limits: Limits,
    ) -> None:
        self.txn, self.undone, self.brought, self.limits = txn, undone, brought, limits
        self.items = [item for item in items if item.record.action not in WHOLE]
        self.whole_items = [item for item in items if item.record.action in WHOLE]
        self.number = undone.record.promotion
        sides = [item.record.other for item in items if item.record.other is not None]
        concerned = {item.repository for item in items} | {side.repository for side in sides}
        self.names = {number: names.full_name(txn, number) for number in concerned}
        self.repositories = {
            number: FoundRepository(number, names.repository_record(txn, number))
            for number in concerned
        }

    def plan(self) -> UndoPlan:
        refuse(self.deleted_since())
        wholes, refusals = WholesUndoing(self.txn, self.undone, self.whole_items).plan()
        restorings, moved = self.restorings()
        refuse(refusals + moved)
        taking_back = TakingBack(
            self.txn,
            self.undone,
            self.items,
            self.brought,
            self.repositories,
            self.names,
            self.limits,
        )
        restorings, taken_back = taking_back.plan(restorings)
        returns = self.returns()
        changes = any(restoring.now != restoring.before for restoring in restorings)
        if not (changes or returns or taken_back or wholes):
            raise UndoRefused(
                self.number,
                "nothing is left of it to take back: what it linked is gone, is needed by what "
                "came since, or was pushed or untagged since and is held for that; what only fills "
                "a gap stays",
            )
        return UndoPlan(
            self.undone,
            self.names,
            tuple(restorings),
            returns,
            taken_back,
            tuple(wholes),
            {whole.repository.id: self.called(whole) for whole in wholes},
        )

    def called(self, whole: WholeUndo) -> str:
        return f"{names.registry_record(self.txn, whole.registry).name}/{whole.name}"

    def deleted_since(self) -> list[LiftlockError]:
        needed = {item.repository for item in self.items}
        needed |= {
            item.record.other.repository
            for item in self.items
            if item.record.action is Action.MOVED_OUT and item.record.other is not None
        }
        return [
            UndoRefused(self.number, f"{self.names[number]} was deleted since")
            for number in sorted(needed)
            if not names.is_reachable(self.txn, number, self.repositories[number].record)
        ]

    def restorings(self) -> tuple[list[Restoring], list[LiftlockError]]:
        """Decide how each tag goes back, and collect what stands against it."""
        restorings: list[Restoring] = []
        refusals: list[LiftlockError] = []
        for number in sorted(self.repositories):
            items = [item for item in self.items if item.repository == number and item.tag]
            found = links.find_tags(self.txn, number, [item.tag for item in items])
            former = [item.record.old for item in items if item.record.action is Action.UPDATED]
            olds = [old for old in former if old is not None]
            linked = links.find_links(self.txn, number, olds)
            gone = {old for old, link in zip(olds, linked, strict=True) if link is None}
            for item, current in zip(items, found, strict=True):
                refusal = self.refusal(item, current, gone)
                if refusal:
                    refusals.append(UndoRefused(self.number, refusal))
                now = current.digest if current else None
                restorings.append(
                    Restoring(
                        self.repositories[number],
                        item.tag,
                        now,
                        item.record.old,
                        item.record.other,
                    )
                )
        return restorings, refusals

    def refusal(self, item: Item, current: TagRecord | None, gone: set[bytes]) -> str:
        """Say what stands against putting a tag back; empty if nothing does."""
        name = f"{self.names[item.repository]}:{item.tag}"
        now = current.digest if current else None
        stayed = item.record.action is Action.EXTENDED
        is_as_made = now == item.record.new and (
            current is None
            or stayed
            or current.event == item.event
            or standing_event(self.txn, item.repository, item.tag) == item.event
        )
        if not is_as_made:
            where = f"at {Digest(now)}" if now else "gone"
            latest = history.latest_of_tag(self.txn, item.repository, item.tag)
            return (
                f"{name} was changed since, by event {latest}, and is {where}; "
                f"look at `liftlock history {name}`, and promote what you want there"
            )
        vouching = vouched_by(self.txn, item)
        if vouching is not None:
            return (
                f"{name} is what promotion {vouching} found there when it moved the same away "
                "from its source; undo that first"
            )
        before = item.record.old
        if before is not None and before in gone:
            return f"{name} was at {Digest(before)}, which the repository no longer has"
        return ""

    def returns(self) -> tuple[tuple[FoundRepository, Bringing], ...]:
        """Find out what the source of a move has lost since, and bring it back from the target."""
        lost: dict[tuple[int, int], list[bytes]] = {}
        for item in self.items:
            if item.record.action is Action.MOVED_OUT:
                assert item.record.old is not None
                assert item.record.other is not None
                sides = item.repository, item.record.other.repository
                lost.setdefault(sides, []).append(item.record.old)
        returns = []
        arrivals: dict[int, Arrivals] = {}
        for (repository, holder), digests in lost.items():
            missing = unlinked(self.txn, repository, digests)
            for digest in unlinked(self.txn, holder, missing):
                reason = f"neither side has {Digest(digest)} any more"
                raise UndoRefused(self.number, reason)
            if missing:
                found = closure(self.txn, holder, self.names[holder], missing, self.limits)
                arriving = arrivals.setdefault(repository, Arrivals())
                members = found.members.values()
                bringing = bring(look(self.txn, holder, repository, members), members, arriving)
                returns.append((self.repositories[repository], bringing))
        return tuple(returns)
