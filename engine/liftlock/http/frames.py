"""What goes over a line between a worker and the promoter.

Either way it is frames, each a length and so many bytes. Towards the promoter a frame has calls,
pickled; back it has outcomes, packed as kept answers are, of which only errors are pickled. Both
ends are one program, and nobody else has either end.
"""

from __future__ import annotations

import logging
import pickle
import struct
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from liftlock.engine import PromotionCall
from liftlock.errors import Corruption, LiftlockError
from liftlock.model import Promotion

log = logging.getLogger("liftlock.http")

_LENGTH: Final = struct.Struct(">Q")
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Promotion | bytes])


class Frames:
    """Puts frames together again, from bytes as they come."""

    def __init__(self) -> None:
        self._received = bytearray()

    def fed(self, piece: bytes) -> Iterator[bytes]:
        """Take in what was received, and yield the frames that are complete by it."""
        self._received += piece
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            frame = bytes(self._received[_LENGTH.size : end])
            del self._received[:end]
            yield frame


def frame_of_calls(calls: Sequence[PromotionCall]) -> bytes:
    """Return the frame with some calls."""
    return _frame(pickle.dumps(calls, pickle.HIGHEST_PROTOCOL))


def calls_in(frame: bytes) -> Sequence[PromotionCall]:
    """Return the calls of a frame."""
    calls: Sequence[PromotionCall] = pickle.loads(frame)  # noqa: S301 - from a worker
    return calls


def frame_of_outcomes(outcomes: Sequence[Promotion | Exception]) -> bytes:
    """Return the frame with some outcomes. Our failures are logged: no traceback goes along."""
    return _frame(_encoder.encode([_packed(outcome) for outcome in outcomes]))


def outcomes_in(frame: bytes) -> list[Promotion | Exception]:
    """Return the outcomes of a frame."""
    return [_unpacked(outcome) for outcome in _decoder.decode(frame)]


def _frame(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _packed(outcome: Promotion | Exception) -> Promotion | bytes:
    if isinstance(outcome, Promotion):
        return outcome
    is_ours = isinstance(outcome, LiftlockError)
    if isinstance(outcome, Corruption) or not is_ours:
        log.error("a promotion failed", exc_info=outcome)
    if not is_ours:
        outcome = RuntimeError(f"{type(outcome).__name__}: {outcome}")
    return pickle.dumps(outcome)


def _unpacked(outcome: Promotion | bytes) -> Promotion | Exception:
    if isinstance(outcome, Promotion):
        return outcome
    error: Exception = pickle.loads(outcome)  # noqa: S301 - from the promoter
    return error
