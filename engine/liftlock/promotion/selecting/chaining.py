"""Chains and swaps that are asked for again: done before, as long as nothing has happened since.

In a set, what is source of one item may be target of another; all are judged against the snapshot
before it. So the same set again would shift everything once more, unless it is seen that it was
this very set that put there what is there now. Of an item by itself nobody could tell.
"""

from __future__ import annotations

from collections.abc import Collection

from liftlock import bearers, history, links
from liftlock.history import Event, Item
from liftlock.metadata.contract import ReadTxn
from liftlock.metadata.records import Action, Role
from liftlock.model import Mode
from liftlock.promotion.selecting.repeating import CAME_WHOLE, pair_event
from liftlock.promotion.values import ExpectedPair, Leg, Pair, Repeated, Route, Whole
from liftlock.promotion.wording import mode_of


def drop_done_chains(
    txn: ReadTxn,
    mode: Mode,
    routes: dict[Leg, Route],
    wholes: list[Whole],
    repeated: list[Repeated],
) -> None:
    """Count what one promotion did as repeated, if it did all of this and nothing came since.

    A copy is no move: what it left where it was is still to be moved, and by the rules of a move.
    """
    names = {leg.target for leg in routes} | {whole.target_name for whole in wholes}
    sources = {leg.source for leg in routes} | {whole.source_name for whole in wholes}
    if not repeated and names.isdisjoint(sources):
        return  # nothing is source and target, as in most requests
    targets = {item.target for item in repeated}
    # What is to be where it is already hands nothing on: what else is asked of it is no chain.
    targets |= {
        f"{route.target_name}:{pair.target_tag}"
        for route in routes.values()
        for pair in route.pairs
        if not _is_onto_itself(route, pair)
    }
    targets |= {str(w.target_name) for w in wholes if w.source_name != w.target_name}
    pairs = [
        (route, pair)
        for route in routes.values()
        for pair in route.pairs
        if f"{route.source_name}:{pair.source_tag}" in targets and not _is_onto_itself(route, pair)
    ]
    chained = [
        whole
        for whole in wholes
        if str(whole.source_name) in targets and whole.source_name != whole.target_name
    ]
    if not pairs and not chained:
        return
    event = _done_by(txn, routes.values(), wholes, repeated, pairs, chained)
    if event is None or mode_of(event) is not mode:
        return
    for route, pair in pairs:
        source, target = f"{route.source_name}:{pair.source_tag}", str(route.target_name)
        repeated.append(Repeated(source, f"{target}:{pair.target_tag}", pair.old, event))
    for leg, route in list(routes.items()):
        _drop(route, {id(pair) for of, pair in pairs if of is route})
        if not route.pairs:
            del routes[leg]
    for whole in chained:
        repeated.append(Repeated(str(whole.source_name), str(whole.target_name), None, event))
        wholes.remove(whole)


def _done_by(
    txn: ReadTxn,
    routes: Collection[Route],
    wholes: Collection[Whole],
    repeated: Collection[Repeated],
    pairs: Collection[tuple[Route, Pair]],
    chained: Collection[Whole],
) -> Event | None:
    """Return the promotion that did all that is asked, if it is the last that happened to it."""
    events: dict[int, Event] = {item.event.id: item.event for item in repeated}
    shifted = {id(pair) for _, pair in pairs}
    for route in routes:
        for pair in route.pairs:
            if _is_onto_itself(route, pair):
                continue
            event = pair_event(txn, route, pair)
            if id(pair) in shifted:
                latest = history.latest_of_tag(txn, route.source.id, pair.source_tag)
                is_done = event is not None and latest == event.id
            else:
                is_done = pair.old == pair.digest
            if event is None or not is_done:
                return None
            events[event.id] = event
    for whole in wholes:
        if whole.source_name != whole.target_name:
            event = _whole_done(txn, whole, is_chained=whole in chained)
            if event is None:
                return None
            events[event.id] = event
    return next(iter(events.values())) if len(events) == 1 else None


def _whole_done(txn: ReadTxn, whole: Whole, *, is_chained: bool) -> Event | None:
    """Return what happened to the target last, if that brought it what bore the source's name."""
    last = next(bearers.iter_log(txn, whole.target.id), None) if whole.target else None
    if whole.target is None or last is None:
        return None
    source = next(bearers.iter_log(txn, whole.source.id), None)
    if is_chained and (source is None or source.event != last.event):
        return None
    event = history.get_event(txn, last.event)
    # What a move has brought does not move on for what came to it since; a copy adds that.
    if not is_chained or mode_of(event) is Mode.COPY:
        changes = history.iter_repository_events(txn, whole.source.id)
        latest = next((number for number, role in changes if role is not Role.TAKEN_FROM), 0)
        if latest > last.event:
            return None
    if is_chained and mode_of(event) is Mode.COPY and _has_changed(txn, whole, event):
        return None
    for item in history.iter_whole_items(txn, whole.target.id, last.event):
        came = item.record.other.repository if item.record.other else whole.target.id
        is_it = bearers.name_at(txn, came, last.event - 1) == str(whole.source_name)
        if is_it and item.record.action in {*CAME_WHOLE, Action.RENAMED}:
            return event if not event.record.undoes else None
    return None


def _has_changed(txn: ReadTxn, whole: Whole, event: Event) -> bool:
    """Tell whether what a promotion brought was changed since: undone, set anew, or deleted.

    Tags that its source did not have are the target's own.
    """
    assert whole.target is not None
    for number, role in history.iter_repository_events(txn, whole.target.id):
        if number <= event.id:
            return False
        if role is Role.TAKEN_FROM:
            continue
        for item in history.iter_items(txn, number):
            if item.repository == whole.target.id and _was_brought(txn, whole, event, item):
                return True
    return False


def _was_brought(txn: ReadTxn, whole: Whole, event: Event, item: Item) -> bool:
    if item.tag:
        return bearers.digest_at(txn, whole.source.id, item.tag, event.id - 1) is not None
    gone = item.record.old if item.record.action is Action.DELETED else None
    return gone is not None and gone in links.find_linked(txn, whole.source.id, (gone,))


def _is_onto_itself(route: Route, pair: Pair) -> bool:
    return route.is_inside and pair.source_tag == pair.target_tag


def _drop(route: Route, gone: Collection[int]) -> None:
    kept: list[Pair] = []
    expectations: dict[int, ExpectedPair] = {}
    for place, pair in enumerate(route.pairs):
        if id(pair) not in gone:
            if place in route.expectations:
                expectations[len(kept)] = route.expectations[place]
            kept.append(pair)
    route.pairs, route.expectations = kept, expectations
