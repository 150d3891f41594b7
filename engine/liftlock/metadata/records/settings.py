"""A registry's settings: a row of numbered values, so that others can be added.

Each is its number, the length of its value, its value. One that is missing has its default; one
with a number that nobody knows makes the row unreadable: to pass it over could allow what it
forbids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from liftlock.model import RegistrySettings

_NUMBERS: Final[Mapping[str, int]] = {"allow_sparse": 1, "allow_delete": 2}
_NAMES: Final = {number: name for name, number in _NUMBERS.items()}
_FLAGS: Final = {b"\x00": False, b"\x01": True}


def encode_settings(settings: RegistrySettings) -> bytes:
    """Return settings as bytes; the same settings are the same bytes."""
    return b"".join(
        bytes((number, 1, getattr(settings, name))) for name, number in _NUMBERS.items()
    )


def decode_settings(body: bytes) -> RegistrySettings:
    """Return the settings that some bytes say.

    Raises:
        ValueError: they say nothing that can be understood.
    """
    said: dict[str, bool] = {}
    while body:
        number, length = body[0], body[1]
        value, body = body[2 : 2 + length], body[2 + length :]
        if number not in _NAMES or value not in _FLAGS or _NAMES[number] in said:
            raise ValueError(f"setting {number} has the value {value.hex()}")
        said[_NAMES[number]] = _FLAGS[value]
    return RegistrySettings(**said)
