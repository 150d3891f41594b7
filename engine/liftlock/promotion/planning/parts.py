"""The images of all routes, decided about some at a time: memory holds one part.

What a request means as a whole is known to each part; whoever writes them one by one gives the
same as who decides about all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from liftlock.config import Limits
from liftlock.errors import LiftlockError
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Mode
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.graph.bringing import Arrivals
from liftlock.promotion.planning.routing import plan_part
from liftlock.promotion.planning.taking import Taking
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Part, Route, Surroundings


def go_in_parts(routes: list[Route], limits: Limits) -> bool:
    """Tell whether a plan is written part by part, each made again when it is."""
    if sum([len(route.pairs) for route in routes]) <= limits.part_pairs_max:
        return False
    # In parts, a repository that is source and target would be read after it was written.
    return not overlap(routes)


def overlap(routes: list[Route]) -> bool:
    """Tell whether a repository is somebody's source and another's target."""
    sources = {route.source_name for route in routes}
    return not sources.isdisjoint(route.target_name for route in routes if not route.is_inside)


def iter_parts(
    txn: ReadTxn,
    request: PromotionRequest,
    limits: Limits,
    routes: list[Route],
    violations: list[LiftlockError],
    refresh: Callable[[Route], None] | None = None,
) -> Iterator[tuple[Route, Part]]:
    """Decide about all images, some at a time; what stands against it is added to `violations`.

    Whoever writes a part before asking for the next one brings a route's repositories up to date
    with `refresh`, before the next part of it is decided. What a move takes from its sources comes
    last: as long as anything is decided, all that the sources had is there.
    """
    around = _surroundings(request, routes)
    taking = Taking(request, limits)
    for route in routes:
        for start in range(0, len(route.pairs), limits.part_pairs_max) or (0,):
            if refresh is not None:
                refresh(route)
            pairs = route.pairs[start : start + limits.part_pairs_max]
            is_last = start + len(pairs) >= len(route.pairs)
            try:
                part = plan_part(
                    txn, route, start, pairs, request, limits, around[id(route)], is_last=is_last
                )
            except LiftlockError as error:
                violations.append(error)
                continue
            violations += part.violations
            if part.removes:
                taking.hold_back(route, part, around[id(route)])
                if len(routes) == 1 and len(pairs) == len(route.pairs):
                    taking.give_back(txn, route, part)
            yield route, part
    for route, part in taking.parts(txn):
        if refresh is not None:
            refresh(route)
        yield route, part


def _surroundings(request: PromotionRequest, routes: list[Route]) -> dict[int, Surroundings]:
    """Return what the request as a whole means for each of its routes."""
    if len(routes) == 1 and len(routes[0].pairs) == 1 and not routes[0].loose:
        # Most promotions are of one image, and this is on everybody's way.
        (route,) = routes
        (pair,) = route.pairs
        leaving = (pair.source_tag,) if request.mode is Mode.MOVE else ()
        staying = (pair.target_tag,) if route.is_inside else ()
        return {id(route): Surroundings(None, leaving, staying, {pair.target_tag: pair.digest})}
    tagged: dict[RepositoryName, set[bytes]] = {}
    sets: dict[RepositoryName, dict[str, bytes]] = {}
    leaves: dict[RepositoryName, set[str]] = {}
    arrivals: dict[RepositoryName, Arrivals] = {}
    for route in routes:
        sets.setdefault(route.target_name, {}).update(
            (pair.target_tag, pair.digest) for pair in route.pairs
        )
        tagged.setdefault(route.target_name, set()).update(
            pair.digest for pair in route.pairs if pair.target_tag
        )
        arrivals.setdefault(route.target_name, Arrivals())
        if request.mode is Mode.MOVE and not route.is_whole:
            leaving_here = leaves.setdefault(route.source_name, set())
            leaving_here.update(pair.source_tag for pair in route.pairs)
            leaving_here.update(route.loose)
    return {
        id(route): Surroundings(
            arrivals[route.target_name],
            leaves.get(route.source_name, set()) - sets.get(route.source_name, {}).keys(),
            sets.get(route.source_name, ()),
            sets[route.target_name],
            {pair.digest for pair in route.pairs},
            tagged.get(route.source_name, ()),
        )
        for route in routes
    }
