"""Promotions that wait for the same commit, planned together.

Whoever promotes one image pays for every look-up alone. Sixty-four who wait at once ask mostly for
the same: one look-up of each kind serves them all, at half the price. Each is an event of its own,
with its own number and answer, as if one had come after the other.

Only what is plain is done so: copies of a tag from one repository to another that is there, each
to a tag of its own, of images without attachment tags, that change something. All else is left to
be promoted by itself, after these; so is everything, if somebody's source is another's target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from liftlock import history, links, names
from liftlock.config import Limits
from liftlock.errors import LiftlockError
from liftlock.history import Act
from liftlock.metadata.contract import Numbered, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import FoundRepository
from liftlock.model import ANYTHING, Mode, Outcome, Promotion
from liftlock.oci.reference import RepositoryName
from liftlock.promotion.applying.batch import Planned, draft_batch
from liftlock.promotion.graph.bringing import Arrivals, Known, bring, look
from liftlock.promotion.graph.closure import Closure, closure
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Part, Route, TagChange


class _Way(NamedTuple):
    """One image's way: its place among the requests, its route, its tags."""

    place: int
    route: Route
    source_tag: str
    target_tag: str


class _Image(NamedTuple):
    """An image that was found at its source."""

    way: _Way
    digest: bytes
    old: bytes | None


def is_plain(request: PromotionRequest) -> bool:
    """Tell whether a request may be planned together with others."""
    if len(request.items) != 1 or request.mode is not Mode.COPY:
        return False
    item = request.items[0]
    source = item.source
    return (
        source.tag is not None
        and source.digest is None
        and item.tags is None
        and item.retag is None
        and item.expect_source is ANYTHING
        and item.expect_target is ANYTHING
        and request.attachments is None
        and not request.purge
    )


def promote_together(
    txn: WriteTxn, asked: Sequence[tuple[PromotionRequest, Act]], limits: Limits
) -> list[Promotion | None]:
    """Promote what is plain among `asked`, which are `is_plain`, and write it.

    Returns:
        The answers, in the order of `asked`; None for those that were left alone.
    """
    answers: list[Promotion | None] = [None] * len(asked)
    ways = _ways(txn, [request for request, _ in asked])
    if len(ways) < 2:  # noqa: PLR2004 - there is nobody to share with
        return answers
    everything = Draft()
    arrivals: dict[int, Arrivals] = {}
    for route, images in _images(txn, ways):
        try:
            roots = [image.digest for image in images]
            found = closure(txn, route.source.id, str(route.source_name), roots, limits)
        except LiftlockError:
            continue  # whose fault it is comes out when each is promoted by itself
        if found.absent:
            continue  # whether that is meant, and allowed, is judged of each by itself
        target = route.target
        assert target is not None
        known = look(txn, route.source.id, target.id, found.members.values())
        if known.absent:
            continue  # what one only names another may bring: then each must see the other's rows
        there = arrivals.setdefault(target.id, Arrivals())
        planned: dict[int, Planned] = {}
        for image in images:
            part = _part(image, found, known, there)
            if part is not None:
                place = image.way.place
                numbers = history.next_event(txn), txn.next_id(Numbered.PROMOTION)
                planned[place] = Planned(asked[place][1], part, *numbers)
        batch = list(planned.values())
        done = draft_batch(txn, everything, route, target, batch)
        for place, answer in zip(planned, done, strict=True):
            answers[place] = answer
    everything.write(txn)
    return answers


def _ways(txn: WriteTxn, requests: Sequence[PromotionRequest]) -> list[_Way]:
    """Return the ways of those that can go together: none, if somebody's source is a target."""
    routes: dict[tuple[str, str, str, str], Route | None] = {}
    taken: set[tuple[str, str, str]] = set()
    ways: list[_Way] = []
    for place, request in enumerate(requests):
        item = request.items[0]
        selection, target = item.source, item.target
        assert selection.repository is not None
        assert selection.tag is not None
        source = selection.registry, selection.repository
        there = target.registry, target.repository or selection.repository
        leg = *source, *there
        if leg not in routes:
            routes[leg] = _route(txn, RepositoryName(*source), RepositoryName(*there))
        route = routes[leg]
        target_tag = target.tag or selection.tag
        # Of two that go to one tag, the second comes after all the others.
        if (*there, target_tag) not in taken and route is not None:
            ways.append(_Way(place, route, selection.tag, target_tag))
        taken.add((*there, target_tag))
    sources = {way.route.source.id for way in ways}
    if not sources.isdisjoint(way.route.target.id for way in ways if way.route.target):
        return []
    return ways


def _route(txn: WriteTxn, source_name: RepositoryName, target_name: RepositoryName) -> Route | None:
    registry = names.find_registry(txn, target_name.registry)
    source = _found(txn, source_name)
    target = _found(txn, target_name)
    if source is None or registry is None or target is None:
        return None
    return Route(source_name, source, target_name, registry, target)


def _found(txn: WriteTxn, name: RepositoryName) -> FoundRepository | None:
    registry = names.find_registry(txn, name.registry)
    return None if registry is None else names.find_in(txn, registry, name.repository)


def _images(txn: WriteTxn, ways: Sequence[_Way]) -> list[tuple[Route, list[_Image]]]:
    """Resolve the tags of all ways of a route at once."""
    by_route: dict[int, list[_Way]] = {}
    for way in ways:
        by_route.setdefault(id(way.route), []).append(way)
    found: list[tuple[Route, list[_Image]]] = []
    for some in by_route.values():
        route = some[0].route
        assert route.target is not None
        there = links.find_tags(txn, route.source.id, [way.source_tag for way in some])
        olds = links.find_tags(txn, route.target.id, [way.target_tag for way in some])
        images = [
            _Image(way, tag.digest, old.digest if old is not None else None)
            for way, tag, old in zip(some, there, olds, strict=True)
            if tag is not None
        ]
        found.append((route, images))
    return found


def _part(image: _Image, found: Closure, known: Known, arrivals: Arrivals) -> Part | None:
    """Decide what happens to one image; None if it has to be looked at more closely."""
    digest, old = image.digest, image.old
    members = [found.members[digest]]
    if digest in found.named or digest in found.attached:
        reached = found.reached_from((digest,))
        if not reached.isdisjoint(found.attached):
            return None
        members = [member for member in found.members.values() if member.digest in reached]
    bringing = bring(known, members, arrivals)
    if old is None:
        outcome = Outcome.CREATE
    elif old != digest:
        outcome = Outcome.OVERWRITE
    elif bringing.is_empty:
        return None  # it is unchanged, and answered by what made it so
    else:
        outcome = Outcome.EXTEND
    way = image.way
    change = TagChange(way.target_tag, digest, old, way.source_tag, outcome, False)  # noqa: FBT003
    return Part([change], [], bringing, [])
