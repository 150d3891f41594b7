"""The engine's promotions: done, queued, looked up, undone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from liftlock import promoting, promotion
from liftlock.engine.asking import act_of, entries_of
from liftlock.engine.opened import Opened
from liftlock.errors import TextInvalid
from liftlock.idempotency import Asked
from liftlock.model import ANYTHING, Expected, Mode, Page, Promotion, PromotionSummary, Side
from liftlock.oci.reference import Reference, Selection, Target
from liftlock.promoting import Promoting
from liftlock.promotion import PromotionRequest, RequestItem


class PromotionCall(NamedTuple):
    """A call of `promote_all`, to be made with others; see there for what it says."""

    request: PromotionRequest
    by: str
    comment: str = ""
    plan: str | None = None
    key: str | None = None


class PromotionEngine(Opened):
    """What `Engine` can do to hand images on."""

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
            LiftlockError: as `promote_all`, with the classes that stand there.
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
            comment: why; at most `Limits.comment_characters_max` characters.
            dry_run: only say what would be done; nothing is written.
            plan: the hash of a plan (`Promotion.plan` of a dry run): refuse if this one differs.
            key: an idempotency key, of any length: for `Limits.answer_keep_ms` (a day), the same
                call by the same actor answers what the first did, and does nothing.

        Raises:
            NameInvalid, PromotionInvalid: the request does not fit together, or is too big.
            KeyReused: the key was used for another request.
            RegistryUnknown, RepositoryUnknown, ManifestUnknown: something is not there.
            TagMoved: a tag is not where it was expected.
            PlanOutdated: the plan is not what `plan` says; has the new one.
            TargetsCollide: several sources would be one target.
            AttachmentsDiffer: somebody must say whose attachments count.
            SparseManifest, SparseRefused, PurgeRefused: a setting, or nothing said, is against it.
            StoreFull, StoreBusy: not now; try again.
            TextInvalid: `by` or `comment` cannot be stored.

        Whatever refuses, `LiftlockError.violations` has all that is wrong.
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
        more than the promotion (docs/decisions/0003). It cannot be withdrawn: `Future.cancel`
        keeps nothing from being done.

        Args:
            request: as in `promote_all`, and small.
            by: who promotes.
            comment: why.
            plan: as in `promote_all`.
            key: as in `promote_all`.

        Returns:
            What has the promotion when it is durable; or raises what `promote_all` raises.

        Raises:
            TextInvalid: `by` or `comment` cannot be stored.
        """
        asked = Asked(request, act_of(by, comment, self.limits), plan, key)
        return self._store.submit(Promoting(asked, self.limits))

    def promote_each(self, calls: Sequence[PromotionCall]) -> list[Promotion | Exception]:
        """Do many promotions that have nothing to do with each other; they share commits.

        For requests that are small (`PromotionRequest.is_small`), and for callers that have many
        at once: it is the fastest way to do them.

        Returns:
            For each what `promote_all` would have returned, and it is durable then; or would have
            raised.
        """
        asked = [self._asked_by(call) for call in calls]
        done = iter(
            self._store.write_all(
                [Promoting(each, self.limits) for each in asked if isinstance(each, Asked)]
            )
        )
        return [next(done) if isinstance(each, Asked) else each for each in asked]

    def _asked_by(self, call: PromotionCall) -> Asked | TextInvalid:
        try:
            act = act_of(call.by, call.comment, self.limits)
        except TextInvalid as error:
            return error
        return Asked(call.request, act, call.plan, call.key)

    def give_way(self, seconds: float) -> None:
        """Wait, at most so long, until what is computed for a commit is being flushed.

        An event loop that promotes in another thread does well to call this before it does
        something else: else it and the thread that computes take the interpreter from each other
        (docs/decisions/0014). For what takes longer than that, nobody waits once more.
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
        """Return promotions (and undos) with numbers below `before`, newest first.

        Args:
            before: the number of the last one of the page before; None: from the newest on.
            limit: so many at most; None, or more: `Limits.page_entries_max`.

        Raises:
            PageInvalid: `limit` is negative.
        """
        most = entries_of(limit, self.limits)
        return self._store.read(lambda txn: promotion.listed(txn, before, most))

    def undo(self, number: int, *, by: str, comment: str = "", dry_run: bool = False) -> Promotion:
        """Undo a promotion, while its target still is what it made.

        Tags go back to where they were, a moved tag returns to its source, and what the promotion
        linked and nothing else needs is unlinked; in one transaction, with an entry of its own in
        the history. Done again, it changes nothing.

        Args:
            number: `Promotion.id` of what is to be undone. An undo cannot be: promote again.
            by: who undoes.
            comment: why.
            dry_run: only say what would be done; nothing is written.

        Raises:
            PromotionUnknown: there is no such promotion.
            UndoRefused: something changed since; says what.
            PromotionInvalid: it would take more records than one transaction may.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        act, limits = act_of(by, comment, self.limits), self.limits
        if dry_run:
            return promoting.rehearse_undo(self._store, number, act, limits, self._clock)
        return promoting.undo(self._store, number, act, limits)
