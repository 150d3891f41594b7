"""Deciding what a promotion means, in one snapshot, without writing anything.

All rules are judged before anything is written, and a refusal names every one that is broken. A
dry run is a plan that nobody applies.
"""

from __future__ import annotations

from collections.abc import Iterator

from liftlock import history
from liftlock.config import Limits
from liftlock.errors import PromotionInvalid
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.draft import Draft
from liftlock.model import Mode
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.deciding import refuse
from liftlock.promotion.drafting import NOT_YET, draft_part, draft_target
from liftlock.promotion.planning.accepting import Lacking, purge_refusals
from liftlock.promotion.planning.colliding import collisions
from liftlock.promotion.planning.fingerprint import Fingerprint
from liftlock.promotion.planning.parts import go_in_parts, iter_parts, overlap
from liftlock.promotion.planning.wholes import (
    choose_ways,
    copied_rows,
    merging_route,
    without_repeats,
)
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.selecting.items import Selecting, select
from liftlock.promotion.selecting.repeating import answering
from liftlock.promotion.values import Part, Plan, Route, Way, Whole
from liftlock.promotion.wording import kind_of


def plan(txn: ReadTxn, request: PromotionRequest, limits: Limits, *, hashed: bool = False) -> Plan:
    """Decide what `request` means in this snapshot.

    Args:
        txn: the snapshot.
        request: what is asked.
        limits: how far to follow, and how much to plan at a time.
        hashed: whether the plan's hash is wanted.

    Raises:
        LiftlockError: the gravest of what is wrong; all of it is in its `violations`.
    """
    selected = select(txn, request, limits)
    violations = selected.known.violations
    routes = list(selected.known.routes.values())
    wholes = without_repeats(selected.wholes) if selected.wholes else []
    if wholes:
        violations += choose_ways(wholes, routes, is_move=request.mode is Mode.MOVE)
    for whole in wholes:
        if whole.way is Way.MERGE:
            whole.route = merging_route(txn, whole, limits)
            routes.append(whole.route)
        elif whole.way is Way.COPY:
            whole.rows = copied_rows(txn, whole)
    if len(routes) > 1 or (routes and len(routes[0].pairs) > 1):
        violations += collisions(routes)
    return _Planning(txn, request, limits, selected, routes, wholes).plan(hashed=hashed)


class _Planning:
    """The decision about a selection, part by part."""

    def __init__(
        self,
        txn: ReadTxn,
        request: PromotionRequest,
        limits: Limits,
        selected: Selecting,
        routes: list[Route],
        wholes: list[Whole],
    ) -> None:
        self.txn, self.request, self.limits = txn, request, limits
        self.selected, self.routes, self.wholes = selected, routes, wholes

    def plan(self, *, hashed: bool) -> Plan:
        selected, routes, wholes = self.selected, self.routes, self.wholes
        violations = selected.known.violations
        in_parts = go_in_parts(routes, self.limits)
        if self.request.purge and overlap(routes):
            reason = (
                "purge unlinks at once what a source had, and here one is a target too; leave "
                "purge out, or promote one after the other"
            )
            violations.append(PromotionInvalid(reason))
        mark = Fingerprint(self.request) if hashed else None
        parts: list[tuple[Route, Part]] = []
        lacking = Lacking(self.limits.absent_listed_max)
        changes_nothing = all(whole.way in {Way.STAY, Way.MERGE} for whole in wholes)
        manifests, records = 0, sum(whole.rows for whole in wholes)
        for route, part in iter_parts(self.txn, self.request, self.limits, routes, violations):
            if mark is not None:
                mark.add_part(route, part)
            changes_nothing = changes_nothing and part.is_unchanged
            manifests += len(part.bringing.manifests)
            lacking.add_part(route.target_name, part.bringing)
            if in_parts:
                records += _records_of(self.txn, self.request, route, part)
            else:
                parts.append((route, part))
        for whole in wholes:
            lacking.add_whole(self.txn, whole)
        settings_of = selected.known.settings_of
        violations += lacking.refusals(self.request, settings_of)
        violations += purge_refusals(self.request, self.sources(), settings_of)
        refuse(violations)
        if mark is not None:
            for whole in wholes:
                mark.add_whole(whole)
            for item in selected.repeated:
                mark.add_repeated(item)
        is_move = self.request.mode is Mode.MOVE
        leaves = is_move and any(whole.way is Way.MERGE for whole in wholes)
        is_unchanged = changes_nothing and not leaves
        return Plan(
            self.request,
            routes,
            None if in_parts else parts,
            wholes,
            selected.repeated,
            selected.known.registries,
            {} if self.request.is_small else self.rests_on(),
            selected.listed_below,
            is_unchanged,
            manifests,
            records,
            mark.hex() if mark is not None else "",
            tuple(selected.known.warnings),
            answering(self.txn, routes, wholes, selected.repeated) if is_unchanged else None,
            selected.known.settings,
            *lacking.listed(),
        )

    def sources(self) -> Iterator[RepositoryName]:
        yield from (route.source_name for route in self.routes)
        yield from (whole.source_name for whole in self.wholes)

    def rests_on(self) -> dict[RepositoryName, tuple[int, int] | None]:
        return {
            name: (found.id, found.record.version) if found is not None else None
            for name, found in self.selected.known.repositories.items()
        }


def _records_of(txn: ReadTxn, request: PromotionRequest, route: Route, part: Part) -> int:
    """Count the rows that a part of a big plan takes, as it is written by itself."""
    draft = Draft()
    target = route.target or draft_target(Draft(), route, NOT_YET, NOT_YET)
    changes = draft_part(txn, draft, route, target, part, NOT_YET, 0)
    history.append_items(draft, NOT_YET, kind_of(request.mode), changes)
    return draft.records
