"""The last step of an import: all manifests, all tags and one event, in one transaction.

The blobs are in their repositories by then, held. What was judged before is judged again, on what
is there now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from liftlock import history, links, names, seals
from liftlock.config import Limits
from liftlock.errors import StoreBusy
from liftlock.history import Act, Change, Closed
from liftlock.metadata import keys
from liftlock.metadata.contract import Row, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, FoundRepository, Kind, LinkRecord, Role
from liftlock.model import Outcome
from liftlock.oci.reference import RepositoryName
from liftlock.transfer.contents import Contents
from liftlock.transfer.judging import judge
from liftlock.transfer.placing import ImportRequest, Place
from liftlock.transfer.verdicts import Judged, Part

_ACTIONS = {
    Outcome.CREATE: Action.CREATED,
    Outcome.OVERWRITE: Action.UPDATED,
    Outcome.EXTEND: Action.EXTENDED,
}


class Joined(NamedTuple):
    """What was done."""

    judged: Judged
    event: int | None
    """None: nothing had to be done."""
    records: int


def join(
    txn: WriteTxn,
    contents: Contents,
    places: Mapping[RepositoryName, Place],
    request: ImportRequest,
    act: Act,
    limits: Limits,
) -> Joined:
    """Link what came in, set the tags, and tell of it.

    Raises:
        LiftlockError: as `judge`; and
        StoreBusy: a blob that was brought in, or was there, is gone again.
    """
    judged = judge(txn, contents, places, request, limits)
    for part in judged.parts:
        if part.lacking:
            raise StoreBusy(
                f"{len(part.lacking)} blob(s) of {part.name} were removed, or the repository was, "
                "while they came in; import again"
            )
    if judged.is_unchanged:
        return Joined(judged, None, 0)
    event = history.next_event(txn)
    rows: list[Row] = []
    roles: dict[int, int] = {}
    records = 0
    for part in judged.parts:
        if part.is_unchanged:
            continue
        for repository, drafted in _drafts(txn, contents, part, event, limits):
            roles[repository.id] = Role.CHANGED
            rows += drafted.items
            records += drafted.draft.records
            drafted.draft.write(txn)
    draft = Draft()
    closed = Closed(len(rows), seals.items_hash(sorted(rows)))
    history.close(draft, event, Kind.IMPORT, act, txn.at, roles, closed)
    records += draft.records
    draft.write(txn)
    return Joined(judged, event, records)


class _Drafted(NamedTuple):
    draft: Draft
    items: list[Row]


def _drafts(
    txn: WriteTxn, contents: Contents, part: Part, event: int, limits: Limits
) -> Iterator[tuple[FoundRepository, _Drafted]]:
    """Yield a repository's rows in parts, each to be written before the next is made."""
    linked = _Linked(txn, contents, part, event)
    step = limits.part_pairs_max
    draft = Draft()
    repository = names.find_repository(txn, part.name) or names.new_repository(
        txn, draft, part.name, event
    )
    for start in range(0, len(part.new), step):
        linked.draft(draft, repository, part.new[start : start + step])
        yield repository, _Drafted(draft, [])
        draft = Draft()
        repository = names.get_repository(txn, part.name)
    changes = [change for change in part.tags if change.outcome is not Outcome.UNCHANGED]
    for change in changes:
        if change.outcome is not Outcome.EXTEND:
            links.put_tag(
                draft, repository, change.tag, change.one.digest, change.old, event, txn.at
            )
    items = history.append_items(
        draft, event, Kind.IMPORT, [*_told(part, repository.id), *linked.brought(repository.id)]
    )
    yield repository, _Drafted(draft, items)


class _Linked:
    """What the new manifests of one repository mean to each other and to those that are there."""

    def __init__(self, txn: WriteTxn, contents: Contents, part: Part, event: int) -> None:
        self._txn = txn
        self._contents = contents
        self._part = part
        self._event = event
        number = part.found.id if part.found else 0
        members = part.members
        new = part.new
        edges = {digest: contents.manifests[digest].edges for digest in new}
        subjects = [e.subject for e in edges.values() if e.subject is not None]
        others = [subject for subject in subjects if subject not in members]
        self._there = links.find_linked(txn, number, others) | set(members)
        self._referrers = dict(zip(new, links.referrers_of(txn, number, new), strict=True))
        self._awaited = links.awaited(txn, number, new) if number else {}
        self._led = {child for e in edges.values() for child in e.children}
        self._tagged = {change.one.digest for change in part.tags}

    def draft(self, draft: Draft, repository: FoundRepository, digests: Sequence[bytes]) -> None:
        """Draft the links of some manifests."""
        for digest in digests:
            held = self._contents.manifests[digest]
            links.put_body(self._txn, draft, digest, held.body, is_linked=False)
            record = LinkRecord(self._event, held.media_type)
            links.link_manifest(
                draft, repository, digest, held.edges, record, self._part.absent, self._part.held
            )
            for referrer in self._referrers[digest]:
                links.join_subject(draft, repository.id, digest, referrer)
            subject = held.edges.subject
            if subject is not None and subject in self._there:
                links.join_subject(draft, repository.id, subject, digest)
            elif digest not in self._led and digest not in self._tagged:
                links.put_hold(draft, repository.id, keys.held_manifest(digest), self._txn.at)
        awaited = [keys.held_manifest(digest) for digest in digests if digest in self._awaited]
        links.bring_in(self._txn, draft, repository.id, awaited)

    def brought(self, repository: int) -> Iterator[Change]:
        """Yield what came for another's sake and has no tag."""
        own = {*self._tagged, *self._part.untagged}
        for digest in self._part.new:
            if self._contents.manifests[digest].edges.subject is not None and digest not in own:
                yield Change(repository, "", Action.BROUGHT, None, digest)


def _told(part: Part, repository: int) -> Iterator[Change]:
    for tag, one, old, outcome in part.tags:
        if outcome in _ACTIONS:
            attached = one.is_attachment
            action = _ACTIONS[outcome]
            yield Change(repository, tag, action, old, one.digest, is_attachment=attached)
    tagged = {change.one.digest for change in part.tags}
    for digest in part.untagged:
        if digest not in tagged:
            yield Change(repository, "", Action.CREATED, None, digest)
