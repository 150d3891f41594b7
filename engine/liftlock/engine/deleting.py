"""The engine's deletions by name, foreseen and done alike."""

from __future__ import annotations

from functools import partial

from liftlock import catalog, content, removal
from liftlock.engine.asking import act_of
from liftlock.engine.opened import Opened
from liftlock.history import Act
from liftlock.metadata.contract import Instant, ReadTxn, WriteTxn
from liftlock.model import ANYTHING, Deletion, Expected
from liftlock.oci.reference import Reference, RepositoryName

Deletable = Reference | RepositoryName


class DeletingEngine(Opened):
    """What `Engine` can do to delete what people name."""

    def delete(
        self,
        of: Deletable,
        *,
        by: str,
        comment: str = "",
        expect: Expected = ANYTHING,
        dry_run: bool = False,
    ) -> Deletion:
        """Delete a tag, a manifest with all its tags, or a repository; return what that takes away.

        Args:
            of: with a tag, the tag (which must be at the digest, if there is one as well); with
                a digest alone, the manifest; with neither, the repository as a whole.
            by: who deletes.
            comment: why; kept in the history.
            expect: the digest that the tag must be at. Not for repositories.
            dry_run: judge all rules and change nothing.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
            Unsupported: an index needs it, or its registry does not allow deleting.
            TagMoved: the tag is not where it was expected.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act = act_of(by, comment, self.limits)
        if dry_run:
            return self._store.read(lambda txn: self._foresee(txn, of, expect, self._clock()))
        return self._store.write(partial(self._delete, of=of, expect=expect, act=act))

    def _delete(self, txn: WriteTxn, of: Deletable, expect: Expected, act: Act) -> Deletion:
        deletion = self._foresee(txn, of, expect, txn.at)
        if isinstance(of, RepositoryName):
            removal.delete_repository(txn, of, act)
        elif of.tag is not None:
            content.delete_tag(txn, of.name, of.tag, act)
        else:
            assert deletion.digest is not None
            content.delete_manifest(txn, of.name, deletion.digest, act)
        return deletion

    def _foresee(self, txn: ReadTxn, of: Deletable, expect: Expected, at: Instant) -> Deletion:
        kept_until = at + self.limits.hold_ms
        if isinstance(of, RepositoryName):
            assert expect is ANYTHING, "a repository is at no digest"
            removal.judge_repository(txn, of)
            usage = catalog.get_repository(txn, of).usage
            return Deletion(of, None, (), usage, kept_until)
        assert of.tag is not None or of.digest is not None, "a reference names a tag or a digest"
        if of.tag is not None:
            _, digest = content.judge_tag(txn, of.name, of.tag, expect)
            if of.digest is not None:
                content.judge_tag(txn, of.name, of.tag, of.digest)
            return Deletion(of, digest, (of.tag,), None, kept_until)
        assert of.digest is not None
        _, _, tags = content.judge_manifest(txn, of.name, of.digest, expect)
        return Deletion(of, of.digest, tuple(tags), None, kept_until)
