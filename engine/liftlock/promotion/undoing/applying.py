"""Writing an undo: tags, links and history, as one draft in one transaction."""

from __future__ import annotations

from liftlock import history, links, naming, seals
from liftlock.config import Limits
from liftlock.history import Act, Change, Closed, Event
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, Kind, Naming, OtherSide, Role
from liftlock.model import Promotion, PromotionItem
from liftlock.oci.digest import Digest
from liftlock.promotion.applying.plans import counted
from liftlock.promotion.drafting import NOT_YET, draft_bringing
from liftlock.promotion.graph.unlinking import draft_unlinking
from liftlock.promotion.undoing.values import Restoring, UndoPlan
from liftlock.promotion.undoing.wholes import WholeUndo
from liftlock.promotion.wording import UNDO_OUTCOMES, mode_of


def apply_undo(txn: WriteTxn, plan: UndoPlan, act: Act, limits: Limits) -> Promotion:
    """Write `plan`, made in this very transaction; if it was done before, write nothing.

    Raises:
        PromotionInvalid: it would take more records than one transaction may.
    """
    if plan.done_by is not None:
        return _answered(plan, plan.done_by)
    event, number = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
    draft = _draft(txn, plan, act, txn.at, event=event, number=number)
    records = counted(draft.records, limits)
    draft.write(txn)
    return _done(plan, act, txn.at, number, records)


def rehearse_undo(txn: ReadTxn, plan: UndoPlan, act: Act, at: Instant, limits: Limits) -> Promotion:
    """Say what `apply_undo` would do, without writing.

    Raises:
        PromotionInvalid: it would take more records than one transaction may.
    """
    if plan.done_by is not None:
        return _answered(plan, plan.done_by)
    draft = _draft(txn, plan, act, at, event=NOT_YET, number=NOT_YET)
    return _done(plan, act, at, None, counted(draft.records, limits))


def _draft(
    txn: ReadTxn, plan: UndoPlan, act: Act, at: Instant, *, event: int, number: int
) -> Draft:
    draft = Draft()
    for repository, bringing in plan.returns:
        draft_bringing(txn, draft, repository, bringing, event, at)
    changes = _draft_wholes(draft, plan, event, at)
    for restoring in plan.restorings:
        repository, tag, now, before, other = restoring
        if before is None:
            assert now is not None
            links.remove_tag(draft, repository, tag, now, at)
        elif before != now:
            links.put_tag(draft, repository, tag, before, now, event, at)
        changes.append(Change(repository.id, tag, _action(restoring), now, before, other))
    for repository, members in plan.taken_back:
        draft_unlinking(txn, draft, repository, members, at, with_holds=False)
        changes += [
            Change(repository.id, "", Action.DELETED, member.digest, None) for member in members
        ]
    items = history.append_items(draft, event, Kind.UNDO, changes)
    closed = Closed(
        len(items),
        seals.items_hash(items),
        sum(len(members) for _, members in plan.taken_back),
        draft.records,
    )
    roles = dict.fromkeys([change.repository for change in changes], Role.CHANGED)
    history.close(
        draft,
        event,
        Kind.UNDO,
        act,
        at,
        roles,
        closed,
        promotion=number,
        undoes=plan.undone.record.promotion,
    )
    return draft


def _draft_wholes(draft: Draft, plan: UndoPlan, event: int, at: Instant) -> list[Change]:
    """Draft that repositories go back; names that are given are put after those that are taken."""
    changes = []
    for whole in plan.wholes:
        repository = whole.repository
        if whole.action is Action.REMOVED:
            naming.draft_death(draft, repository, event, at, Naming.DELETED)
        elif whole.action is Action.RENAMED:
            naming.draft_renaming(draft, repository, whole.registry, whole.name, event)
        else:
            naming.draft_revival(draft, repository, event)
        changes.append(Change(repository.id, "", whole.action, None, None))
    return changes


def _action(restoring: Restoring) -> Action:
    if restoring.before is None:
        return Action.DELETED
    if restoring.now is None:
        return Action.CREATED
    return Action.REDUCED if restoring.now == restoring.before else Action.UPDATED


def _done(plan: UndoPlan, act: Act, at: Instant, number: int | None, records: int) -> Promotion:
    items = []
    for restoring in plan.restorings:
        name = plan.names[restoring.repository.id]
        other = restoring.other
        items.append(
            PromotionItem(
                source=_side(plan, other) if other else "",
                target=f"{name}:{restoring.tag}",
                digest=Digest(restoring.before) if restoring.before else None,
                previous_digest=Digest(restoring.now) if restoring.now else None,
                action=UNDO_OUTCOMES[_action(restoring)],
            )
        )
    taken = tuple(Digest(member.digest) for _, members in plan.taken_back for member in members)
    return Promotion(
        id=number,
        at=at,
        by=act.by,
        mode=mode_of(plan.undone),
        comment=act.comment,
        items=(*items, *(_whole_item(plan, whole) for whole in plan.wholes)),
        linked=len(taken),
        manifests=taken,
        referrers=(),
        records=records,
        changed=True,
        undoes=plan.undone.record.promotion,
    )


def _answered(plan: UndoPlan, done_by: Event) -> Promotion:
    record = done_by.record
    return Promotion(
        id=record.promotion,
        at=record.at,
        by=record.by,
        mode=mode_of(plan.undone),
        comment=record.comment,
        items=(),
        linked=0,
        manifests=(),
        referrers=(),
        records=0,
        changed=False,
        undoes=record.undoes,
    )


def _whole_item(plan: UndoPlan, whole: WholeUndo) -> PromotionItem:
    return PromotionItem(
        source=plan.names[whole.repository.id],
        target=plan.whole_names[whole.repository.id],
        digest=None,
        previous_digest=None,
        action=UNDO_OUTCOMES[whole.action],
    )


def _side(plan: UndoPlan, other: OtherSide) -> str:
    name = plan.names[other.repository]
    return f"{name}:{other.tag}" if other.tag else name
