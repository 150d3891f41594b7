"""Idempotency keys: a request that comes again under its key gets its first answer.

The answer is written in the transaction of what it tells of, so either both are there or none. A
refusal is not kept: the request is judged anew. Whoever asks has keys of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import msgspec
from blake3 import blake3

from liftlock.config import Limits
from liftlock.errors import KeyReused
from liftlock.history import Act
from liftlock.metadata import keys
from liftlock.metadata.contract import Instant, MetadataStore, ReadTxn, Table, WriteTxn
from liftlock.metadata.records import AnswerRecord, decoded, protect
from liftlock.model import Promotion
from liftlock.promotion import PromotionRequest

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Promotion)


class Asked(NamedTuple):
    """A promotion request, by whom it is made and why, and under which key."""

    request: PromotionRequest
    act: Act
    plan: str | None
    key: str | None


def find_answer(txn: WriteTxn, asked: Asked) -> Promotion | None:
    """Return the answer that this request got under its key; None if it has none.

    Raises:
        KeyReused: the key is another request's.
    """
    if asked.key is None or asked.request.faults:
        return None
    row = keys.idempotency_key(asked.act.by, asked.key)
    value = txn.get(Table.IDEMPOTENCY, row)
    if value is None:
        return None
    record = decoded(AnswerRecord.decode, Table.IDEMPOTENCY, row, value)
    if record.until <= txn.at:
        return None
    if record.request != _hash(asked):
        raise KeyReused(asked.key)
    return _decoder.decode(record.answer)


def keep_answer(txn: WriteTxn, asked: Asked, answer: Promotion, limits: Limits) -> None:
    """Keep the answer of a request that has a key."""
    if asked.key is None:
        return
    row = keys.idempotency_key(asked.act.by, asked.key)
    until = txn.at + limits.answer_keep_ms
    record = AnswerRecord(until, _hash(asked), _encoder.encode(answer))
    txn.put_many(Table.IDEMPOTENCY, [protect(Table.IDEMPOTENCY, row, record.encode())])


def sweep(store: MetadataStore, clock: Callable[[], Instant], limits: Limits) -> int:
    """Remove the answers that were kept long enough; return how many."""
    swept = 0
    after: bytes | None = None
    while True:
        due, after = store.read(partial(_due, after=after, now=clock(), limits=limits))
        if due:
            swept += store.write(partial(_remove, rows=due))
        if after is None:
            return swept


def _due(
    txn: ReadTxn, after: bytes | None, now: Instant, limits: Limits
) -> tuple[list[bytes], bytes | None]:
    rows = list(txn.scan(Table.IDEMPOTENCY, after=after, limit=limits.sweep_rows_max))
    due = [key for key, value in rows if _is_over(key, value, now)]
    return due, rows[-1][0] if rows else None


def _remove(txn: WriteTxn, rows: list[bytes]) -> int:
    """Remove those that are over still: a key may have come into use again."""
    found = zip(rows, txn.get_many(Table.IDEMPOTENCY, rows), strict=True)
    gone = [key for key, value in found if value is not None and _is_over(key, value, txn.at)]
    txn.delete_many(Table.IDEMPOTENCY, gone)
    return len(gone)


def _is_over(key: bytes, value: bytes, now: Instant) -> bool:
    return decoded(AnswerRecord.decode, Table.IDEMPOTENCY, key, value).until <= now


def _hash(asked: Asked) -> bytes:
    said = (asked.request, asked.act.comment, asked.plan)
    return blake3(_encoder.encode(said)).digest()
