"""Writing a plan: links, tags, removals, names and history, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

from liftlock import history, links, names, naming, seals
from liftlock.config import Limits
from liftlock.errors import LiftlockError, PromotionInvalid
from liftlock.history import Act, Change, Closed
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, FoundRepository, Naming, OtherSide, Role
from liftlock.model import Mode, Promotion, Tally
from liftlock.oci.reference import RepositoryName
from liftlock.points import Reach, nowhere
from liftlock.promotion import answers
from liftlock.promotion.answers import Telling
from liftlock.promotion.deciding import refuse
from liftlock.promotion.drafting import NOT_YET, draft_part, draft_target, kind_of
from liftlock.promotion.planning import iter_parts
from liftlock.promotion.values import Part, Plan, Route, Way, Whole
from liftlock.promotion.wholes import COPIED_TABLES

# Numbers here, to be put together; an enumeration would make each sum an object.
_CHANGED: Final = Role.CHANGED.value
_TAKEN_FROM: Final = Role.TAKEN_FROM.value
_OPEN: Final = Closed(0, b"", 0, 0)
"""Of an event that nobody will close."""


def apply(txn: WriteTxn, plan: Plan, act: Act, limits: Limits, reach: Reach = nowhere) -> Promotion:
    """Write `plan`, which holds in this very transaction; if it changes nothing, write nothing.

    But for one thing: an untagged digest that is promoted again is held for longer.

    Args:
        txn: the transaction.
        plan: what is to be written.
        act: by whom and why.
        limits: how many records it may take.
        reach: told of each part of a big plan.

    Raises:
        PromotionInvalid: it would take more records than one transaction may. The numbers that
            it took are given back with the transaction.
    """
    if plan.is_unchanged:
        _hold_again(txn, plan)
        return answers.unchanged(plan, act, txn.at)
    counted(plan.records, limits)
    telling = Telling(plan)
    event, number = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
    writing = _Writing(txn, plan, event, txn.at, partial(txn.next_id, Numbered.OBJECT))
    writing.begin()
    for whole in plan.wholes:
        if whole.way is Way.COPY:
            _copy_rows(txn, whole.source.id, writing.made[whole.target_name].id)
    if plan.parts is not None:
        for route, part in plan.parts:
            telling.tell(route, part)
            writing.take(route, part)
        writing.end(telling)
        writing.close(act, number, telling.linked)
        records = counted(writing.draft.records + plan.records, limits)
        writing.draft.write(txn)
    else:
        records = _write_big(txn, plan, act, limits, writing, telling, number, reach)
    return telling.promotion(act, txn.at, number, records)


def rehearse(txn: ReadTxn, plan: Plan, act: Act, at: Instant, limits: Limits) -> Promotion:
    """Say what `apply` would do, without writing.

    Raises:
        PromotionInvalid: it would take more records than one transaction may.
    """
    if plan.is_unchanged:
        return answers.unchanged(plan, act, at)
    telling = Telling(plan)
    made = count(NOT_YET, -1)
    writing = _Writing(txn, plan, NOT_YET, at, lambda: next(made))
    writing.begin()
    if plan.parts is not None:
        for route, part in plan.parts:
            telling.tell(route, part)
            writing.take(route, part)
    else:
        records = plan.records + writing.write(None)
        for route, part in iter_parts(txn, plan.request, limits, plan.routes, []):
            telling.tell(route, part)
            writing.concern_route(route)
        writing.end(telling)
        records += writing.write(None)
        draft = Draft()
        history.close(
            draft, NOT_YET, writing.kind, act, at, writing.roles, _OPEN, promotion=NOT_YET
        )
        return telling.promotion(act, at, None, counted(records + draft.records, limits))
    writing.end(telling)
    writing.close(act, NOT_YET, telling.linked)
    records = counted(writing.draft.records + plan.records, limits)
    return telling.promotion(act, at, None, records)


def still_holds(txn: ReadTxn, plan: Plan) -> bool:
    """Tell whether everything that a plan rests on is as it was when it was made."""
    return (
        all(names.find_registry(txn, name) == seen for name, seen in plan.registries.items())
        and all(_seen(txn, name) == seen for name, seen in plan.rests_on.items())
        and all(
            list(names.iter_below(txn, registry, path)) == list(found)
            for (registry, path), found in plan.listed.items()
        )
    )


def counted(records: int, limits: Limits) -> int:
    """Return `records`; PromotionInvalid if one transaction may not have so many."""
    if records > limits.transaction_records_max:
        raise PromotionInvalid(
            f"it takes {records} records, and one transaction at most "
            f"{limits.transaction_records_max} (transaction_records_max)"
        )
    return records


class _Writing:
    """A plan on its way into drafts."""

    def __init__(
        self, txn: ReadTxn, plan: Plan, event: int, at: Instant, new_id: Callable[[], int]
    ) -> None:
        self.txn, self.plan, self.event, self.at, self.new_id = txn, plan, event, at, new_id
        self.is_move = plan.request.mode is Mode.MOVE
        self.kind = kind_of(plan.request)
        self.draft = Draft()
        self.made: dict[RepositoryName, FoundRepository] = {}
        """Repositories that come into being."""
        self.changes: list[Change] = []
        self.roles: dict[int, int] = {}

    def begin(self) -> None:
        """Draft the repositories that come to be, by a copy or by another name.

        Copies come first: their ids must be the highest when their rows are put. What is merged
        away gives up its name before another gets it.
        """
        for whole in self.plan.wholes:
            if whole.way is Way.COPY:
                self.copy(whole)
            elif whole.way is Way.MERGE and self.is_move:
                since = 0 if self.plan.request.purge else self.at
                source = whole.source
                naming.draft_death(self.draft, source, self.event, since, Naming.MOVED_OUT)
        for whole in self.plan.wholes:
            if whole.way is Way.RENAME:
                self.rename(whole)
        for route in self.plan.routes:
            if route.target is None and route.target_name not in self.made:
                made = draft_target(self.draft, route, self.new_id(), self.event)
                self.made[route.target_name] = made

    def copy(self, whole: Whole) -> None:
        source, counts = whole.source, whole.source.record.counts
        made = names.draft_copy(
            self.draft,
            whole.target_registry,
            whole.target_name.repository,
            self.new_id(),
            self.event,
            counts,
        )
        self.made[whole.target_name] = made
        naming.log_whole(self.draft, source, self.event, Naming.COPIED)
        self.say_whole(made.id, Action.COPIED, source.id, answers.whole_tally(whole))
        self.concern(made.id, _CHANGED)
        self.concern(source.id, _TAKEN_FROM)

    def rename(self, whole: Whole) -> None:
        naming.draft_renaming(
            self.draft,
            whole.source,
            whole.target_registry,
            whole.target_name.repository,
            self.event,
        )
        self.say_whole(whole.source.id, Action.RENAMED, None, answers.whole_tally(whole))

    def take(self, route: Route, part: Part) -> None:
        """Draft what happens to some images."""
        target = self.target(route)
        self.concern_route(route)
        self.changes += draft_part(self.txn, self.draft, route, target, part, self.event, self.at)

    def concern_route(self, route: Route) -> None:
        self.concern(self.target(route).id, _CHANGED)
        self.concern(route.source.id, _TAKEN_FROM)

    def target(self, route: Route) -> FoundRepository:
        return route.target or self.made[route.target_name]

    def end(self, telling: Telling) -> None:
        """Draft what becomes of repositories that were merged."""
        for whole in self.plan.wholes:
            if whole.way is Way.MERGE and whole.route is not None:
                self.end_merge(whole.route, telling.tally(whole.route))

    def end_merge(self, route: Route, tally: Tally) -> None:
        source, target = route.source, self.target(route)
        naming.log_whole(self.draft, target, self.event, Naming.MERGED)
        self.say_whole(target.id, Action.MERGED, source.id, tally)
        if not self.is_move:
            naming.log_whole(self.draft, source, self.event, Naming.COPIED)
            return
        self.say_whole(source.id, Action.DISSOLVED, target.id, tally)

    def say_whole(self, number: int, action: Action, other: int | None, tally: Tally) -> None:
        side = OtherSide(other, "") if other is not None else None
        self.changes.append(Change(number, "", action, None, None, side, tally=tally))

    def concern(self, number: int, role: int) -> None:
        self.roles[number] = self.roles.get(number, 0) | role

    def write(self, txn: WriteTxn | None) -> int:
        """Write what is drafted so far, items included; return how many records that were.

        Without a transaction, only count.
        """
        history.append_items(self.draft, self.event, self.kind, self.changes)
        for change in self.changes:
            self.concern(change.repository, _CHANGED)
        records = self.draft.records
        if txn is not None:
            self.draft.write(txn)
        self.draft, self.changes = Draft(), []
        return records

    def close(self, act: Act, number: int, linked: int) -> None:
        """Draft the event, with all its items."""
        items = history.append_items(self.draft, self.event, self.kind, self.changes)
        for change in self.changes:
            self.concern(change.repository, _CHANGED)
        records = self.draft.records + self.plan.records
        closed = Closed(len(items), seals.items_hash(items), linked, records)
        self.draft_event(act, number, closed)

    def draft_event(self, act: Act, number: int, closed: Closed) -> None:
        history.close(
            self.draft, self.event, self.kind, act, self.at, self.roles, closed, promotion=number
        )


def _write_big(
    txn: WriteTxn,
    plan: Plan,
    act: Act,
    limits: Limits,
    writing: _Writing,
    telling: Telling,
    number: int,
    reach: Reach,
) -> int:
    """Write part by part, so that memory holds one of them; return how many records that were."""
    records = sum(whole.rows for whole in plan.wholes) + writing.write(txn)

    # Copies: the plan stays as it was made, since all of this may be rolled back and run again.
    routes = [replace(route) for route in plan.routes]

    def refresh(route: Route) -> None:
        route.source = _again(txn, route.source)
        route.target = _again(txn, writing.target(route))

    violations: list[LiftlockError] = []
    for route, part in iter_parts(txn, plan.request, limits, routes, violations, refresh):
        telling.tell(route, part)
        writing.take(route, part)
        records += writing.write(txn)
        reach("promotion: part written")
    refuse(violations)  # what was possible when it was planned must be so still
    writing.end(telling)
    records += writing.write(txn)
    items, items_hash = seals.hashed_items(txn, writing.event)
    writing.draft_event(act, number, Closed(items, items_hash, telling.linked, records))
    records += writing.draft.records
    writing.draft.write(txn)
    return counted(records, limits)


def _again(txn: ReadTxn, repository: FoundRepository) -> FoundRepository:
    return FoundRepository(repository.id, names.repository_record(txn, repository.id))


def _copy_rows(txn: WriteTxn, source: int, target: int) -> None:
    for table in COPIED_TABLES:
        txn.copy_range(table, keys.id_key(source), keys.id_key(target))


def _seen(txn: ReadTxn, name: RepositoryName) -> tuple[int, int] | None:
    registry = names.find_registry(txn, name.registry)
    found = names.find_in(txn, registry, name.repository) if registry is not None else None
    return None if found is None else (found.id, found.record.version)


def _hold_again(txn: WriteTxn, plan: Plan) -> None:
    draft = Draft()
    for route in plan.routes:
        if route.target is not None and not route.is_whole:
            for pair in route.pairs:
                if not pair.target_tag:
                    links.put_hold(draft, route.target.id, keys.MANIFEST, pair.digest, txn.at)
    draft.write(txn)
