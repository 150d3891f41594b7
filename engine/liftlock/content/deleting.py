"""Deleting tags, manifests and blobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from liftlock import history, links, names, registries
from liftlock.content.expecting import require_expected
from liftlock.content.reading import find_blob
from liftlock.errors import ManifestUnknown, Unsupported
from liftlock.history import Act, Change
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn, WriteTxn
from liftlock.metadata.draft import Draft
from liftlock.metadata.records import Action, FoundRepository, Kind, LinkRecord
from liftlock.model import ANYTHING, Condition
from liftlock.oci import manifest as manifests
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName

_NAMED_PARENTS_MAX: Final = 3
"""Parents that a refusal names; there may be more."""


def delete_tag(
    txn: WriteTxn,
    name: RepositoryName,
    tag: str,
    act: Act,
    expected: Condition = ANYTHING,
) -> Digest:
    """Remove a tag; its manifest stays, held. Return where the tag was.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
        Unsupported: the registry does not allow deleting.
        TagMoved: it is not where it is expected.
    """
    repository, old = judge_tag(txn, name, tag, expected)
    draft, event = Draft(), history.next_event(txn)
    links.remove_tag(draft, repository, tag, old.key, txn.at)
    change = Change(repository.id, tag, Action.DELETED, old.key, None)
    history.append(draft, event, Kind.DELETE, act, txn.at, (change,))
    draft.write(txn)
    return old


def judge_tag(
    txn: ReadTxn, name: RepositoryName, tag: str, expected: Condition = ANYTHING
) -> tuple[FoundRepository, Digest]:
    """Return where a tag is, if it may be deleted; raises as `delete_tag`."""
    registries.require_deletes(txn, name.registry)
    repository = names.get_repository(txn, name)
    old = links.find_tag(txn, repository.id, tag)
    if old is None:
        raise ManifestUnknown(str(name), tag)
    require_expected(expected, Reference(name, tag), old.digest)
    return repository, Digest(old.digest)


def delete_manifest(
    txn: WriteTxn,
    name: RepositoryName,
    digest: Digest,
    act: Act,
    expected: Condition = ANYTHING,
) -> None:
    """Remove a manifest's link and every tag that points at it; what it named is held.

    Raises:
        RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
        Unsupported: an index of the repository needs it, or the registry does not allow deleting.
        TagMoved: it is expected not to be there.
    """
    repository, link, tags = judge_manifest(txn, name, digest, expected)
    (body,) = links.get_bodies(txn, (digest.key,))
    edges = manifests.decode_edges(body)
    draft, event = Draft(), history.next_event(txn)
    for tag in tags:
        links.remove_tag(draft, repository, tag, digest.key, txn.at)
    lost = links.unlink_manifest(
        draft,
        repository,
        digest.key,
        edges,
        links.parent_rows(txn, repository.id, ((digest.key, link.event, edges),))[0],
        links.referrers_of(txn, repository.id, (digest.key,))[0],
    )
    for held in lost:
        links.put_hold(draft, repository.id, held, txn.at)
    changes = [Change(repository.id, tag, Action.DELETED, digest.key, None) for tag in ("", *tags)]
    history.append(draft, event, Kind.DELETE, act, txn.at, changes)
    draft.write(txn)


def judge_manifest(
    txn: ReadTxn, name: RepositoryName, digest: Digest, expected: Condition = ANYTHING
) -> tuple[FoundRepository, LinkRecord, Sequence[str]]:
    """Return a manifest's link and tags, if it may be deleted; raises as `delete_manifest`."""
    registries.require_deletes(txn, name.registry)
    repository = names.get_repository(txn, name)
    link = links.find_link(txn, repository.id, digest.key)
    if link is None:
        raise ManifestUnknown(str(name), str(digest))
    _refuse_if_needed(txn, name, repository.id, keys.held_manifest(digest.key))
    require_expected(expected, Reference(name, None, digest), digest.key)
    (tags,) = links.tags_of(txn, repository.id, (digest.key,))
    return repository, link, tags


def delete_blob(txn: WriteTxn, name: RepositoryName, digest: Digest) -> None:
    """Remove a blob that nothing in the repository needs.

    Raises:
        RegistryUnknown, RepositoryUnknown, BlobUnknown: it is not there.
        Unsupported: a manifest of the repository needs it, or the registry does not allow deleting.
    """
    registries.require_deletes(txn, name.registry)
    repository = names.get_repository(txn, name)
    record = find_blob(txn, name, digest)
    held = keys.held_blob(keys.id_key(record.number), digest.key)
    _refuse_if_needed(txn, name, repository.id, held)
    draft = Draft()
    links.drop_hold(draft, repository.id, held)
    links.discount_blobs(draft, repository, (record.size,))
    draft.write(txn)


def _refuse_if_needed(txn: ReadTxn, name: RepositoryName, repository: int, held: bytes) -> None:
    (parents,) = links.parents_of(txn, repository, (held,), limit=_NAMED_PARENTS_MAX)
    if parents:
        digest = Digest(keys.held_digest(held))
        what = "index" if keys.held_kind(held) == keys.MANIFEST else "manifest"
        shown = ", ".join(str(Digest(parent)) for parent in parents)
        raise Unsupported(
            f"{name}@{digest} is needed by {what} {shown}. Delete that first; "
            "this goes with it, or can then be deleted."
        )
