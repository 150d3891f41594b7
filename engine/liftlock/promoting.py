"""Promotions as operations on a store: with idempotency keys, held to a plan, small or big.

A small one is planned and written in the writer's transaction, together with others that wait. A
big one is planned beside the writer, and written if what it rests on is still so
(docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from liftlock import idempotency, promotion
from liftlock.config import Limits
from liftlock.errors import LiftlockError, PlanOutdated
from liftlock.history import Act
from liftlock.idempotency import Asked
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn, WriteTxn
from liftlock.model import Promotion
from liftlock.points import Reach, nowhere


@dataclass(slots=True)
class Promoting:
    """One promotion, to be planned and written in one transaction."""

    asked: Asked
    limits: Limits
    reach: Reach = nowhere

    def __call__(self, txn: WriteTxn) -> Promotion:
        """Promote; see `Engine.promote_all` for what it raises."""
        asked, limits = self.asked, self.limits
        answered = idempotency.find_answer(txn, asked)
        if answered is not None:
            return answered
        plan = planned(txn, asked, limits, txn.at)
        return _write(txn, asked, plan, limits, self.reach)

    def together(self, txn: WriteTxn, operations: Sequence[Promoting]) -> list[object]:
        """Promote several; those that can be are planned together. See `Joint.together`."""
        plain: list[int] = []
        said: set[tuple[str, str | None]] = set()
        outcomes: list[object] = [None] * len(operations)
        for place, operation in enumerate(operations):
            asked = operation.asked
            if asked.plan is not None or not promotion.is_plain(asked.request):
                continue
            if asked.key is not None:
                # One that comes twice at once finds the answer of the first, after it.
                if (asked.act.by, asked.key) in said or _is_answered(txn, asked):
                    continue
                said.add((asked.act.by, asked.key))
            plain.append(place)
        together = [operations[place].asked for place in plain]
        done = promotion.promote_together(
            txn, [(asked.request, asked.act) for asked in together], self.limits
        )
        for place, asked, answer in zip(plain, together, done, strict=True):
            outcomes[place] = answer
            if answer is not None:
                idempotency.keep_answer(txn, asked, answer, self.limits)
        for place, operation in enumerate(operations):
            if outcomes[place] is None:
                outcomes[place] = _outcome(txn, operation)
        return outcomes


def promote_big(store: MetadataStore, asked: Asked, limits: Limits, reach: Reach) -> Promotion:
    """Plan beside the writer, and write what still holds then; at last, plan inside."""
    answered = store.write(lambda txn: idempotency.find_answer(txn, asked))
    if answered is not None:
        return answered
    for _ in range(limits.plan_tries_max):
        plan = store.read(lambda txn: planned(txn, asked, limits, 0))
        reach("promotion: planned")
        done = store.write(
            partial(_write_if_same, asked=asked, plan=plan, limits=limits, reach=reach)
        )
        if done is not None:
            return done
    return store.write(Promoting(asked, limits, reach))


def rehearse(
    store: MetadataStore, asked: Asked, limits: Limits, clock: Callable[[], Instant]
) -> Promotion:
    """Say what a promotion would do, without writing.

    Raises:
        PlanOutdated: it is another plan than the one asked for.
    """
    now = clock()

    def rehearsed(txn: ReadTxn) -> Promotion:
        plan = planned(txn, asked, limits, now, hashed=True)
        return promotion.rehearse(txn, plan, asked.act, now, limits)

    return store.read(rehearsed)


def undo(store: MetadataStore, number: int, act: Act, limits: Limits) -> Promotion:
    """Undo a promotion in one transaction; see `Engine.undo`."""

    def undone(txn: WriteTxn) -> Promotion:
        return promotion.apply_undo(txn, promotion.plan_undo(txn, number, limits), act, limits)

    return store.write(undone)


def rehearse_undo(
    store: MetadataStore, number: int, act: Act, limits: Limits, clock: Callable[[], Instant]
) -> Promotion:
    """Say what an undo would do, without writing."""
    now = clock()

    def rehearsed(txn: ReadTxn) -> Promotion:
        plan = promotion.plan_undo(txn, number, limits)
        return promotion.rehearse_undo(txn, plan, act, now, limits)

    return store.read(rehearsed)


def planned(
    txn: ReadTxn, asked: Asked, limits: Limits, at: Instant, *, hashed: bool = False
) -> promotion.Plan:
    """Plan a promotion in this snapshot.

    Raises:
        PlanOutdated: it is another plan than the one asked for; has the new one.
        LiftlockError: the gravest of what is wrong; all of it is in its `violations`.
    """
    wanted = asked.plan
    plan = promotion.plan(txn, asked.request, limits, hashed=hashed or wanted is not None)
    if wanted is not None and wanted != plan.hash:
        said = promotion.rehearse(txn, plan, asked.act, at, limits)
        raise PlanOutdated(wanted, plan.hash, said)
    return plan


def _write_if_same(
    txn: WriteTxn, asked: Asked, plan: promotion.Plan, limits: Limits, reach: Reach
) -> Promotion | None:
    answered = idempotency.find_answer(txn, asked)
    if answered is not None:
        return answered
    if not promotion.still_holds(txn, plan):
        return None
    return _write(txn, asked, plan, limits, reach)


def _write(
    txn: WriteTxn, asked: Asked, plan: promotion.Plan, limits: Limits, reach: Reach
) -> Promotion:
    done = promotion.apply(txn, plan, asked.act, limits, reach)
    idempotency.keep_answer(txn, asked, done, limits)
    return done


def _is_answered(txn: WriteTxn, asked: Asked) -> bool:
    try:
        return idempotency.find_answer(txn, asked) is not None
    except LiftlockError:
        return True  # by a refusal, which comes again when it is asked by itself


def _outcome(txn: WriteTxn, operation: Promoting) -> object:
    """Return what an operation returns, or raises with nothing written."""
    written = txn.writes
    try:
        return operation(txn)
    except Exception as error:
        if txn.writes != written:
            raise
        return error
