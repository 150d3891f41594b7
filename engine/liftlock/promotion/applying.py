"""Writing a plan: links, tags, removals and history, as one draft in one transaction."""

from __future__ import annotations

from typing import Final

from liftlock import history, links, names
from liftlock.config import Limits
from liftlock.errors import PromotionInvalid
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, Kind, OtherSide
from liftlock.model import Mode, Outcome, Promotion, PromotionItem
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.bringing import draft_bringing
from liftlock.promotion.values import Plan, TagChange

_ACTIONS: Final = {
    Outcome.CREATE: Action.CREATED,
    Outcome.OVERWRITE: Action.UPDATED,
    Outcome.EXTEND: Action.EXTENDED,
    Outcome.REMOVE: Action.MOVED_OUT,
    Outcome.UNCHANGED: Action.KEPT,
}
NOT_YET: Final = history.NUMBER_MAX
"""Stands for the numbers that a dry run does not take."""


def apply(txn: WriteTxn, plan: Plan, act: Act, limits: Limits) -> Promotion:
    """Write `plan`, made in this very transaction; if it changes nothing, write nothing.

    But for one thing: an untagged digest that is promoted again is held for longer.

    Raises:
        PromotionInvalid: it would take more records than one transaction may. The numbers that
            it took are given back with the transaction.
    """
    if plan.is_unchanged:
        if plan.target is not None and plan.request.target_tag is None:
            draft = Draft()
            links.put_hold(draft, plan.target.id, keys.MANIFEST, plan.digest, txn.at)
            draft.write(txn)
        return _unchanged(plan, act, txn.at)
    event, number = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
    target = txn.next_id(Numbered.OBJECT) if plan.target is None else plan.target.id
    draft = _draft(txn, plan, act, txn.at, event=event, number=number, target=target)
    records = counted(draft, limits)
    draft.write(txn)
    return _done(plan, act, txn.at, number, records)


def rehearse(txn: ReadTxn, plan: Plan, act: Act, at: Instant, limits: Limits) -> Promotion:
    """Say what `apply` would do, without writing.

    Raises:
        PromotionInvalid: it would take more records than one transaction may.
    """
    if plan.is_unchanged:
        return _unchanged(plan, act, at)
    target = plan.target.id if plan.target else NOT_YET
    draft = _draft(txn, plan, act, at, event=NOT_YET, number=NOT_YET, target=target)
    return _done(plan, act, at, None, counted(draft, limits))


def counted(draft: Draft, limits: Limits) -> int:
    """Return how many records a draft has; PromotionInvalid if one transaction may not."""
    records = draft.records
    if records > limits.transaction_records_max:
        raise PromotionInvalid(
            f"it takes {records} records, and one transaction at most "
            f"{limits.transaction_records_max} (transaction_records_max)"
        )
    return records


def _draft(
    txn: ReadTxn, plan: Plan, act: Act, at: Instant, *, event: int, number: int, target: int
) -> Draft:
    draft = Draft()
    repository = plan.target or names.draft_repository(
        draft, plan.target_registry, plan.request.target_name, target, event
    )
    draft_bringing(txn, draft, repository, plan.bringing, event)
    changes: list[Change] = []
    for removal in plan.removes:
        links.remove_tag(draft, plan.source, removal.tag, removal.digest, at)
        changes.append(_change(removal, plan.source.id, repository.id))
    for setting in plan.sets:
        if setting.outcome is Outcome.UNCHANGED:
            # A move that finds its target right is in the target's history all the same: that is
            # how it is known when it is asked for again.
            if not plan.removes:
                continue
        elif not setting.tag:
            links.put_hold(draft, repository.id, keys.MANIFEST, setting.digest, at)
        elif setting.outcome is not Outcome.EXTEND:
            links.put_tag(draft, repository, setting.tag, setting.digest, setting.old, event, at)
        changes.append(_change(setting, repository.id, plan.source.id))
    history.append(
        draft,
        event,
        Kind.MOVE if plan.request.mode is Mode.MOVE else Kind.PROMOTE,
        act,
        at,
        changes,
        concerns=(repository.id,),
        taken_from=(plan.source.id,),
        promotion=number,
    )
    return draft


def _change(change: TagChange, here: int, there: int) -> Change:
    is_gone = change.outcome is Outcome.REMOVE
    return Change(
        here,
        change.tag,
        _ACTIONS[change.outcome],
        change.old,
        None if is_gone else change.digest,
        OtherSide(there, change.counterpart),
    )


def _done(plan: Plan, act: Act, at: Instant, number: int | None, records: int) -> Promotion:
    return Promotion(
        id=number,
        at=at,
        by=act.by,
        mode=plan.request.mode,
        comment=act.comment,
        items=_items(plan),
        manifests=tuple(Digest(member.digest) for member in plan.bringing.manifests),
        referrers=tuple(
            Digest(member.digest) for member in plan.bringing.manifests if member.is_referrer
        ),
        records=records,
        changed=True,
    )


def _unchanged(plan: Plan, act: Act, at: Instant) -> Promotion:
    """Answer like the promotion that did it, if one did."""
    done = plan.answered_by.record if plan.answered_by else None
    return Promotion(
        id=done.promotion if done else None,
        at=done.at if done else at,
        by=done.by if done else act.by,
        mode=plan.request.mode,
        comment=done.comment if done else act.comment,
        items=_items(plan),
        manifests=(),
        referrers=(),
        records=0,
        changed=False,
    )


def _items(plan: Plan) -> tuple[PromotionItem, ...]:
    source, target = plan.request.source.name, plan.request.target_name
    return tuple(
        PromotionItem(
            source=_named(source, change.counterpart, change.digest),
            target=_named(target, change.tag, change.digest),
            digest=Digest(change.digest),
            previous_digest=Digest(change.old) if change.old else None,
            action=change.outcome,
            attachment=change.is_attachment,
        )
        for change in plan.sets
    )


def _named(name: RepositoryName, tag: str, digest: bytes) -> str:
    return f"{name}:{tag}" if tag else f"{name}@{Digest(digest)}"
