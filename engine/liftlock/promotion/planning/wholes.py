"""Repositories that go as wholes: by another name, by a copy of their rows, or by merging.

To a free name, a move is a new name and a copy is a range of rows under a fresh id: neither looks
at a single image. A name that is taken is merged into, image by image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from liftlock import links
from liftlock.config import Limits
from liftlock.errors import LiftlockError, PromotionInvalid
from liftlock.metadata import keys
from liftlock.metadata.contract import OF_A_REPOSITORY, ReadTxn
from liftlock.metadata.records import FoundRepository
from liftlock.promotion.values import Pair, Route, Way, Whole


def choose_ways(
    wholes: list[Whole], routes: Collection[Route], *, is_move: bool
) -> list[LiftlockError]:
    """Decide how each goes, all judged against the same snapshot; return what stands against it."""
    leaving = {whole.source_name for whole in wholes} if is_move else set()
    targets = Counter(whole.target_name for whole in wholes)
    targets.update(route.target_name for route in routes)
    touched = {route.source_name for route in routes} | {route.target_name for route in routes}
    violations: list[LiftlockError] = []
    for whole in wholes:
        is_alone = targets[whole.target_name] == 1
        is_free = whole.target is None or whole.target_name in leaving
        if whole.source_name == whole.target_name:
            whole.way = Way.STAY
        elif not is_move:
            whole.way = Way.COPY if whole.target is None and is_alone else Way.MERGE
        elif whole.source_name in touched:
            violations.append(_said_twice(whole, "its images are named too"))
        elif is_free and is_alone:
            whole.way = Way.RENAME
        elif whole.target_name in leaving:
            violations.append(_said_twice(whole, f"{whole.target_name} leaves, and is a target"))
    if is_move:
        sources = Counter(whole.source_name for whole in wholes)
        violations += [
            _said_twice(whole, "it has several targets")
            for whole in wholes
            if sources[whole.source_name] > 1
        ]
    return violations


def without_repeats(wholes: Iterable[Whole]) -> list[Whole]:
    """Drop what is asked for twice alike."""
    return list({(whole.source_name, whole.target_name): whole for whole in wholes}.values())


def copied_rows(txn: ReadTxn, whole: Whole) -> int:
    """Return how many rows a copy takes."""
    prefix = keys.id_key(whole.source.id)
    return sum(txn.count_rows(table, prefix) for table in OF_A_REPOSITORY)


def merging_route(txn: ReadTxn, whole: Whole, limits: Limits) -> Route:
    """Return the route that brings all of a repository into another."""
    route = Route(
        whole.source_name,
        whole.source,
        whole.target_name,
        whole.target_registry,
        whole.target,
        is_whole=True,
    )
    tags = links.iter_tags(txn, whole.source.id)
    while batch := list(islice(tags, limits.part_pairs_max)):
        mains = []
        for tag, record in batch:
            if links.is_attachment(tag):
                route.loose[tag] = record.digest
            else:
                mains.append((tag, record.digest))
        route.pairs += _pairs(txn, whole.target, mains)
    for digests in _untagged(txn, whole.source, limits):
        there = links.find_linked(txn, whole.target.id, digests) if whole.target else set()
        route.pairs += [
            Pair("", "", digest, digest if digest in there else None) for digest in digests
        ]
    route.blobs = list(links.iter_loose_blobs(txn, whole.source.id))
    return route


def _pairs(
    txn: ReadTxn, target: FoundRepository | None, tags: Sequence[tuple[str, bytes]]
) -> Iterator[Pair]:
    olds: Sequence[bytes | None] = [None] * len(tags)
    if target is not None:
        records = links.find_tags(txn, target.id, [tag for tag, _ in tags])
        olds = [record.digest if record else None for record in records]
    for (tag, digest), old in zip(tags, olds, strict=True):
        yield Pair(tag, tag, digest, old)


def _untagged(txn: ReadTxn, source: FoundRepository, limits: Limits) -> Iterator[list[bytes]]:
    """Yield the manifests that nothing but a hold keeps: nothing else would bring them along."""
    found = links.iter_linked(txn, source.id)
    while digests := list(islice(found, limits.part_pairs_max)):
        tags = links.tags_of(txn, source.id, digests, limit=1)
        held = [*map(keys.held_manifest, digests)]
        parents = links.parents_of(txn, source.id, held, limit=1)
        subjects = links.subjects_of(txn, source.id, digests)
        yield [
            digest
            for digest, *holders in zip(digests, tags, parents, subjects, strict=True)
            if not any(holders)
        ]


def _said_twice(whole: Whole, why: str) -> PromotionInvalid:
    return PromotionInvalid(f"{whole.source_name} moves as a whole, and {why}; say one thing of it")
