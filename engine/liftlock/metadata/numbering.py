"""What a store goes on counting from: the last time, and the last number of each sequence."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from liftlock.metadata.contract import Instant, Numbered, Row, Table
from liftlock.metadata.records import decoded, protect

STATE_KEY: Final = b"state"
_STATE: Final = struct.Struct(">QQQQQ")
_NUMBERED: Final = tuple(Numbered)


def read_state(value: bytes | None) -> tuple[Instant, dict[Numbered, int]]:
    """Return the last time and the last numbers; of a new store zeros.

    Raises:
        RecordCorrupt: the row is damaged.
    """
    if value is None:
        return 0, dict.fromkeys(_NUMBERED, 0)
    last_at, *numbers = decoded(_STATE.unpack, Table.META, STATE_KEY, value)
    return last_at, dict(zip(_NUMBERED, numbers, strict=True))


def state_row(at: Instant, numbers: Mapping[Numbered, int]) -> Row:
    """Return the row that `read_state` reads."""
    state = _STATE.pack(at, *(numbers[sequence] for sequence in _NUMBERED))
    return protect(Table.META, STATE_KEY, state)
