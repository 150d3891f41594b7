"""A plan on its way into drafts: names, links, tags, and what the history will say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from liftlock import history, names, naming, seals
from liftlock.history import Act, Change, Closed
from liftlock.metadata.contract import Instant, ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, FoundRepository, Naming, OtherSide, Role
from liftlock.model import Mode, Tally
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.applying import answers
from liftlock.promotion.applying.answers import Telling
from liftlock.promotion.drafting import draft_part, draft_target
from liftlock.promotion.values import Part, Plan, Route, Way, Whole
from liftlock.promotion.wording import kind_of

# Numbers here, to be put together; an enumeration would make each sum an object.
_CHANGED: Final = Role.CHANGED.value
_TAKEN_FROM: Final = Role.TAKEN_FROM.value


class Writing:
    """A plan on its way into drafts."""

    def __init__(
        self, txn: ReadTxn, plan: Plan, event: int, at: Instant, new_id: Callable[[], int]
    ) -> None:
        self.txn, self.plan, self.event, self.at, self.new_id = txn, plan, event, at, new_id
        self.is_move = plan.request.mode is Mode.MOVE
        self.kind = kind_of(plan.request.mode)
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
                self._copy(whole)
            elif whole.way is Way.MERGE and self.is_move:
                since = 0 if self.plan.request.purge else self.at
                source = whole.source
                naming.draft_death(self.draft, source, self.event, since, Naming.MOVED_OUT)
        for whole in self.plan.wholes:
            if whole.way is Way.RENAME:
                self._rename(whole)
        for route in self.plan.routes:
            if route.target is None and route.target_name not in self.made:
                made = draft_target(self.draft, route, self.new_id(), self.event)
                self.made[route.target_name] = made

    def _copy(self, whole: Whole) -> None:
        source, counts = whole.source, whole.source.record.counts
        made = names.draft_repository(
            self.draft,
            whole.target_registry,
            whole.target_name.repository,
            self.new_id(),
            self.event,
            counts,
        )
        self.made[whole.target_name] = made
        naming.log_whole(self.draft, source, self.event, Naming.COPIED)
        self._say_whole(made.id, Action.COPIED, source.id, answers.whole_tally(whole))
        self._concern(made.id, _CHANGED)
        self._concern(source.id, _TAKEN_FROM)

    def _rename(self, whole: Whole) -> None:
        naming.draft_renaming(
            self.draft,
            whole.source,
            whole.target_registry,
            whole.target_name.repository,
            self.event,
        )
        self._say_whole(whole.source.id, Action.RENAMED, None, answers.whole_tally(whole))

    def take(self, route: Route, part: Part) -> None:
        """Draft what happens to some images."""
        target = self.target(route)
        self.concern_route(route)
        self.changes += draft_part(self.txn, self.draft, route, target, part, self.event, self.at)

    def concern_route(self, route: Route) -> None:
        """Note that the event concerns both sides of a route."""
        self._concern(self.target(route).id, _CHANGED)
        self._concern(route.source.id, _TAKEN_FROM)

    def target(self, route: Route) -> FoundRepository:
        """Return where a route leads to, which may just have come into being."""
        return route.target or self.made[route.target_name]

    def end(self, telling: Telling) -> None:
        """Draft what becomes of repositories that were merged."""
        for whole in self.plan.wholes:
            if whole.way is Way.MERGE and whole.route is not None:
                self._end_merge(whole.route, telling.tally(whole.route))

    def _end_merge(self, route: Route, tally: Tally) -> None:
        source, target = route.source, self.target(route)
        naming.log_whole(self.draft, target, self.event, Naming.MERGED)
        self._say_whole(target.id, Action.MERGED, source.id, tally)
        if not self.is_move:
            naming.log_whole(self.draft, source, self.event, Naming.COPIED)
            return
        self._say_whole(source.id, Action.DISSOLVED, target.id, tally)

    def _say_whole(self, number: int, action: Action, other: int | None, tally: Tally) -> None:
        side = OtherSide(other, "") if other is not None else None
        self.changes.append(Change(number, "", action, None, None, side, tally=tally))

    def _concern(self, number: int, role: int) -> None:
        self.roles[number] = self.roles.get(number, 0) | role

    def write(self, txn: WriteTxn | None) -> int:
        """Write what is drafted so far, items included; return how many records that were.

        Without a transaction, only count.
        """
        history.append_items(self.draft, self.event, self.kind, self.changes)
        for change in self.changes:
            self._concern(change.repository, _CHANGED)
        records = self.draft.records
        if txn is not None:
            self.draft.write(txn)
        self.draft, self.changes = Draft(), []
        return records

    def close(self, act: Act, number: int, linked: int) -> None:
        """Draft the event, with all its items."""
        items = history.append_items(self.draft, self.event, self.kind, self.changes)
        for change in self.changes:
            self._concern(change.repository, _CHANGED)
        records = self.draft.records + self.plan.records
        closed = Closed(len(items), seals.items_hash(items), linked, records)
        self.draft_event(act, number, closed)

    def draft_event(self, act: Act, number: int, closed: Closed) -> None:
        """Draft the event of items that are drafted or written."""
        history.close(
            self.draft, self.event, self.kind, act, self.at, self.roles, closed, promotion=number
        )
