"""Undoing a promotion, while its target still is what it made.

An undo is an act of its own, with a number and an entry in the history; nothing is erased. It
rests on rows that exist, never on the history alone: the digest that a tag goes back to must
still be linked, what a move took must still be there to be tagged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from liftlock import history, links, names
from liftlock.config import Limits
from liftlock.errors import PromotionUnknown, UndoRefused
from liftlock.history import Act, Change, Event, Item
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, Kind, OtherSide
from liftlock.model import Mode, Outcome, Promotion, PromotionItem
from liftlock.names import FoundRepository
from liftlock.oci.digest import Digest
from liftlock.promotion.applying import NOT_YET
from liftlock.promotion.bringing import Bringing, bring, draft_bringing
from liftlock.promotion.closure import Member, closure


class _Restoring(NamedTuple):
    """One tag that goes back to where it was."""

    repository: FoundRepository
    tag: str
    now: bytes | None
    before: bytes | None
    other: OtherSide | None


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would write."""

    undone: Event
    restorings: tuple[_Restoring, ...]
    returns: tuple[tuple[FoundRepository, Bringing], ...]
    """What a moved tag's repository must get back first."""
    taken_back: tuple[tuple[FoundRepository, tuple[Member, ...]], ...]
    """Manifests that the promotion linked and no remaining tag needs."""
    done_by: Event | None = None
    """The undo that did it before."""


def plan_undo(txn: ReadTxn, number: int, limits: Limits) -> UndoPlan:
    """Decide what undoing promotion `number` means in this snapshot.

    Raises:
        PromotionUnknown: there is no such promotion.
        UndoRefused: its target is not what it made any more, or it is itself an undo.
    """
    undone = history.find_promotion(txn, number)
    if undone is None:
        raise PromotionUnknown(number)
    if undone.record.undoes:
        reason = f"it undid promotion {undone.record.undoes}; promote again instead"
        raise UndoRefused(number, reason)
    # What was right already, the promotion did not make: whatever became of it does not matter.
    items = [
        item for item in history.iter_items(txn, undone.id) if item.record.action is not Action.KEPT
    ]
    done_by = _undone_before(txn, undone, items)
    if done_by is not None:
        return UndoPlan(undone, (), (), (), done_by)
    repositories = {item.repository: _living(txn, number, item.repository) for item in items}
    restorings = [_restoring(txn, number, item, repositories) for item in items if item.tag]
    return UndoPlan(
        undone,
        tuple(restorings),
        _returns(txn, number, items, repositories, limits),
        _taken_back(txn, undone, items, restorings, repositories, limits),
    )


def _living(txn: ReadTxn, number: int, repository: int) -> FoundRepository:
    record = names.repository_record(txn, repository)
    if not names.is_reachable(txn, repository, record):
        raise UndoRefused(number, f"{names.full_name(txn, repository)} was deleted since")
    return FoundRepository(repository, record)


def _restoring(
    txn: ReadTxn, number: int, item: Item, repositories: dict[int, FoundRepository]
) -> _Restoring:
    """Decide how one tag goes back, or raise UndoRefused with what stands against it."""
    name = f"{names.full_name(txn, item.repository)}:{item.tag}"
    current = links.find_tag(txn, item.repository, item.tag)
    made, before = item.record.new, item.record.old
    now = current.digest if current else None
    stayed = item.record.action is Action.EXTENDED
    is_as_made = now == made and (current is None or stayed or current.event == item.event)
    if not is_as_made:
        where = f"at {Digest(now)}" if now else "gone"
        latest = history.latest_of_tag(txn, item.repository, item.tag)
        raise UndoRefused(
            number,
            f"{name} was changed since, by event {latest}, and is {where}; "
            f"look at `liftlock history {name}`, and promote what you want there",
        )
    if item.record.action is Action.UPDATED:
        assert before is not None
        if links.find_link(txn, item.repository, before) is None:
            raise UndoRefused(
                number, f"{name} was at {Digest(before)}, which the repository no longer has"
            )
    return _Restoring(repositories[item.repository], item.tag, now, before, item.record.other)


def _returns(
    txn: ReadTxn,
    number: int,
    items: Sequence[Item],
    repositories: dict[int, FoundRepository],
    limits: Limits,
) -> tuple[tuple[FoundRepository, Bringing], ...]:
    """Find out what the source of a move has lost since, and bring it back from the target."""
    lost: dict[tuple[int, int], list[bytes]] = {}
    for item in items:
        digest, other = item.record.old, item.record.other
        if item.record.action is not Action.MOVED_OUT:
            continue
        assert digest is not None
        assert other is not None
        if links.find_link(txn, item.repository, digest) is None:
            if links.find_link(txn, other.repository, digest) is None:
                raise UndoRefused(number, f"neither side has {Digest(digest)} any more")
            lost.setdefault((item.repository, other.repository), []).append(digest)
    returns = []
    for (repository, holder), digests in lost.items():
        found = closure(txn, holder, names.full_name(txn, holder), digests, limits)
        bringing = bring(
            txn,
            holder,
            repository,
            found.members.values(),
        )
        returns.append((repositories[repository], bringing))
    return tuple(returns)


