"""A configuration file with every key, commented out, at its default."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Final

from liftlock.configuring.declaration import Declaration, Key

_COLUMNS: Final = 98


def example(declared: Declaration) -> str:
    """Write a TOML file that says what every key means, and changes nothing."""
    parts = ["# Liftlock's configuration. What is commented out is the default."]
    for section, keys in declared.keys.items():
        parts.append(f"[{section}]")
        parts.extend("\n".join(_lines(key)) for key in keys.values())
    return "\n\n".join(parts) + "\n"


def toml_value(value: object) -> str:
    """Write a value as TOML has it."""
    if isinstance(value, int | float):  # bool is an int, and JSON's true is TOML's
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _lines(key: Key) -> Iterator[str]:
    meaning = " ".join(key.meaning.split())
    if key.is_between:
        meaning += f" ({key.expected})"
    yield from textwrap.wrap(
        meaning,
        _COLUMNS,
        initial_indent="# ",
        subsequent_indent="# ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    yield f"#{key.name} = {toml_value(key.default)}"
