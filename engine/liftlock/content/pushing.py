"""Pushing manifests, and mounting blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from liftlock import history, links, names, registries
from liftlock.content.expecting import require_expected
from liftlock.content.reading import find_blob
from liftlock.errors import ManifestBlobUnknown, NotFound
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, BlobRecord, FoundRepository, Kind, LinkRecord
from liftlock.model import Condition, Pushed
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges, Manifest
from liftlock.oci.reference import Reference, RepositoryName


class Push(NamedTuple):
    """A manifest to be pushed: read, and found to be in itself as it should."""

    reference: Reference
    """Where it is put; a digest in it is the body's."""
    body: bytes
    manifest: Manifest
    digest: Digest
    tags: tuple[str, ...]
    """All that are to point at it, each once; the reference's own is the first."""
    expected: Condition
    """Where the reference's tag is or, if it has none, whether the manifest is there."""


def push_manifest(txn: WriteTxn, push: Push, act: Act) -> Pushed:
    """Link a manifest, and point its tags at it; without any it is held like all untagged ones.

    Pushing again what is there changes nothing, and is no event.

    Raises:
        RegistryUnknown: there is no such registry.
        TagMoved: what the reference names is not where it is expected.
        ManifestBlobUnknown: it names content that the repository must have, and has not.
    """
    reference, body, manifest, digest, tags, expected = push
    name = reference.name
    found = names.find_repository(txn, name)
    edges = manifest.edges
    link = links.find_link(txn, found.id, digest.key) if found else None
    there = _find_tags(txn, found, tags)
    if reference.tag is not None:
        require_expected(expected, reference, there[reference.tag])
    else:
        require_expected(expected, Reference(name, None, digest), digest.key if link else None)
    absent, held = links.NOTHING_ABSENT, links.NO_BLOBS
    if link is None:
        absent, held = _require_content(txn, name, found, edges)
    pushed = Pushed(digest, manifest.subject.digest if manifest.subject else None, tags)

    draft = Draft()
    links.put_body(txn, draft, digest.key, body, is_linked=link is not None)
    is_new_here = link is None or link.media_type != manifest.media_type
    moving = [tag for tag in tags if there[tag] != digest.key]
    if found is not None and not is_new_here and not moving:
        if not tags:
            links.put_hold(draft, found.id, keys.held_manifest(digest.key), txn.at)
        draft.write(txn)
        return pushed

    event = history.next_event(txn)
    repository = found or names.new_repository(txn, draft, name, event)
    if link is None:
        record = LinkRecord(event, manifest.media_type)
        links.link_manifest(draft, repository, digest.key, edges, record, absent, held)
        _join_others(txn, draft, repository, digest.key, edges)
    elif is_new_here:
        links.retype(draft, repository, digest.key, link, manifest.media_type, txn.at)
    for tag in moving:
        links.put_tag(draft, repository, tag, digest.key, there[tag], event, txn.at)
    if not tags:
        links.put_hold(draft, repository.id, keys.held_manifest(digest.key), txn.at)
        there = {"": digest.key if link is not None else None}
    # As another media type the same manifest is news of all its tags, or of itself without any.
    changes = [
        _change(repository.id, tag, there[tag], digest.key)
        for tag in (there if is_new_here else moving)
    ]
    history.append(draft, event, Kind.PUSH, act, txn.at, changes)
    draft.write(txn)
    return pushed


def _find_tags(
    txn: ReadTxn, found: FoundRepository | None, tags: Sequence[str]
) -> dict[str, bytes | None]:
    """Return where tags are, in one look-up."""
    if found is None or not tags:
        return dict.fromkeys(tags)
    records = links.find_tags(txn, found.id, tags)
    return {
        tag: record.digest if record is not None else None
        for tag, record in zip(tags, records, strict=True)
    }


def _change(repository: int, tag: str, old: bytes | None, new: bytes) -> Change:
    return Change(repository, tag, Action.UPDATED if old else Action.CREATED, old, new)


def _require_content(
    txn: ReadTxn, name: RepositoryName, found: FoundRepository | None, edges: Edges
) -> tuple[links.Absent, Mapping[bytes, bytes]]:
    """Return what is absent and may be: foreign layers, and where it is allowed all else.

    And of the blobs that are there, what keys say of them.

    Raises:
        ManifestBlobUnknown: anything else is absent; with all of it.
    """
    number = found.id if found else 0  # no repository has id 0: nothing is there
    blobs = (*edges.blobs, *edges.foreign)
    granted = links.presence(txn, number, blobs).granted
    linked = links.find_linked(txn, number, edges.children)
    children = frozenset(child for child in edges.children if child not in linked)
    absent = frozenset(blob for blob in blobs if blob not in granted)
    missing = [digest for digest in edges.children if digest in children]
    missing += [digest for digest in edges.blobs if digest in absent]
    if missing and not registries.settings_of(txn, name.registry).allow_sparse:
        raise ManifestBlobUnknown(str(name), [str(Digest(digest)) for digest in missing])
    return links.Absent(absent, children), granted


def _join_others(
    txn: ReadTxn, draft: Draft, repository: FoundRepository, digest: bytes, edges: Edges
) -> None:
    """Draft what a newly linked manifest completes: indexes that wait for it, subject holders."""
    awaited = links.awaited(txn, repository.id, (digest,))
    links.bring_in(txn, draft, repository.id, [*map(keys.held_manifest, awaited)])
    if edges.subject is not None and links.find_link(txn, repository.id, edges.subject):
        links.join_subject(draft, repository.id, edges.subject, digest)
    for referrer in links.referrers_of(txn, repository.id, (digest,))[0]:
        links.join_subject(draft, repository.id, digest, referrer)


def mount_blob(
    txn: WriteTxn,
    name: RepositoryName,
    digest: Digest,
    source: RepositoryName | None,
    act: Act,
) -> BlobRecord | None:
    """Give a repository a blob that `source` has (without one: that it has itself).

    Returns:
        The blob; None if it is not there to be mounted, for whatever reason.

    Raises:
        RegistryUnknown: the repository's own registry is not there.
    """
    names.get_registry(txn, name.registry)
    try:
        record = find_blob(txn, source or name, digest)
    except NotFound:
        return None
    draft = Draft()
    links.gain_blob(txn, draft, name, digest, record, act)
    draft.write(txn)
    return record
