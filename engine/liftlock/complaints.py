"""What is wrong with a document that people sent: all of it, in sentences, and in which item."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec

from liftlock.errors import LiftlockError, PromotionInvalid

Form = TypeVar("Form", bound=msgspec.Struct)
Invalid = Callable[[str], LiftlockError]
"""The error that is made of a complaint."""

_SHOWN_MAX: Final = 60
_MUST_BE: Final[Mapping[str, str]] = {
    "items": "a list of items",
    "tags": "a glob, or a list of tags by name",
    "expect_source": 'a digest, or "absent"',
    "expect_target": 'a digest, or "absent"',
}
"""Of fields whose type does not say it well."""
_NOT_SAID: Final = (type(None), msgspec.UnsetType)
_TYPES: Final[Mapping[object, str]] = {str: "text", bool: "true or false"}


def of_item(error: LiftlockError, number: int) -> LiftlockError:
    """Say of an error in which item of the request it is, from 1; it keeps its class and facts."""
    sentence = str(error)
    error.args = (f"Item {number}: {sentence}",)
    vars(error)["item"] = number
    return error


def _of(error: LiftlockError, field: str) -> LiftlockError:
    """Note of an error which field it is about."""
    vars(error)["field"] = field
    return error


def read_form(
    document: object,
    form: type[Form],
    what: str,
    found: list[LiftlockError],
    invalid: Invalid = PromotionInvalid,
) -> Form | None:
    """Read what can be read, and add to `found` all that is wrong with the rest.

    Args:
        document: parsed JSON or YAML.
        form: what it has to be.
        what: what that is called in a sentence.
        found: gets an error for each thing that is wrong.
        invalid: makes them.

    Returns:
        What was read, with defaults for what could not be; None if that is required.
    """
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError:
        # It names one fault only, in words of its own.
        return _read_fields(document, form, what, found, invalid)


def _read_fields(
    document: object, form: type[Form], what: str, found: list[LiftlockError], invalid: Invalid
) -> Form | None:
    if not isinstance(document, Mapping):
        found.append(invalid(f"{what} is an object with fields, and not {_shown(document)}"))
        return None
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    found += [_of(invalid(reason), name) for name, reason in _strangers(document, fields, what)]
    read: dict[str, Any] = {}  # Any: a field's value
    for name, field in fields.items():
        if name not in document:
            if field.required:
                found.append(_of(invalid(f"{what} lacks `{name}` ({_must_be(field)})"), name))
            continue
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            if isinstance(document[name], Mapping):
                inner = read_form(document[name], field.type, f"`{name}`", found, invalid)
                read |= {} if inner is None else {name: inner}
            else:
                is_not = f"an object with fields, and not {_shown(document[name])}"
                found.append(_of(invalid(f"`{name}` must be {is_not}"), name))
            continue
        try:
            read[name] = msgspec.convert(document[name], field.type)
        except msgspec.ValidationError:
            is_not = f"and not {_shown(document[name])}"
            found.append(_of(invalid(f"`{name}` must be {_must_be(field)}, {is_not}"), name))
    is_whole = all(name in read for name, field in fields.items() if field.required)
    return form(**read) if is_whole else None


def _strangers(
    document: Mapping[object, object], known: Mapping[str, object], what: str
) -> Iterator[tuple[str, str]]:
    names = ", ".join(f"`{name}`" for name in known)
    for name in document:
        if name not in known:
            shown = str(name)[:_SHOWN_MAX]
            yield shown, f"{what} has no field `{shown}`; its fields are {names}"


def _must_be(field: msgspec.structs.FieldInfo) -> str:
    """Say what is allowed in a field."""
    if field.name in _MUST_BE:
        return _MUST_BE[field.name]
    return " or ".join(_allowed(field.type))


def _allowed(kind: object) -> list[str]:
    if kind in _NOT_SAID:
        return []
    if isinstance(kind, str):
        return [f'"{kind}"']
    if get_origin(kind) is Annotated:
        return _allowed(get_args(kind)[0])
    if get_args(kind):
        return [word for value in get_args(kind) for word in _allowed(value)]
    return [_TYPES.get(kind, str(kind))]


def _shown(value: object) -> str:
    """Say what stands there instead."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
