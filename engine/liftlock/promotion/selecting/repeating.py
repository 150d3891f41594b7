"""Promotions that were done before: what answers for them when they are asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from liftlock import bearers, history, links, names
from liftlock.history import Event
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import Action, FoundRepository, Kind, Naming, OtherSide, Role
from liftlock.promotion.forms import retagged, tag_filter
from liftlock.promotion.request import RequestItem
from liftlock.promotion.selecting.resolving import Known, leg_below
from liftlock.promotion.values import Leg, Pair, Repeated, Route, Way, Whole

CAME_WHOLE: Final = frozenset({Action.COPIED, Action.MERGED})


def repeated_tag(
    txn: ReadTxn,
    item: RequestItem,
    leg: Leg,
    source: FoundRepository,
    target: FoundRepository,
    tag: str,
    target_tag: str,
    there: bytes,
) -> Repeated | None:
    """Return the move that took `tag` to where it is, if nothing has happened to it since."""
    wanted = item.source.digest
    if wanted is not None and wanted.key != there:
        return None
    if links.find_tag(txn, source.id, tag) is not None:
        return None
    event = _latest_from(txn, target.id, target_tag, OtherSide(source.id, tag))
    if event is None or event.record.kind is not Kind.MOVE:
        return None
    return Repeated(f"{leg.source}:{tag}", f"{leg.target}:{target_tag}", there, event)


def repeated_listed(
    txn: ReadTxn,
    item: RequestItem,
    leg: Leg,
    source: FoundRepository,
    target: FoundRepository,
    tag: str,
) -> Repeated | None:
    """Return the move that took a tag of a list to where it belongs, as `repeated_tag`."""
    target_tag = retagged(item.retag, tag)
    there = links.find_tag(txn, target.id, target_tag)
    if there is None:
        return None
    return repeated_tag(txn, item, leg, source, target, tag, target_tag, there.digest)


def repeated_glob(
    txn: ReadTxn,
    leg: Leg,
    source: FoundRepository,
    target: FoundRepository | None,
    matches: Callable[[str], bool],
) -> list[Repeated]:
    """Return the tags that a move took away, if that is the last that happened to the source."""
    if target is None:
        return []
    events = history.iter_repository_events(txn, source.id)
    number = next((number for number, role in events if role is not Role.TAKEN_FROM), None)
    if number is None:
        return []
    event = history.get_event(txn, number)
    if event.record.kind is not Kind.MOVE:
        return []
    found = [
        (
            Repeated(
                f"{leg.source}:{other.tag}", f"{leg.target}:{item.tag}", item.record.new, event
            ),
            item.record.is_attachment,
        )
        for item in history.iter_items(txn, number)
        if item.repository == target.id
        and (other := item.record.other) is not None
        and other.repository == source.id
        and other.tag
        and item.tag
        and matches(other.tag)
        and links.find_tag(txn, source.id, other.tag) is None
        and history.latest_of_tag(txn, target.id, item.tag) == number
    ]
    # Attachment tags speak for themselves where a glob has found nothing else.
    mains = [repeated for repeated, is_attachment in found if not is_attachment]
    return mains or [repeated for repeated, _ in found]


def repeated_whole(txn: ReadTxn, leg: Leg, home: int, registry: int) -> Repeated | None:
    """Return the move that took a whole repository to where it is, if it still is there."""
    last = bearers.last_naming(txn, home, leg.source.repository)
    target = names.find_in(txn, registry, leg.target.repository)
    if last is None or last[1].naming is not Naming.MOVED_OUT or target is None:
        return None
    number, record = last
    event = history.get_event(txn, number)
    if event.record.kind is not Kind.MOVE:
        return None
    if target.id != record.id:
        items = history.iter_whole_items(txn, target.id, number)
        if record.id not in {i.record.other.repository for i in items if i.record.other}:
            return None
    return Repeated(str(leg.source), str(leg.target), None, event)


def repeated_below(
    known: Known, item: RequestItem, registry: int, before: str
) -> Iterator[Repeated]:
    """Yield what moves took of what an item asks for that selects several repositories."""
    txn = known.txn
    for name in bearers.iter_names(txn, registry, before):
        leg = leg_below(item, name)
        source, target = known.repository(leg.source), known.repository(leg.target)
        home = known.registry(leg.target.registry)
        found: list[Repeated | None] = []
        if item.tags is None:
            if source is None and home is not None:
                found = [repeated_whole(txn, leg, registry, home)]
        elif source is not None and isinstance(item.tags, str):
            found = [*repeated_glob(txn, leg, source, target, tag_filter(item.tags)[1])]
        elif source is not None and target is not None:
            tags = dict.fromkeys(item.tags)
            found = [repeated_listed(txn, item, leg, source, target, tag) for tag in tags]
        yield from (repeated for repeated in found if repeated is not None)


def answering(
    txn: ReadTxn, routes: Iterable[Route], wholes: Iterable[Whole], repeated: Iterable[Repeated]
) -> Event | None:
    """Return the one promotion that made everything as it is, if there is one."""
    events = {item.event.id: item.event for item in repeated}
    found = [
        (pair_event(txn, route, pair), route, pair)
        for route in routes
        if not route.is_whole
        for pair in route.pairs
    ]
    events.update((event.id, event) for event, _, _ in found if event is not None)
    # What is to stay where it is was made by none, and speaks against none.
    for event in [whole_event(txn, whole) for whole in wholes if whole.way is not Way.STAY]:
        if event is None:
            return None
        events[event.id] = event
    if len(events) != 1:
        return None
    (answer,) = events.values()
    # What was right before it was made, it found unchanged.
    others = [(route, pair) for event, route, pair in found if event is None]
    return answer if all(_is_older(txn, *other, answer.id) for other in others) else None


def _is_older(txn: ReadTxn, route: Route, pair: Pair, event: int) -> bool:
    if route.target is None or not pair.target_tag:
        return False
    latest = history.latest_of_tag(txn, route.target.id, pair.target_tag)
    # A tag without a history came with the repository, when that was made as a copy.
    return (route.target.record.born if latest is None else latest) < event


def pair_event(txn: ReadTxn, route: Route, pair: Pair) -> Event | None:
    """Return a target tag's latest event, if it is a promotion from this very source."""
    if route.target is None or not pair.target_tag:
        return None
    side = OtherSide(route.source.id, pair.source_tag)
    return _latest_from(txn, route.target.id, pair.target_tag, side)


def _latest_from(txn: ReadTxn, target: int, tag: str, side: OtherSide) -> Event | None:
    """Return a tag's latest event, if it is a promotion from this very source."""
    number = history.latest_of_tag(txn, target, tag)
    if number is None:
        return None
    items = history.find_items(txn, target, tag, (number,))
    event = history.get_event(txn, number)
    is_promotion = event.record.promotion and not event.record.undoes
    return event if is_promotion and any(i.record.other == side for i in items) else None


def whole_event(txn: ReadTxn, whole: Whole) -> Event | None:
    """Return the latest event by which the target got all of the source."""
    if whole.target is None:
        return None
    for logged in bearers.iter_log(txn, whole.target.id):
        for item in history.iter_whole_items(txn, whole.target.id, logged.event):
            other = item.record.other
            is_it = other is not None and other.repository == whole.source.id
            if is_it and item.record.action in CAME_WHOLE:
                return history.get_event(txn, logged.event)
    return None
