"""The past: what was done, what was answered, and the seals over it."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Self

from liftlock.metadata.records.acts import WHOLE, Action, Kind, Role
from liftlock.model import Tally

_Q = struct.Struct(">Q")
_EVENT = struct.Struct(">BQQQIII32sHHH")
_ITEM = struct.Struct(">BBB")
_ATTACHMENT: Final = 0x80
_TALLY = struct.Struct(">6I")
_ANSWER = struct.Struct(">Q32s")
_SEAL = struct.Struct(">32sQQ32s")


class EventRecord(NamedTuple):
    """`events`: who did what, when and why."""

    kind: Kind
    at: int
    promotion: int
    """Its promotion number; 0 if it is none."""
    undoes: int
    """The promotion number that it undid; 0 if it undid none."""
    items: int
    manifests: int
    """Manifests that a promotion newly linked."""
    records: int
    """Rows that a promotion wrote."""
    items_hash: bytes
    by: str
    comment: str
    origin: str = ""
    """Of an import: which archive."""

    def encode(self) -> bytes:
        *said, by, comment, origin = self
        texts = by.encode(), comment.encode(), origin.encode()
        return _EVENT.pack(*said, *map(len, texts)) + b"".join(texts)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        kind, at, promotion, undoes, items, manifests, records, items_hash, *lengths = (
            _EVENT.unpack_from(body)
        )
        start = _EVENT.size
        by = start + lengths[0]
        comment = by + lengths[1]
        if len(body) != comment + lengths[2]:
            raise ValueError("lengths do not add up")
        return cls(
            Kind(kind),
            at,
            promotion,
            undoes,
            items,
            manifests,
            records,
            items_hash,
            body[start:by].decode(),
            body[by:comment].decode(),
            body[comment:].decode(),
        )


class OtherSide(NamedTuple):
    """Where a promoted tag came from, or a moved one went."""

    repository: int
    tag: str
    """Empty if it was named by digest alone."""


class ItemRecord(NamedTuple):
    """`items`: one change of one tag, or what happened to a whole repository."""

    action: Action
    old: bytes | None
    new: bytes | None
    other: OtherSide | None
    is_attachment: bool = False
    """Whether the tag is an attachment tag that came along."""
    tally: Tally | None = None
    """Of a whole repository."""

    def encode(self) -> bytes:
        action, before, after, side, is_attachment, tally = self
        old = before or b""
        new = _TALLY.pack(*tally) if tally is not None else after or b""
        other = b"" if side is None else _Q.pack(side[0]) + side[1].encode()
        code = action | _ATTACHMENT if is_attachment else action
        return _ITEM.pack(code, len(old), len(new)) + old + new + other

    @classmethod
    def decode(cls, body: bytes) -> Self:
        code, old, new = _ITEM.unpack_from(body)
        action = Action(code & ~_ATTACHMENT)
        middle, end = _ITEM.size + old, _ITEM.size + old + new
        rest, newer = body[end:], body[middle:end]
        is_whole = action in WHOLE and newer
        return cls(
            action,
            body[_ITEM.size : middle] or None,
            None if is_whole else newer or None,
            OtherSide(int.from_bytes(rest[:8], "big"), rest[8:].decode()) if rest else None,
            bool(code & _ATTACHMENT),
            Tally(*_TALLY.unpack(newer)) if is_whole else None,
        )


class RoleRecord(NamedTuple):
    """`repository_history`."""

    role: Role

    def encode(self) -> bytes:
        return bytes((self.role,))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(Role(body[0]))


class AnswerRecord(NamedTuple):
    """`idempotency`: the answer to a request, kept for when it comes again."""

    until: int
    """Milliseconds since 1970; from then on the key is free again."""
    request: bytes
    """BLAKE3 of the request."""
    answer: bytes

    def encode(self) -> bytes:
        return _ANSWER.pack(self.until, self.request) + self.answer

    @classmethod
    def decode(cls, body: bytes) -> Self:
        until, request = _ANSWER.unpack_from(body)
        return cls(until, request, body[_ANSWER.size :])


class SealRecord(NamedTuple):
    """`seals`: the chain that makes the history tamper-evident."""

    previous: bytes
    first_event: int
    last_event: int
    root: bytes

    def encode(self) -> bytes:
        return _SEAL.pack(*self)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        return cls(*_SEAL.unpack(body))
