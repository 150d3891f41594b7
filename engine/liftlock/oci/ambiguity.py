"""Where two readers of a manifest could disagree: text that is refused whatever it names."""

from __future__ import annotations

import json
from typing import Any, Final

from liftlock.errors import ManifestInvalid

# Keys that we act upon: twice in one object, two readers may each take another.
_TOP_KEYS: Final = frozenset(
    {"schemaVersion", "mediaType", "artifactType", "config", "layers", "blobs", "manifests"}
    | {"subject", "annotations"}
)
_DESCRIPTOR_KEYS: Final = frozenset(
    {"mediaType", "digest", "size", "artifactType", "annotations", "platform"}
)
_KNOWN_KEYS: Final = _TOP_KEYS | _DESCRIPTOR_KEYS
_CASEFOLDED: Final = frozenset(key.casefold() for key in _KNOWN_KEYS)


def refuse_ambiguity(body: bytes, depth_max: int) -> None:
    """Raise ManifestInvalid for text that is no JSON object, nests too deeply, or says twice."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestInvalid(f"it is not UTF-8 (byte {error.start})") from error
    try:
        top = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _too_deep(depth_max) from error
    except ValueError as error:
        raise ManifestInvalid(f"it is not JSON ({error})"[:200]) from error
    if not isinstance(top, _Pairs):
        raise ManifestInvalid("it is not a JSON object")
    _refuse_depth(top, depth_max)
    _refuse_twice(top, _TOP_KEYS, "the manifest")
    for key, value in top:
        entries = value if isinstance(value, list) else [value]
        if key in {"config", "subject", "layers", "blobs", "manifests"}:
            for entry in entries:
                if isinstance(entry, _Pairs):
                    _refuse_twice(entry, _DESCRIPTOR_KEYS, f"an entry of {key}")


class _Pairs(tuple[tuple[str, Any], ...]):  # Any: JSON
    """A JSON object with its keys as they came, doubles included."""

    __slots__ = ()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _refuse_depth(top: _Pairs, depth_max: int) -> None:
    level: list[Any] = [top]  # Any: JSON
    for _ in range(depth_max):
        level = [
            inner
            for value in level
            for inner in ([item for _, item in value] if isinstance(value, _Pairs) else value)
            if isinstance(inner, list | _Pairs)
        ]
        if not level:
            return
    raise _too_deep(depth_max)


def _too_deep(depth_max: int) -> ManifestInvalid:
    return ManifestInvalid(f"it nests deeper than {depth_max} levels (json_depth_max)")


def _refuse_twice(pairs: _Pairs, known: frozenset[str], where: str) -> None:
    for key, _ in pairs:
        # Clients in Go read keys in any case: what is not a layer here would be one there.
        if key not in _KNOWN_KEYS and key.casefold() in _CASEFOLDED:
            raise ManifestInvalid(f"{key!r:.60} in {where} is a known key in another case")
    keys = [key for key, _ in pairs if key in known]
    for key in set(keys):
        if keys.count(key) > 1:
            raise ManifestInvalid(f"the key {key!r} stands twice in {where}")
