"""What a move takes from its sources: tags, and at once, with a purge, what nothing else needs.

Decided and written when all else is: what one image frees depends on all the others, and as long
as a source is read it has all that it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from liftlock.config import Limits
from liftlock.metadata.contract import ReadTxn
from liftlock.promotion.graph.bringing import NOTHING
from liftlock.promotion.graph.closure import Member
from liftlock.promotion.graph.unlinking import unneeded
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Part, Route, Surroundings, TagChange


@dataclass(slots=True)
class _Source:
    """What is taken from one repository."""

    route: Route
    removes: dict[str, tuple[Route, TagChange]] = field(default_factory=dict)
    """By tag; one that goes several ways is taken once."""
    members: dict[bytes, Member] = field(default_factory=dict)
    """What the moved images reach, if what nothing needs any more is purged."""
    tagged: set[bytes] = field(default_factory=set)
    """What the request tags there."""


class Taking:
    """What is held back of each part until all is decided."""

    def __init__(self, request: PromotionRequest, limits: Limits) -> None:
        self._purge, self._limits = request.purge, limits
        self._sources: dict[int, _Source] = {}

    def hold_back(self, route: Route, part: Part, around: Surroundings) -> None:
        """Take over what a part takes from its source."""
        source = self._sources.setdefault(route.source.id, _Source(route))
        for removal in part.removes:
            source.removes.setdefault(removal.tag, (route, removal))
        source.members.update((member.digest, member) for member in part.members)
        source.tagged.update(around.tagged)
        part.leaving = {removal.tag for removal in part.removes}
        part.removes, part.members = [], ()

    def give_back(self, txn: ReadTxn, route: Route, part: Part) -> None:
        """Let the only part that there is do it all."""
        source = self._sources.pop(route.source.id)
        part.removes = [removal for _, removal in source.removes.values()]
        part.purged = self._purged(txn, source)

    def parts(self, txn: ReadTxn) -> Iterator[tuple[Route, Part]]:
        """Return what was held back, in parts again; each purge is one, whatever its size."""
        for source in self._sources.values():
            by_route: dict[int, list[TagChange]] = {}
            routes: dict[int, Route] = {}
            for route, removal in source.removes.values():
                routes[id(route)] = route
                by_route.setdefault(id(route), []).append(removal)
            most = self._limits.part_pairs_max
            for number, removes in by_route.items():
                for start in range(0, len(removes), most):
                    yield routes[number], Part([], removes[start : start + most], NOTHING, [])
            purged = self._purged(txn, source)
            if purged:
                yield source.route, Part([], [], NOTHING, [], purged)

    def _purged(self, txn: ReadTxn, source: _Source) -> list[Member]:
        """Return what nothing at the source needs once its tags are taken."""
        if not self._purge or not source.members:
            return []
        digests = unneeded(
            txn,
            source.route.source.id,
            source.members,
            is_leaving=lambda tag, _: tag in source.removes,
            limits=self._limits,
            by_subject=True,
            kept=source.tagged,
        )
        return [source.members[digest] for digest in digests]
