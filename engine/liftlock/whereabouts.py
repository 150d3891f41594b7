"""Where some content is: which repositories have it, and why.

No index leads from a digest to its repositories: every promotion would have to write to it. So all
repositories are asked, many at a time, and a call that has asked as many as it may hands out a
cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from liftlock import links, names
from liftlock.config import Limits
from liftlock.links import Reasons
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.model import Found, Kind, Whereabouts
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName


class _Place(NamedTuple):
    """A place in the walk: a repository, or a registry before its first one (with no id)."""

    registry: str
    repository: str
    id: int | None

    @property
    def cursor(self) -> str:
        return f"{self.registry}/{self.repository}"


def where(
    txn: ReadTxn, digest: Digest, after: str, limit: int, limits: Limits
) -> Found[Whereabouts]:
    """Return the repositories beyond the cursor `after` that have some content, by name.

    Of at most `limit` repositories, among as many as a call looks at. One that has the same bytes
    as a manifest and as a blob is there twice.
    """
    if limit == 0:
        return Found((), None)
    walk = _walk(txn, after)
    asked = list(islice(walk, limits.where_repositories_max))
    is_last = next(walk, None) is None
    held = {Kind.MANIFEST: keys.held_manifest(digest.key)}
    blob = links.find_held(txn, (digest.key,)).get(digest.key)
    if blob is not None:
        held[Kind.BLOB] = blob
    found = _found(txn, [place for place in asked if place.id is not None], held)
    shown = found[:limit]
    cursor = None if is_last else asked[-1].cursor
    if len(found) > limit:
        cursor = shown[-1].place.cursor
    return Found(tuple(_told(txn, shown, held, limits.reasons_listed_max)), cursor)


def _walk(txn: ReadTxn, after: str) -> Iterator[_Place]:
    """Stream registries and their repositories beyond a cursor, which need not exist."""
    registry, _, repository = after.partition("/")
    first = names.find_registry(txn, registry) if registry else None
    if first is not None:
        yield from _repositories(txn, registry, first, repository)
    for name, number in names.iter_registries(txn, registry):
        # A registry counts as one to look at: there may be many without a repository.
        yield _Place(name, "", None)
        yield from _repositories(txn, name, number, "")


def _repositories(txn: ReadTxn, registry: str, number: int, after: str) -> Iterator[_Place]:
    for name, repository in names.iter_repositories(txn, number, after):
        yield _Place(registry, name, repository)


class _Having(NamedTuple):
    place: _Place
    kinds: tuple[Kind, ...]


def _found(txn: ReadTxn, places: Sequence[_Place], held: Mapping[Kind, bytes]) -> list[_Having]:
    numbers = [place.id for place in places if place.id is not None]
    linked = set(links.linked_in(txn, numbers, keys.held_digest(held[Kind.MANIFEST])))
    blob = held.get(Kind.BLOB)
    granted = set(links.granted_in(txn, numbers, blob) if blob is not None else ())
    having = [
        (
            place,
            ((Kind.MANIFEST,) if place.id in linked else ())
            + ((Kind.BLOB,) if place.id in granted else ()),
        )
        for place in places
    ]
    return [_Having(place, kinds) for place, kinds in having if kinds]


def _told(
    txn: ReadTxn, having: Sequence[_Having], held: Mapping[Kind, bytes], most: int
) -> Iterator[Whereabouts]:
    """Tell of each what it has and why."""
    why: dict[tuple[int | None, Kind], Reasons] = {}
    for kind, what in held.items():
        some = [place.id for place, kinds in having if kind in kinds and place.id is not None]
        reasons = links.reasons_in(txn, some, what, limit=most + 1)
        why.update(zip(((number, kind) for number in some), reasons, strict=True))
    for place, kinds in having:
        for kind in kinds:
            tags, parents, subject, held_since = why[place.id, kind]
            yield Whereabouts(
                repository=RepositoryName(place.registry, place.repository),
                kind=kind,
                tags=tuple(tags[:most]),
                parents=tuple(map(Digest, parents[:most])),
                subject=Digest(subject) if subject is not None else None,
                held_since=held_since,
                is_complete=len(tags) <= most and len(parents) <= most,
            )
