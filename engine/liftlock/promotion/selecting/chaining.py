"""Chains and swaps that are asked for again: done before, as long as nothing has happened since.

In a set, what is source of one item may be target of another; all are judged against the snapshot
before it. So the same set again would shift everything once more, unless it is seen that it was
this very set that put there what is there now, or found it there. Of an item by itself nobody
could tell.
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
    event = _last_to_shift(txn, pairs, chained)
    if event is None or mode_of(event) is not mode or any(r.event.id > event.id for r in repeated):
        return
    if not _all_done(txn, event, routes.values(), wholes, pairs, chained):
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


def _last_to_shift(
    txn: ReadTxn, pairs: Collection[tuple[Route, Pair]], chained: Collection[Whole]
) -> Event | None:
    """Return the last event of the sources that are targets too, if it is a promotion."""
    numbers = [
        history.latest_of_tag(txn, route.source.id, pair.source_tag) or 0 for route, pair in pairs
    ]
    logs = [next(bearers.iter_log(txn, whole.source.id), None) for whole in chained]
    latest = max([*numbers, *(logged.event for logged in logs if logged is not None)], default=0)
    event = history.get_event(txn, latest) if latest else None
    is_promotion = event is not None and event.record.promotion and not event.record.undoes
    return event if is_promotion else None


def _all_done(
    txn: ReadTxn,
    event: Event,
    routes: Collection[Route],
    wholes: Collection[Whole],
    pairs: Collection[tuple[Route, Pair]],
    chained: Collection[Whole],
) -> bool:
    shifted = {id(pair) for _, pair in pairs}
    return all(
        _pair_done(txn, route, pair, event, is_chained=id(pair) in shifted)
        for route in routes
        for pair in route.pairs
        if not _is_onto_itself(route, pair)
    ) and all(
        _whole_done(txn, whole, event, is_chained=whole in chained)
        for whole in wholes
        if whole.source_name != whole.target_name
    )


def _pair_done(txn: ReadTxn, route: Route, pair: Pair, event: Event, *, is_chained: bool) -> bool:
    """Tell whether a promotion left a tag as it is, or found it so, and nothing came since."""
    if route.target is None or not pair.target_tag:
        return pair.old == pair.digest
    latest = history.latest_of_tag(txn, route.target.id, pair.target_tag)
    # A tag without a history came with the repository, when that was made as a copy.
    latest = route.target.record.born if latest is None else latest
    of_source = history.latest_of_tag(txn, route.source.id, pair.source_tag) if is_chained else None
    if latest >= event.id:
        made = pair_event(txn, route, pair) if latest == event.id else None
        return made is not None and (of_source == event.id or pair.old == pair.digest)
    is_move = mode_of(event) is Mode.MOVE
    if of_source != event.id:
        # What a move finds right it takes from its source, and says so.
        return pair.old == pair.digest and not (is_move and pair.source_tag)
    was = history.get_item(txn, route.source.id, pair.source_tag, event.id).record.old
    if was is None:
        # It was gone when the set was asked for, by the move that answered for it.
        made = pair_event(txn, route, pair)
        return is_move and made is not None and mode_of(made) is Mode.MOVE
    return was == pair.old and _went_along(txn, route, event)


def _went_along(txn: ReadTxn, route: Route, event: Event) -> bool:
    """Tell whether a promotion took from this source for this target, if only to find it right."""
    if route.target is None:
        return False
    from_source = _role_in(txn, event, route.source.id) in {Role.TAKEN_FROM, Role.BOTH}
    return from_source and _role_in(txn, event, route.target.id) in {Role.CHANGED, Role.BOTH}


def _role_in(txn: ReadTxn, event: Event, repository: int) -> Role | None:
    found = next(history.iter_repository_events(txn, repository, before=event.id + 1), None)
    return found[1] if found is not None and found[0] == event.id else None


def _whole_done(txn: ReadTxn, whole: Whole, event: Event, *, is_chained: bool) -> bool:
    """Tell whether a promotion left a whole as it is, and nothing came since that it would take."""
    last = next(bearers.iter_log(txn, whole.target.id), None) if whole.target else None
    if whole.target is None or last is None:
        return False
    if is_chained:
        source = next(bearers.iter_log(txn, whole.source.id), None)
        if source is None or source.event != event.id:
            return False
    if last.event != event.id and not (is_chained and _was_moved(txn, whole, last.event, event)):
        return False
    # What a move has brought does not move on for what came to it since; a copy adds that.
    is_copy = mode_of(event) is Mode.COPY
    if (not is_chained or is_copy) and _has_come(txn, whole, event):
        return False
    return _came_by(txn, whole, last.event) and not (
        is_chained and is_copy and _has_changed(txn, whole, event)
    )


def _came_by(txn: ReadTxn, whole: Whole, event: int) -> bool:
    """Tell whether an event brought the target what bore the source's name."""
    assert whole.target is not None
    for item in history.iter_whole_items(txn, whole.target.id, event):
        came = item.record.other.repository if item.record.other else whole.target.id
        is_it = bearers.name_at(txn, came, event - 1) == str(whole.source_name)
        if is_it and item.record.action in {*CAME_WHOLE, Action.RENAMED}:
            return True
    return False


def _was_moved(txn: ReadTxn, whole: Whole, earlier: int, event: Event) -> bool:
    """Tell whether an earlier move left the source's name free until a promotion gave it away."""
    if mode_of(history.get_event(txn, earlier)) is not Mode.MOVE:
        return False
    *before, now = bearers.bearers(txn, whole.source.record.registry, whole.source.record.name)
    return now.start == event.id and [one.end for one in before[-1:]] == [earlier]


def _has_come(txn: ReadTxn, whole: Whole, event: Event) -> bool:
    changes = history.iter_repository_events(txn, whole.source.id)
    return next((number for number, role in changes if role is not Role.TAKEN_FROM), 0) > event.id


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
