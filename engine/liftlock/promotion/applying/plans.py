"""Writing a plan: links, tags, removals, names and history, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

from liftlock import history, links, names, registries, seals
from liftlock.config import Limits
from liftlock.errors import LiftlockError, PromotionInvalid
from liftlock.history import Act, Closed
from liftlock.metadata import keys
from liftlock.metadata.contract import OF_A_REPOSITORY, Instant, Numbered, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository
from liftlock.model import Promotion
from liftlock.oci.reference import RepositoryName
from liftlock.points import Reach, nowhere
from liftlock.promotion.applying import answers
from liftlock.promotion.applying.answers import Telling
from liftlock.promotion.applying.writing import Writing
from liftlock.promotion.deciding import refuse
from liftlock.promotion.drafting import NOT_YET
from liftlock.promotion.planning.parts import iter_parts
from liftlock.promotion.values import Plan, Route, Way

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
    writing = Writing(txn, plan, event, txn.at, partial(txn.next_id, Numbered.OBJECT))
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
    writing = Writing(txn, plan, NOT_YET, at, lambda: next(made))
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
        and all(registries.settings_of(txn, name) == seen for name, seen in plan.settings.items())
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


def _write_big(
    txn: WriteTxn,
    plan: Plan,
    act: Act,
    limits: Limits,
    writing: Writing,
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
    for table in OF_A_REPOSITORY:
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
                    links.put_hold(draft, route.target.id, keys.held_manifest(pair.digest), txn.at)
    draft.write(txn)
