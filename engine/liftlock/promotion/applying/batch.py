"""A batch of planned promotions, drafted step by step: each step for all before the next one.

What a step needs of the interpreter stays in the processor's caches meanwhile; promotion by
promotion, drafting takes half as long again. The rows are the same in either order: links, tags
and history are rows of different keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from liftlock import history, seals
from liftlock.history import Act, Change, Closed
from liftlock.metadata.contract import Row, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository, Kind, Role
from liftlock.model import Outcome, Promotion
from liftlock.promotion.applying.answers import told
from liftlock.promotion.drafting import draft_bringing, draft_tags
from liftlock.promotion.values import Part, Route

_CHANGED: Final = Role.CHANGED.value
_TAKEN_FROM: Final = Role.TAKEN_FROM.value


@dataclass(slots=True)
class Planned:
    """A promotion of a batch."""

    act: Act
    part: Part
    event: int
    number: int
    rows: int = 0
    """That are drafted for it so far."""
    changes: Sequence[Change] = ()
    items: Sequence[Row] = ()


def draft_batch(
    txn: WriteTxn,
    draft: Draft,
    route: Route,
    target: FoundRepository,
    batch: Sequence[Planned],
) -> list[Promotion]:
    """Draft copies of one route, each of one part, and return their answers."""
    at = txn.at
    for one in batch:
        one.rows -= draft.drafted
        draft_bringing(txn, draft, target, one.part.bringing, one.event, at)
        one.rows += draft.drafted
    for one in batch:
        one.rows -= draft.drafted
        one.changes = draft_tags(txn, draft, route, target, one.part, one.event, at)
        one.rows += draft.drafted
    for one in batch:
        one.rows -= draft.drafted
        one.items = history.append_items(draft, one.event, Kind.PROMOTE, one.changes)
        one.rows += draft.drafted
    roles = {target.id: _CHANGED, route.source.id: _TAKEN_FROM}
    hashes = [seals.items_hash(one.items) for one in batch]
    for one, items_hash in zip(batch, hashes, strict=True):
        bringing = one.part.bringing
        linked = len(bringing.manifests)
        # By itself, it would also have written the repository's row and, with its counts, a
        # counter.
        counts = linked or bringing.arriving_sizes or one.part.sets[0].outcome is Outcome.CREATE
        rows = one.rows + (2 if counts else 1)
        closed = Closed(len(one.items), items_hash, linked, rows)
        one.rows = history.close(
            draft, one.event, Kind.PROMOTE, one.act, at, roles, closed, promotion=one.number
        )
    return [told(route, one.part, one.act, at, one.number, one.rows) for one in batch]
