"""The engine: everything Liftlock can do, as one embeddable object.

Front end and CLI use nothing else. Methods are synchronous and may be called from any thread; what
they did is durable when they return, and what they refused has left nothing behind. An engine
belongs to the process that opened it: open it after a fork, never before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from liftlock import (
    catalog,
    content,
    idempotency,
    promoting,
    promotion,
    registries,
    removal,
    timeline,
    uploads,
)
from liftlock import check as checking
from liftlock.blobs.contract import BlobStore
from liftlock.blobs.hashing import HashStates
from liftlock.config import Limits
from liftlock.engine.asking import act_of, entries_of
from liftlock.engine.blobs import BlobEngine
from liftlock.engine.incoming import push_of
from liftlock.engine.machine import new_id, system_clock
from liftlock.idempotency import Asked
from liftlock.metadata.contract import Instant, MetadataStore
from liftlock.model import (
    ANYTHING,
    Condition,
    Expected,
    Finding,
    HistoryEntry,
    ManifestContent,
    Mode,
    Page,
    Promotion,
    PromotionSummary,
    Pushed,
    Referrer,
    Registry,
    RegistrySettings,
    Repository,
    SettingsChange,
    Side,
    Swept,
    Tag,
)
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName, Selection, Target, parse_registry
from liftlock.points import Reach, nowhere
from liftlock.promoting import Promoting
from liftlock.promotion import PromotionRequest, RequestItem

_DEFAULTS: Final = Limits()
_USUAL: Final = RegistrySettings()


class Engine(BlobEngine):
    """A store in use. Close it, or use it as a context manager."""

    def __init__(
        self,
        store: MetadataStore,
        blobs: BlobStore,
        *,
        limits: Limits = _DEFAULTS,
        clock: Callable[[], Instant] = system_clock,
        reach: Reach = nowhere,
        part: int | None = None,
    ) -> None:
        """Put an engine on two stores; `open` does it for a folder.

        Args:
            store: facts; its commits must be sealed by `seals.seal`.
            blobs: bytes.
            limits: what to accept, and how long to keep things.
            clock: the time of day in ms since 1970 UTC.
            reach: told of each named point of a write.
            part: a descriptor to close at the end, which stands for this process's part in
                owning the folder.
        """
        self.limits = limits
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._part = part
        self._reach = reach
        states = HashStates(limits.hash_states_max)
        self._uploads = uploads.Place(store, blobs, clock, new_id, limits, states, reach)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is queued, then let go of the store. Harmless when repeated."""
        self._store.close()
        self._blobs.close()
        if self._part is not None:
            os.close(self._part)
            self._part = None

    # --- registries and repositories ----------------------------------------------------------

    def create_registry(
        self, name: str, settings: RegistrySettings = _USUAL, *, by: str, comment: str = ""
    ) -> Registry:
        """Make a registry.

        Raises:
            NameInvalid: the name breaks the grammar or its limit.
            NameTaken: there is one of this name.
        """
        act = act_of(by, comment, self.limits)
        parse_registry(name)
        self._store.write(lambda txn: registries.create_registry(txn, name, settings, act))
        return self.get_registry(name)

    def update_registry(
        self, name: str, change: SettingsChange, *, by: str, comment: str = ""
    ) -> Registry:
        """Change a registry's settings; what was accepted before stays, and so does the rest.

        Raises:
            RegistryUnknown: there is none of this name.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: registries.update_registry(txn, name, change, act))
        return self.get_registry(name)

    def delete_registry(
        self, name: str, *, by: str, comment: str = "", force: bool = False
    ) -> None:
        """Delete a registry; with `force`, with all that it has. Its history stays.

        Raises:
            RegistryUnknown: there is none of this name.
            RegistryNotEmpty: it has repositories, and `force` is false.
            Unsupported: it has repositories, and does not allow deleting.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: removal.delete_registry(txn, name, act, force=force))

    def get_registry(self, name: str) -> Registry:
        """Return a registry.

        Raises:
            RegistryUnknown: there is none of this name.
        """
        return self._store.read(lambda txn: catalog.get_registry(txn, name))

    def list_registries(self, *, after: str = "", limit: int | None = None) -> Page[Registry]:
        """Return registries beyond `after`, by name."""
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: catalog.list_registries(txn, after, most))

    def get_repository(self, name: RepositoryName) -> Repository:
        """Return a repository.

        Raises:
            RegistryUnknown, RepositoryUnknown: it is not there.
        """
        return self._store.read(lambda txn: catalog.get_repository(txn, name))

    def delete_repository(self, name: RepositoryName, *, by: str, comment: str = "") -> None:
        """Delete a repository with all that it has, at once, whatever its size.

        Its history stays; what it had is swept after the hold time.

        Raises:
            RegistryUnknown, RepositoryUnknown: it is not there.
            Unsupported: its registry does not allow deleting.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: removal.delete_repository(txn, name, act))

    def list_repositories(
        self, registry: str, *, after: str = "", limit: int | None = None
    ) -> Page[Repository]:
        """Return a registry's repositories beyond `after`, by name.

        Raises:
            RegistryUnknown: there is no such registry.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: catalog.list_repositories(txn, registry, after, most))

    # --- manifests and tags -------------------------------------------------------------------

    def get_manifest(self, reference: Reference) -> ManifestContent:
        """Return the manifest that a tag or digest names, byte for byte as it was pushed.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
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

        All tags are set in one transaction, and are one event; on error none is.

        Args:
            reference: with a tag or a digest; if both, the body must have the digest.
            body: the manifest, stored as it is.
            media_type: its Content-Type without parameters; None: the body's `mediaType` says.
            by: who pushes.
            tags: to be set beside the reference's own, if it has one.
            expect: where the caller saw the reference's tag; of a digest, whether it was there.

        Raises:
            NameInvalid: of `tags`, some can be no tags; tells all that cannot.
            TagsTooMany: they are more than `Limits.put_tags_max`.
            ManifestTooLarge, ManifestInvalid: the body is no manifest that can be stored.
            DigestInvalid: the body has another digest than the reference.
            RegistryUnknown: there is no such registry.
            TagMoved: it is not where it was expected.
            ManifestBlobUnknown: it names content that the repository does not have.
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

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
            Unsupported: its registry does not allow deleting.
            TagMoved: it is not where it was expected.
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
        """Remove a manifest and every tag of it from the repository.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: it is not there.
            Unsupported: an index needs it, or its registry does not allow deleting.
            TagMoved: it was expected not to be there.
        """
        act = act_of(by, comment, self.limits)
        self._store.write(lambda txn: content.delete_manifest(txn, name, digest, act, expect))

    def list_tags(
        self, name: RepositoryName, *, after: str = "", limit: int | None = None
    ) -> Page[Tag]:
        """Return tags beyond `after` (which need not exist), in ascending byte order.

        Raises:
            RegistryUnknown, RepositoryUnknown: the repository is not there.
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

        Raises:
            RegistryUnknown, RepositoryUnknown: the repository is not there.
            PageInvalid: `after` is no `Referrer.position`.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(
            lambda txn: content.list_referrers(
                txn, name, subject, artifact_type, after, most, self.limits
            )
        )

    # --- promotion ----------------------------------------------------------------------------

    def promote(
        self,
        source: Reference | Selection,
        target: Target,
        *,
        by: str,
        mode: Mode = Mode.COPY,
        comment: str = "",
        tags: str | Sequence[str] | None = None,
        retag: str | None = None,
        expect_source: Expected = ANYTHING,
        expect_target: Expected = ANYTHING,
        attachments: Side | None = None,
        purge: bool = False,
        allow_sparse: bool = False,
        dry_run: bool = False,
        plan: str | None = None,
        key: str | None = None,
    ) -> Promotion:
        """Make `target` be what `source` is now, without moving a byte: `promote_all` of one item.

        Args:
            source: an image, a repository, or all repositories below a path.
            target: what it leaves out is the source's.
            by: who promotes.
            mode: whether the source keeps what it has.
            comment: why.
            tags: of a source without a tag: a glob, or tags by name; None: whole repositories.
            retag: a template for the target's tags, with `{tag}` for the source's.
            expect_source: where the caller saw the source's tag.
            expect_target: where the caller saw the target's tag.
            attachments: whose attachment tags count where each side's have what the other lacks.
            purge: with a move, unlink at once what nothing at the source needs any more.
            allow_sparse: that indexes and images may name what the target lacks.
            dry_run: only say what would be done.
            plan: as in `promote_all`.
            key: as in `promote_all`.

        Raises:
            LiftlockError: as `promote_all`.
        """
        selection = source if isinstance(source, Selection) else Selection.of(source)
        item = RequestItem(
            selection,
            target,
            tags if tags is None or isinstance(tags, str) else tuple(tags),
            retag,
            expect_source,
            expect_target,
        )
        request = PromotionRequest((item,), mode, attachments, purge, allow_sparse)
        return self.promote_all(
            request, by=by, comment=comment, dry_run=dry_run, plan=plan, key=key
        )

    def promote_all(
        self,
        request: PromotionRequest,
        *,
        by: str,
        comment: str = "",
        dry_run: bool = False,
        plan: str | None = None,
        key: str | None = None,
    ) -> Promotion:
        """Make every target be what its source is now: one snapshot, one transaction.

        All that the images reach is linked into the target repositories, the tags are set and the
        history is written: on return all of it is durable, on error none of it is. Referrers and
        attachment tags follow. A move takes the source's tags away in the same transaction; a
        whole repository that moves to a free name keeps its history. Done again, it changes
        nothing and answers like the first time.

        Args:
            request: what, where to, and what is taken for granted.
            by: who promotes.
            comment: why.
            dry_run: only say what would be done.
            plan: the hash of a plan (`Promotion.plan` of a dry run): refuse if this one differs.
            key: an idempotency key: for a day, the same call again answers what the first did.

        Raises:
            NameInvalid, PromotionInvalid: the request does not fit together, or is too big.
            KeyReused: the key was used for another request.
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: something is not there.
            TagMoved: a tag is not where it was expected.
            PlanOutdated: the plan is not what `plan` says; has the new one.
            TargetsCollide: several sources would be one target.
            AttachmentsDiffer: somebody must say whose attachments count.
            SparseManifest, SparseRefused, PurgeRefused: a setting, or nothing said, is against it.
        """
        asked = Asked(request, act_of(by, comment, self.limits), plan, key)
        if dry_run:
            return promoting.rehearse(self._store, asked, self.limits, self._clock)
        if request.is_small:
            return self._store.write(Promoting(asked, self.limits))
        return promoting.promote_big(self._store, asked, self.limits, self._reach)

    def submit_promotion(
        self,
        request: PromotionRequest,
        *,
        by: str,
        comment: str = "",
        plan: str | None = None,
        key: str | None = None,
    ) -> Future[Promotion]:
        """Queue a promotion without waiting; else like `promote_all`.

        For requests that are small (`PromotionRequest.is_small`). What is queued together shares
        commits, and does so best if one thread queues it all: a thread for each promotion costs
        more than the promotion (docs/decisions/0003). It cannot be withdrawn.
        """
        asked = Asked(request, act_of(by, comment, self.limits), plan, key)
        return self._store.submit(Promoting(asked, self.limits))

    def give_way(self, seconds: float) -> None:
        """Wait, at most so long, until what was submitted is computed and being flushed.

        An event loop that has submitted promotions does well to call this before it goes on: else
        it and the thread that commits take the interpreter from each other (docs/decisions/0014).
        """
        self._store.give_way(seconds)

    def get_promotion(self, number: int) -> Promotion:
        """Return what a promotion did, as the history has it: what it changed.

        Raises:
            PromotionUnknown: there is no such promotion.
        """
        return self._store.read(lambda txn: promotion.recorded(txn, number))

    def list_promotions(
        self, *, before: int | None = None, limit: int | None = None
    ) -> Page[PromotionSummary]:
        """Return promotions (and undos) with numbers below `before`, newest first."""
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: promotion.listed(txn, before, most))

    def undo(self, number: int, *, by: str, comment: str = "", dry_run: bool = False) -> Promotion:
        """Undo a promotion, while its target still is what it made.

        Tags go back to where they were, a moved tag returns to its source, and what the promotion
        linked and nothing else needs is unlinked; in one transaction, with an entry of its own in
        the history. Done again, it changes nothing.

        Raises:
            PromotionUnknown: there is no such promotion.
            UndoRefused: something changed since; says what.
            PromotionInvalid: it would take more records than one transaction may.
        """
        act, limits = act_of(by, comment, self.limits), self.limits
        if dry_run:
            return promoting.rehearse_undo(self._store, number, act, limits, self._clock)
        return promoting.undo(self._store, number, act, limits)

    def history(
        self,
        of: Reference | RepositoryName | str,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Page[HistoryEntry]:
        """Return what happened, newest first.

        Args:
            of: an image (by tag, else by digest), a repository, or a registry's name. What bore
                the name earlier and was deleted since is part of it.
            before: only events before this number: the cursor for the next page.
            limit: so many entries, rounded up to whole events.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: nothing ever bore this name.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: timeline.timeline(txn, of, before, most))

    def verify_history(self) -> Iterator[Finding]:
        """Check the history alone: events, items, seals, and that replaying it gives the tags."""
        return checking.check_past(self._store)

    # --- upkeep -------------------------------------------------------------------------------

    def check(self, *, content: bool = False) -> Iterator[Finding]:
        """Cross-check everything that is stored; yield what is found. Others may go on working.

        Args:
            content: also read every blob and hash it.
        """
        return checking.check(self._store, self._blobs, content=content)

    def sweep(self) -> Swept:
        """Remove what is over, and return how much.

        Upload sessions that idled too long, old files without a record, rows of what was deleted
        longer ago than the hold time, answers that were kept for long enough.
        """
        rows = removal.sweep(self._store, self._clock, self.limits)
        rows += idempotency.sweep(self._store, self._clock, self.limits)
        return replace(uploads.sweep(self._uploads), rows=rows)
