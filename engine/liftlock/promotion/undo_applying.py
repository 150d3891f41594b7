"""Writing an undo: tags, links and history, as one draft in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from liftlock import history, links
from liftlock.config import Limits
from liftlock.history import Act, Change, Event
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, Kind, OtherSide
from liftlock.model import Mode, Outcome, Promotion, PromotionItem
from liftlock.names import FoundRepository
from liftlock.oci.digest import Digest
from liftlock.promotion.applying import NOT_YET, counted
from liftlock.promotion.bringing import draft_bringing
from liftlock.promotion.closure import Member
from liftlock.promotion.undo_planning import Restoring, UndoPlan


def apply_undo(txn: WriteTxn, plan: UndoPlan, act: Act, limits: Limits) -> Promotion:
    """Write `plan`, made in this very transaction; if it was done before, write nothing.

    Raises:
        PromotionInvalid: it would take more records than one transaction may.
    """
    if plan.done_by is not None:
        return _answered(plan, plan.done_by)
    event, number = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
    draft = _draft(txn, plan, act, txn.at, event=event, number=number)
    records = counted(draft, limits)
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
    return _done(plan, act, at, None, counted(draft, limits))


def _draft(
    txn: ReadTxn, plan: UndoPlan, act: Act, at: Instant, *, event: int, number: int
) -> Draft:
    draft = Draft()
    for repository, bringing in plan.returns:
        draft_bringing(txn, draft, repository, bringing, event)
    changes = []
    for restoring in plan.restorings:
        repository, tag, now, before, other = restoring
        if before is None:
            assert now is not None
            links.remove_tag(draft, repository, tag, now, at)
        elif before != now:
            links.put_tag(draft, repository, tag, before, now, event, at)
        changes.append(Change(repository.id, tag, _action(restoring), now, before, other))
    for repository, members in plan.taken_back:
        _draft_taking_back(txn, draft, repository, members, at)
        changes += [
            Change(repository.id, "", Action.DELETED, member.digest, None) for member in members
        ]
    history.append(
        draft,
        event,
        Kind.UNDO,
        act,
        at,
        changes,
        promotion=number,
        undoes=plan.undone.record.promotion,
    )
    return draft


def _draft_taking_back(
    txn: ReadTxn,
    draft: Draft,
    repository: FoundRepository,
    members: Sequence[Member],
    at: Instant,
) -> None:
    """Unlink what nobody needs, with the blobs that nothing else in the repository has."""
    own = {member.digest for member in members}
    rows = links.parent_rows(
        txn, repository.id, [(member.digest, member.edges) for member in members]
    )
    lost: dict[tuple[bytes, bytes], None] = {}
    referrers = links.referrers_of(txn, repository.id, [member.digest for member in members])
    for member, present, of_one in zip(members, rows, referrers, strict=True):
        for kind, digest in links.unlink_manifest(
            draft, repository, member.digest, member.edges, present, of_one
        ):
            if digest not in own:
                lost[kind, digest] = None
    gone = links.without_other_holder(
        txn,
        repository.id,
        [digest for kind, digest in lost if kind == keys.BLOB],
        {key for present in rows for key, _ in present},
    )
    links.discount_blobs(draft, repository, links.blob_sizes(txn, gone))
    for kind, digest in lost:
        if kind == keys.MANIFEST:
            links.put_hold(draft, repository.id, kind, digest, at)


def _action(restoring: Restoring) -> Action:
    if restoring.before is None:
        return Action.DELETED
    if restoring.now is None:
        return Action.CREATED
    return Action.REDUCED if restoring.now == restoring.before else Action.UPDATED


def _done(plan: UndoPlan, act: Act, at: Instant, number: int | None, records: int) -> Promotion:
    outcomes = {
        Action.DELETED: Outcome.REMOVE,
        Action.CREATED: Outcome.CREATE,
        Action.UPDATED: Outcome.OVERWRITE,
        Action.REDUCED: Outcome.UNCHANGED,
    }
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
                action=outcomes[_action(restoring)],
            )
        )
    return Promotion(
        id=number,
        at=at,
        by=act.by,
        mode=_mode(plan.undone),
        comment=act.comment,
        items=tuple(items),
        manifests=tuple(
            Digest(member.digest) for _, members in plan.taken_back for member in members
        ),
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
        mode=_mode(plan.undone),
        comment=record.comment,
        items=(),
        manifests=(),
        referrers=(),
        records=0,
        changed=False,
        undoes=record.undoes,
    )


def _mode(event: Event) -> Mode:
    return Mode.MOVE if event.record.kind is Kind.MOVE else Mode.COPY


def _side(plan: UndoPlan, other: OtherSide) -> str:
    name = plan.names[other.repository]
    return f"{name}:{other.tag}" if other.tag else name
