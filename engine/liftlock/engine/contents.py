"""The engine's manifests, tags and referrers."""

from __future__ import annotations

from collections.abc import Sequence

from liftlock import content
from liftlock.engine.asking import act_of, entries_of
from liftlock.engine.incoming import push_of
from liftlock.engine.opened import Opened
from liftlock.model import ANYTHING, Condition, ManifestContent, Page, Pushed, Referrer, Tag
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName


class ContentEngine(Opened):
    """What `Engine` can do with manifests and tags."""

    def get_manifest(self, reference: Reference) -> ManifestContent:
        """Return the manifest that a tag or digest names, byte for byte as it was pushed.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.

        Source: distribution-spec, end-3.
        """
        return self._store.read(lambda txn: content.get_manifest(txn, reference))

    def put_manifest(
        self,
        reference: Reference,
        body: bytes,
        *,
        media_type: str | None,
        by: str,
        tags: Sequence[str] = (),
        expect: Condition = ANYTHING,
    ) -> Pushed:
        """Push a manifest under tags or under its digest; the repository may come to be by it.

        All tags are set in one transaction, and are one event; on return they are durable, on
        error none is set. Pushing the same again changes nothing.

        Args:
            reference: with a tag or a digest; if both, the body must have the digest.
            body: the manifest, stored as it is.
            media_type: its Content-Type without parameters; None: the body's `mediaType` says.
            by: who pushes.
            tags: to be set beside the reference's own, if it has one.
            expect: where the caller saw the reference's tag; of a digest, whether it was there.

        Raises:
            TagsTooMany: `tags` are more than `Limits.put_tags_max`; tells those that cannot, too.
            NameInvalid: of `tags`, some can be no tags; tells all that cannot.
            ManifestTooLarge, ManifestInvalid: the body is no manifest that can be stored.
            DigestInvalid: the body has another digest than the reference.
            RegistryUnknown: there is no such registry.
            TagMoved: it is not where it was expected.
            ManifestBlobUnknown: it names content that the repository does not have; tells all.
            TextInvalid: `by` cannot be stored.

        Source: distribution-spec, end-7a and end-7b; image-spec, manifest.md and image-index.md.
        """
        act = act_of(by, "", self.limits)
        push = push_of(reference, body, media_type, tags, expect, self.limits)
        return self._store.write(lambda txn: content.push_manifest(txn, push, act))

    def delete_tag(
        self,
        name: RepositoryName,
        tag: str,
        *,
        by: str,
        comment: str = "",
        expect: Condition = ANYTHING,
    ) -> Digest:
        """Remove a tag, and return where it was; its manifest stays for the hold time.

        Args:
            name: the repository.
            tag: what to remove.
            by: who deletes.
            comment: why.
            expect: where the caller saw the tag.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
            Unsupported: its registry does not allow deleting.
            TagMoved: it is not where it was expected.
            TextInvalid: `by` or `comment` cannot be stored.

        Source: distribution-spec, end-9.
        """
        act = act_of(by, comment, self.limits)
        return self._store.write(lambda txn: content.delete_tag(txn, name, tag, act, expect))

    def delete_manifest(
        self,
        name: RepositoryName,
        digest: Digest,
        *,
        by: str,
        comment: str = "",
        expect: Condition = ANYTHING,
    ) -> None:
        """Remove a manifest and every tag of it from the repository; others keep it.

        Args:
            name: the repository.
            digest: the manifest's.
            by: who deletes.
            comment: why.
            expect: whether the caller saw it there.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
            Unsupported: an index needs it, or its registry does not allow deleting.
            TagMoved: it was expected not to be there.
            TextInvalid: `by` or `comment` cannot be stored.

        Source: distribution-spec, end-9.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: content.delete_manifest(txn, name, digest, act, expect))

    def list_tags(
        self, name: RepositoryName, *, after: str = "", limit: int | None = None
    ) -> Page[Tag]:
        """Return tags beyond `after` (which need not exist), in ascending byte order.

        Args:
            name: the repository.
            after: the last tag of the page before; empty: from the first on.
            limit: so many at most; None, or more: `Limits.page_entries_max`.

        Raises:
            RegistryUnknown, RepositoryUnknown: the repository is not there.
            PageInvalid: `limit` is negative.

        Source: distribution-spec, end-8a and end-8b.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: content.list_tags(txn, name, after, most))

    def list_referrers(
        self,
        name: RepositoryName,
        subject: Digest,
        *,
        artifact_type: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Page[Referrer]:
        """Return the manifests that refer to `subject`, which need not be there itself.

        Those that clients listed in a referrers tag (`sha256-<hex>`) are among them, if the
        repository has them.

        Args:
            name: the repository.
            subject: what they refer to.
            artifact_type: only those of this type; None: all.
            after: `Referrer.position` of the last one of the page before; empty: from the first.
            limit: so many at most; None, or more: `Limits.page_entries_max`.

        Raises:
            RegistryUnknown, RepositoryUnknown: the repository is not there.
            PageInvalid: `after` is no `Referrer.position`, or `limit` is negative.

        Source: distribution-spec, end-12a and end-12b, and "Referrers Tag Schema".
        """
        most = entries_of(limit, self.limits)
        return self._store.read(
            lambda txn: content.list_referrers(
                txn, name, subject, artifact_type, after, most, self.limits
            )
        )
