"""What can be configured: sections of keys, as frozen dataclasses declare them.

A key's type, bounds and default are its field's; its meaning is the text below the field. So file,
environment, flags and documents cannot disagree about it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from liftlock.configuring.faults import shown

VARIABLE_PREFIX: Final = "LIFTLOCK_"
BETWEEN: Final = "__"
"""Between section and key: Kubernetes makes no variable with it of a service's name."""

_SECONDS_MIN: Final = 0.001
_UNITS: Final = ("ms", "seconds", "bytes", "characters")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One thing that can be configured."""

    section: str
    name: str
    kind: Any  # Any: a type, perhaps annotated; msgspec's own parameter for it is so
    default: object
    declared: type
    """The dataclass that has it as a field."""
    most: int
    """What a number is at most, beside its own bounds."""

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def meaning(self) -> str:
        """What it is for, in sentences."""
        # When it is asked for, and not before: that takes longer than all the rest.
        return _meanings(self.declared).get(self.name, "")

    @property
    def variable(self) -> str:
        """The environment's variable for it."""
        return f"{VARIABLE_PREFIX}{self.section}{BETWEEN}{self.name}".upper()

    @property
    def type(self) -> type:
        """Its type without bounds."""
        bare: type = get_args(self.kind)[0] if get_origin(self.kind) is Annotated else self.kind
        return bare

    @property
    def unit(self) -> str | None:
        """What its number counts, where the name says it."""
        return next((unit for unit in _UNITS if unit in self.name.split("_")), None)

    @property
    def expected(self) -> str:
        """Say what a value must be."""
        noun = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
        low, high = _bounds(self.kind)
        what = noun.get(self.type, "a text")
        what += " that is not empty" if _length_min(self.kind) else ""
        if low is None:
            return what
        return f"{what}, at least {low}" if high is None else f"{what} from {low} to {high}"

    @property
    def is_between(self) -> bool:
        """Whether it has bounds on both sides."""
        return None not in _bounds(self.kind)

    def judge(self, value: object, *, is_text: bool) -> object:
        """Return `value` as this key has it; with `is_text`, it was written without a type.

        Raises:
            ValueError: it cannot be; the sentence says what must be.
        """
        kind = str if self.type is Path else self.kind
        try:
            judged = msgspec.convert(value, kind, strict=not is_text)
        except msgspec.ValidationError as error:
            raise self._refusal(value) from error
        if isinstance(judged, int | float) and not abs(judged) <= self.most:
            raise ValueError(f"`{self.name}` is at most {self.most}, and is {shown(value)}")
        if self.type is Path:
            if not judged or "\0" in judged:
                raise self._refusal(value)
            return Path(judged)
        return judged

    def _refusal(self, value: object) -> ValueError:
        return ValueError(f"`{self.name}` must be {self.expected}, and is {shown(value)}")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its name, and the dataclass that declares its keys, all with defaults."""

    name: str
    type: type
    off_at_zero: frozenset[str] = frozenset()
    """Keys that 0 switches off."""
    most: int = 2**53 - 1
    """What numbers are at most; beyond this, not every reader of JSON has them exactly."""


class Declaration:
    """All sections, and their keys by section and name."""

    def __init__(self, *sections: Section) -> None:
        """Take the sections in the order in which people read them."""
        self.sections: Mapping[str, Section] = {section.name: section for section in sections}
        self.keys: Mapping[str, Mapping[str, Key]] = {
            section.name: {key.name: key for key in _keys(section)} for section in sections
        }

    def __iter__(self) -> Iterator[Key]:
        for keys in self.keys.values():
            yield from keys.values()

    def find(self, path: str) -> Key | None:
        """Return the key that `section.key` names."""
        section, _, name = path.partition(".")
        return self.keys.get(section, {}).get(name)


def _keys(section: Section) -> Iterator[Key]:
    kinds = get_type_hints(section.type, include_extras=True)
    for field in fields(section.type):
        assert field.default is not MISSING, "what is not configured has a default"
        least = 0 if field.name in section.off_at_zero else 1
        kind = _bounded(kinds[field.name], least)
        yield Key(section.name, field.name, kind, field.default, section.type, section.most)


def _bounded(kind: Any, least: int) -> Any:  # noqa: ANN401 - types
    """Give a number without bounds the usual ones."""
    if kind is int:
        return Annotated[int, msgspec.Meta(ge=least)]
    if kind is float:
        return Annotated[float, msgspec.Meta(ge=_SECONDS_MIN)]
    return kind


def _bounds(kind: Any) -> tuple[float | None, float | None]:  # noqa: ANN401 - a type
    metas = [each for each in get_args(kind)[1:] if isinstance(each, msgspec.Meta)]
    return (metas[0].ge, metas[0].le) if metas else (None, None)


def _length_min(kind: Any) -> int:  # noqa: ANN401 - a type
    metas = [each for each in get_args(kind)[1:] if isinstance(each, msgspec.Meta)]
    return (metas[0].min_length or 0) if metas else 0


@cache
def _meanings(declared: type) -> Mapping[str, str]:
    """Return the text below each field; the interpreter does not keep it."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(declared))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found
