"""Set files: a promotion of several items, as JSON or YAML, from a file or from stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from liftlock.documents import Asked, read_request
from liftlock.errors import PromotionInvalid

STDIN: Final = Path("-")
_BYTES_MAX: Final = 4 * 1024 * 1024
"""Some 40,000 items; whole repositories are one item each, whatever they have."""
_YAML_SUFFIXES: Final = frozenset({".yaml", ".yml"})


def read_set(path: Path) -> Asked:
    """Read a set: the document that the HTTP API takes, or a bare list of its items.

    Raises:
        PromotionInvalid, NameInvalid, DigestInvalid: with everything that is wrong in
            `violations`.
    """
    name = "stdin" if path == STDIN else str(path)
    try:
        document = _parse(_text(path), path.suffix)
        if document is None:
            raise ValueError("it is empty")  # noqa: TRY301 - one place adds the name
    except RecursionError as error:
        raise PromotionInvalid(f"{name}: it is nested too deep") from error
    except ValueError as error:
        raise PromotionInvalid(f"{name}: {error}") from error
    return read_request({"items": document} if isinstance(document, list) else document)


def _text(path: Path) -> str:
    if path == STDIN:
        body = sys.stdin.buffer.read(_BYTES_MAX + 1)
    else:
        with path.open("rb") as file:
            body = file.read(_BYTES_MAX + 1)
    if len(body) > _BYTES_MAX:
        raise ValueError(f"it is longer than {_BYTES_MAX} bytes")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8, at byte {error.start}") from error


def _parse(text: str, suffix: str) -> object:
    """Read YAML where the name says so, or where it cannot be JSON's object or array."""
    if suffix not in _YAML_SUFFIXES and text.lstrip().startswith(("{", "[")):
        return json.loads(text, object_pairs_hook=_unique)
    from liftlock_cli import yamlsubset  # noqa: PLC0415 - costly, and for few calls only

    return yamlsubset.parse(text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document: dict[str, object] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key!r} is there twice")
        document[key] = value
    return document
