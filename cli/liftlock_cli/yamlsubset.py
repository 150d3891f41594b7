"""YAML as far as a set of promotions needs it: mappings, lists, and text exactly as it is written.

A tag such as `1.10` or `012` stays that text; only `true`, `false`, `null` and their like are more.
What would let a short file become a large value, or let it make objects, is refused: anchors,
aliases, explicit types. So is what readers would understand differently: a key that comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

_DEPTH_MAX: Final = 16
# The core schema of YAML 1.2, without its numbers.
_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
# The C reader is some ten times as fast, and not in every build of the library.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlRefusedError(ValueError):
    """A text is no YAML, or is of a kind that is not read here; says where and why."""

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")


def parse(text: str) -> object:
    """Read a text of one document; an empty one is None.

    Raises:
        YamlRefusedError: it cannot be read, or is not read on purpose.
    """
    events: Iterator[Event] = iter(yaml.parse(text, Loader=_LOADER))
    try:
        next(events)  # the stream's start
        if isinstance(next(events), StreamEndEvent):
            return None
        value = _value(events, next(events), 0)
        next(events)  # the document's end
        after = next(events)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlRefusedError(line, error.problem or "it is no YAML") from error
    except yaml.YAMLError as error:
        raise YamlRefusedError(None, str(error)) from error
    if not isinstance(after, StreamEndEvent):
        raise _refused(after, "a second document begins here; one is read")
    return value


def _value(events: Iterator[Event], event: Event, depth: int) -> object:
    """Read the value that begins with `event`, up to its end."""
    _require_plain(event)
    if isinstance(event, ScalarEvent):
        return _WORDS.get(event.value, event.value) if event.implicit[0] else event.value
    if depth == _DEPTH_MAX:
        raise _refused(event, f"it is nested more than {_DEPTH_MAX} deep")
    if isinstance(event, MappingStartEvent):
        return _mapping(events, depth)
    return _sequence(events, depth)


def _sequence(events: Iterator[Event], depth: int) -> list[object]:
    values: list[object] = []
    while not isinstance(event := next(events), SequenceEndEvent):
        values.append(_value(events, event, depth + 1))
    return values


def _mapping(events: Iterator[Event], depth: int) -> dict[str, object]:
    values: dict[str, object] = {}
    while not isinstance(event := next(events), MappingEndEvent):
        _require_plain(event)
        if not isinstance(event, ScalarEvent):
            raise _refused(event, "a key must be text")
        if event.value in values:
            raise _refused(event, f"the key {event.value!r} is there twice")
        value = next(events)
        _require_said(event.value, value)
        values[event.value] = _value(events, value, depth + 1)
    return values


def _require_plain(event: Event) -> None:
    if isinstance(event, AliasEvent):
        raise _refused(event, f"*{event.anchor} is an alias; write out what it stands for")
    assert isinstance(event, ScalarEvent | CollectionStartEvent)
    if event.anchor is not None:
        raise _refused(event, f"&{event.anchor} is an anchor; write things out where they belong")
    if event.tag is not None:
        raise _refused(event, f"{event.tag} is an explicit type; leave it out")


def _require_said(key: str, event: Event) -> None:
    """Refuse a key with nothing behind it: it is easily forgotten, and null may mean much."""
    if not isinstance(event, ScalarEvent) or event.value or not event.implicit[0]:
        return
    all_of_it = ' (all tags are `tags: "*"`)' if key == "tags" else ""
    reason = f"`{key}:` has no value; leave the line out, or say one{all_of_it}"
    raise _refused(event, reason)


def _refused(event: Event, reason: str) -> YamlRefusedError:
    return YamlRefusedError(event.start_mark.line + 1 if event.start_mark else None, reason)