def _taken_back(
    txn: ReadTxn,
    undone: Event,
    items: Sequence[Item],
    restorings: Sequence[_Restoring],
    repositories: dict[int, FoundRepository],
    limits: Limits,
) -> tuple[tuple[FoundRepository, tuple[Member, ...]], ...]:
    """Find what the promotion linked and nothing that remains needs."""
    roots: dict[int, list[bytes]] = {}
    for item in items:
        if item.record.action is not Action.MOVED_OUT and item.record.new is not None:
            roots.setdefault(item.repository, []).append(item.record.new)
    taken = []
    for number, digests in roots.items():
        there = [
            digest
            for digest, link in zip(digests, links.find_links(txn, number, digests), strict=True)
            if link is not None
        ]
        found = closure(txn, number, names.full_name(txn, number), there, limits)
        linked = {d: m for d, m in found.members.items() if m.event == undone.id}
        leaving = {
            (restoring.tag, restoring.now)
            for restoring in restorings
            if restoring.repository.id == number and restoring.now != restoring.before
        }
        needless = _needless(txn, number, linked, leaving, limits)
        if needless:
            taken.append((repositories[number], tuple(linked[digest] for digest in needless)))
    return tuple(taken)


def _needless(
    txn: ReadTxn,
    repository: int,
    linked: Iterable[bytes],
    leaving: set[tuple[str, bytes | None]],
    limits: Limits,
) -> list[bytes]:
    """Return those of `linked` that have neither a tag that stays nor a parent that stays."""
    digests = list(linked)
    tags = links.tags_of(txn, repository, digests, limit=len(leaving) + 1)
    parents = links.parents_of(
        txn, repository, keys.MANIFEST, digests, limit=limits.closure_manifests_max
    )
    needless = {
        digest: set(of_one)
        for digest, own_tags, of_one in zip(digests, tags, parents, strict=True)
        if all((tag, digest) in leaving for tag in own_tags)
    }
    while kept := [digest for digest, of_one in needless.items() if of_one - needless.keys()]:
        for digest in kept:
            del needless[digest]
    return list(needless)


def apply_undo(txn: WriteTxn, plan: UndoPlan, act: Act) -> Promotion:
    """Write `plan`, made in this very transaction; if it was done before, write nothing."""
    if plan.done_by is not None:
        return _answered(plan, plan.done_by)
    event, number = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
    draft = _draft(txn, plan, act, txn.at, event=event, number=number)
    draft.write(txn)
    return _done(txn, plan, act, txn.at, number, draft.records)


def rehearse_undo(txn: ReadTxn, plan: UndoPlan, act: Act, at: Instant) -> Promotion:
    """Say what `apply_undo` would do, without writing."""
    if plan.done_by is not None:
        return _answered(plan, plan.done_by)
    draft = _draft(txn, plan, act, at, event=NOT_YET, number=NOT_YET)
    return _done(txn, plan, act, at, None, draft.records)


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
    for member, present in zip(members, rows, strict=True):
        referrers = links.iter_referrers_of(txn, repository.id, member.digest)
        for kind, digest in links.unlink_manifest(
            draft, repository, member.digest, member.edges, present, list(referrers)
        ):
            if digest not in own:
                lost[kind, digest] = None
    gone = links.without_other_holder(
        txn,
        repository.id,
        [digest for kind, digest in lost if kind == keys.BLOB],
        {key for present in rows for key, _ in present},
    )
    records = links.find_blobs(txn, gone)
    links.discount_blobs(draft, repository, [r.size for r in records if r is not None])
    for kind, digest in lost:
        if kind == keys.MANIFEST:
            links.put_hold(draft, repository.id, kind, digest, at)


def _action(restoring: _Restoring) -> Action:
    if restoring.before is None:
        return Action.DELETED
    if restoring.now is None:
        return Action.CREATED
    return Action.REDUCED if restoring.now == restoring.before else Action.UPDATED


def _undone_before(txn: ReadTxn, undone: Event, items: Sequence[Item]) -> Event | None:
    """Return the undo of this promotion, if nothing has happened to its items since."""
    number = undone.record.promotion
    for item in items:
        if item.tag:
            latest = history.latest_of_tag(txn, item.repository, item.tag)
            event = history.get_event(txn, latest) if latest is not None else undone
            return event if event.record.undoes == number else None
    for item in items:
        for later, _ in history.iter_repository_events(txn, item.repository):
            if later <= undone.id:
                break
            event = history.get_event(txn, later)
            if event.record.undoes == number:
                return event
    return None


def _done(
    txn: ReadTxn, plan: UndoPlan, act: Act, at: Instant, number: int | None, records: int
) -> Promotion:
    outcomes = {
        Action.DELETED: Outcome.REMOVE,
        Action.CREATED: Outcome.CREATE,
        Action.UPDATED: Outcome.OVERWRITE,
        Action.REDUCED: Outcome.UNCHANGED,
    }
    items = []
    for restoring in plan.restorings:
        name = names.full_name(txn, restoring.repository.id)
        other = restoring.other
        items.append(
            PromotionItem(
                source=_side(txn, other) if other else "",
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


def _side(txn: ReadTxn, other: OtherSide) -> str:
    name = names.full_name(txn, other.repository)
    return f"{name}:{other.tag}" if other.tag else name
