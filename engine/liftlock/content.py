"""Content of one repository: push, pull, tag, list, delete. Functions over one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liftlock import history, links, names
from liftlock.errors import (
    BlobUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameInvalid,
    NotFound,
    Unsupported,
)
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, Table, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import (
    Action,
    BlobRecord,
    FoundRepository,
    Kind,
    LinkRecord,
    TagRecord,
    decoded,
)
from liftlock.model import ManifestContent, Page, Pushed, Referrer, Tag
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.manifest import Edges, Manifest
from liftlock.oci.reference import Reference, RepositoryName

_NAMED_PARENTS_MAX: Final = 3
"""Parents that a refusal names; there may be more."""


# --- reading --------------------------------------------------------------------------------


def get_manifest(txn: ReadTxn, reference: Reference) -> ManifestContent:
    """Return the manifest that a tag or digest names, as it was pushed.

    Raises:
        NameInvalid: the reference has neither.
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there, or tag and digest
            do not agree.
    """
    repository = names.get_id(txn, reference.name)
    digest = reference.digest.key if reference.digest is not None else b""
    if reference.tag is not None:
        tag = links.find_tag(txn, repository, reference.tag)
        if tag is None:
            raise ManifestUnknown(str(reference.name), reference.tag)
        if digest not in {b"", tag.digest}:
            raise ManifestUnknown(str(reference.name), f"{reference.tag} at {reference.digest}")
        digest = tag.digest
    if not digest:
        raise NameInvalid(str(reference), "it names neither a tag nor a digest")
    link = links.find_link(txn, repository, digest)
    if link is None:
        raise ManifestUnknown(str(reference.name), str(Digest(digest)))
    (body,) = links.find_bodies(txn, (digest,))
    assert body is not None, "a manifest link has a record"
    return ManifestContent(Digest(digest), link.media_type, body)


def find_blob(txn: ReadTxn, name: RepositoryName, digest: Digest) -> BlobRecord:
    """Return the record of a blob that the repository has.

    Raises:
        RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there.
    """
    repository = names.get_id(txn, name)
    if links.grants(txn, repository, keys.BLOB, digest.key):
        (record,) = links.find_blobs(txn, (digest.key,))
        assert record is not None, "a link that grants has a record"
        return record
    raise BlobUnknown(str(name), str(digest))


def list_tags(txn: ReadTxn, name: RepositoryName, after: str, limit: int) -> Page[Tag]:
    """Return tags beyond `after`, in ascending byte order.

    Raises:
        RegistryUnknown, RepositoryUnknown: the repository is not there.
    """
    repository = names.get_id(txn, name)
    if limit == 0:
        return Page((), more=False)
    rows = txn.scan(
        Table.TAGS,
        keys.tag_key(repository),
        after=keys.tag_key(repository, after) if after else None,
        limit=limit + 1,
    )
    tags = [
        Tag(key[8:].decode(), Digest(decoded(TagRecord.decode, Table.TAGS, key, value).digest))
        for key, value in rows
    ]
    return Page(tuple(tags[:limit]), more=len(tags) > limit)


def list_referrers(
    txn: ReadTxn,
    name: RepositoryName,
    subject: Digest,
    artifact_type: str | None,
    after: str,
    limit: int,
) -> Page[Referrer]:
    """Return the linked manifests whose subject is `subject`, which need not be there itself.

    They come grouped by artifact type; `after` is the position of the last one of the page before,
    which need not be there any more.

    Raises:
        RegistryUnknown, RepositoryUnknown: the repository is not there.
    """
    repository = names.get_id(txn, name)
    wanted = links.type_hash(artifact_type) if artifact_type is not None else b""
    if limit == 0:
        return Page((), more=False)
    everyone = keys.referrers_prefix(repository, subject.key)
    start = everyone + bytes.fromhex(after) if after else None
    prefix = keys.referrers_prefix(repository, subject.key, wanted)
    rows = list(txn.scan(Table.REFERRERS, prefix, after=start, limit=limit + 1))
    positions = [key[len(everyone) :].hex() for key, _ in rows[:limit]]
    digests = [keys.split_referrer(key)[2] for key, _ in rows[:limit]]
    return Page(tuple(_described(txn, repository, digests, positions)), more=len(rows) > limit)


def _described(
    txn: ReadTxn, repository: int, digests: Sequence[bytes], positions: Sequence[str]
) -> list[Referrer]:
    found_links = links.find_links(txn, repository, digests)
    bodies = links.find_bodies(txn, digests)
    described = []
    for digest, link, body, position in zip(digests, found_links, bodies, positions, strict=True):
        assert link is not None, "a referrers row has a link"
        assert body is not None, "a manifest link has a record"
        manifest = manifests.decode(body, link.media_type)
        described.append(
            Referrer(
                Digest(digest),
                link.media_type,
                len(body),
                manifest.artifact_type,
                manifest.annotations,
                position,
            )
        )
    return described


# --- pushing --------------------------------------------------------------------------------


def push_manifest(
    txn: WriteTxn,
    name: RepositoryName,
    body: bytes,
    manifest: Manifest,
    digest: Digest,
    tag: str | None,
    act: Act,
) -> Pushed:
    """Link a manifest, and point `tag` at it; without a tag it is held like any untagged one.

    Pushing again what is there changes nothing, and is no event.

    Raises:
        RegistryUnknown: there is no such registry.
        ManifestBlobUnknown: it names content that the repository does not have.
    """
    found = names.find_repository(txn, name)
    edges = manifest.edges
    link = links.find_link(txn, found.id, digest.key) if found else None
    old = links.find_tag(txn, found.id, tag) if found and tag else None
    absent: frozenset[bytes] = frozenset()
    if link is None:
        absent = _require_content(txn, name, found, edges)
    pushed = Pushed(digest, manifest.subject.digest if manifest.subject else None)

    draft = Draft()
    links.put_body(draft, digest.key, body)
    is_new_here = link is None or link.media_type != manifest.media_type
    tag_moves = tag is not None and (old is None or old.digest != digest.key)
    if found is not None and not is_new_here and not tag_moves:
        if tag is None:
            links.put_hold(draft, found.id, keys.MANIFEST, digest.key, txn.at)
        draft.write(txn)
        return pushed

    event = history.next_event(txn)
    repository = found or names.new_repository(txn, draft, name, event)
    if link is None:
        record = LinkRecord(event, manifest.media_type)
        links.link_manifest(draft, repository, digest.key, edges, record, absent)
        _join_subjects(txn, draft, repository, digest.key, edges)
    elif is_new_here:
        links.retype(draft, repository, digest.key, LinkRecord(event, manifest.media_type))
    if tag_moves:
        assert tag is not None
        old_digest = old.digest if old else None
        links.put_tag(draft, repository, tag, digest.key, old_digest, event, txn.at)
    elif tag is None:
        links.put_hold(draft, repository.id, keys.MANIFEST, digest.key, txn.at)
    before = old.digest if old else None
    if tag is None and link is not None:
        before = digest.key  # the same manifest, as another media type
    change = Change(
        repository.id,
        tag or "",
        Action.UPDATED if before else Action.CREATED,
        before,
        digest.key,
    )
    history.append(draft, event, Kind.PUSH, act, txn.at, (change,))
    draft.write(txn)
    return pushed


def _require_content(
    txn: ReadTxn, name: RepositoryName, found: FoundRepository | None, edges: Edges
) -> frozenset[bytes]:
    """Return the foreign layers that are absent; raise if anything else is."""
    number = found.id if found else 0  # no repository has id 0: nothing is there
    blobs = (*edges.blobs, *edges.foreign)
    granted = links.presence(txn, number, keys.BLOB, blobs).granted
    children = zip(edges.children, links.find_links(txn, number, edges.children), strict=True)
    missing = [child for child, link in children if link is None]
    missing += [blob for blob in edges.blobs if blob not in granted]
    if missing:
        raise ManifestBlobUnknown(str(name), [str(Digest(digest)) for digest in missing])
    return frozenset(blob for blob in edges.foreign if blob not in granted)


def _join_subjects(
    txn: ReadTxn, draft: Draft, repository: FoundRepository, digest: bytes, edges: Edges
) -> None:
    """Draft the subject holders that a newly linked manifest completes, on either side of it."""
    if edges.subject is not None and links.find_link(txn, repository.id, edges.subject):
        links.join_subject(draft, repository.id, edges.subject, digest)
    for referrer in links.referrers_of(txn, repository.id, (digest,))[0]:
        links.join_subject(draft, repository.id, digest, referrer)


# --- blobs ----------------------------------------------------------------------------------


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
    links.gain_blob(txn, draft, name, digest, record.size, act)
    draft.write(txn)
    return record


# --- deleting -------------------------------------------------------------------------------


def delete_tag(txn: WriteTxn, name: RepositoryName, tag: str, act: Act) -> Digest:
    """Remove a tag; its manifest stays, held. Return where the tag was.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
    """
    repository = names.get_repository(txn, name)
    old = links.find_tag(txn, repository.id, tag)
    if old is None:
        raise ManifestUnknown(str(name), tag)
    draft, event = Draft(), history.next_event(txn)
    links.remove_tag(draft, repository, tag, old.digest, txn.at)
    change = Change(repository.id, tag, Action.DELETED, old.digest, None)
    history.append(draft, event, Kind.DELETE, act, txn.at, (change,))
    draft.write(txn)
    return Digest(old.digest)


def delete_manifest(txn: WriteTxn, name: RepositoryName, digest: Digest, act: Act) -> None:
    """Remove a manifest's link and every tag that points at it; what it named is held.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
        Unsupported: an index of the repository needs it.
    """
    repository = names.get_repository(txn, name)
    link = links.find_link(txn, repository.id, digest.key)
    if link is None:
        raise ManifestUnknown(str(name), str(digest))
    _refuse_if_needed(txn, name, repository.id, keys.MANIFEST, digest)
    (body,) = links.find_bodies(txn, (digest.key,))
    assert body is not None, "a manifest link has a record"
    edges = manifests.decode_edges(body)
    (tags,) = links.tags_of(txn, repository.id, (digest.key,))
    draft, event = Draft(), history.next_event(txn)
    for tag in tags:
        links.remove_tag(draft, repository, tag, digest.key, txn.at)
    lost = links.unlink_manifest(
        draft,
        repository,
        digest.key,
        edges,
        links.parent_rows(txn, repository.id, ((digest.key, edges),))[0],
        links.referrers_of(txn, repository.id, (digest.key,))[0],
    )
    for kind, named in lost:
        links.put_hold(draft, repository.id, kind, named, txn.at)
    changes = [Change(repository.id, tag, Action.DELETED, digest.key, None) for tag in ("", *tags)]
    history.append(draft, event, Kind.DELETE, act, txn.at, changes)
    draft.write(txn)


def delete_blob(txn: WriteTxn, name: RepositoryName, digest: Digest) -> None:
    """Remove a blob that nothing in the repository needs.

    Raises:
        RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there.
        Unsupported: a manifest of the repository needs it.
    """
    repository = names.get_repository(txn, name)
    record = find_blob(txn, name, digest)
    _refuse_if_needed(txn, name, repository.id, keys.BLOB, digest)
    draft = Draft()
    links.drop_hold(draft, repository.id, keys.BLOB, digest.key)
    links.discount_blobs(draft, repository, (record.size,))
    draft.write(txn)


def _refuse_if_needed(
    txn: ReadTxn, name: RepositoryName, repository: int, kind: bytes, digest: Digest
) -> None:
    (parents,) = links.parents_of(txn, repository, kind, (digest.key,), limit=_NAMED_PARENTS_MAX)
    if parents:
        what = "index" if kind == keys.MANIFEST else "manifest"
        shown = ", ".join(str(Digest(parent)) for parent in parents)
        raise Unsupported(
            f"{name}@{digest} is needed by {what} {shown}. Delete that first; "
            "this goes with it, or can then be deleted."
        )
