"""Reading a configuration: the strongest source of each key counts, and all faults are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from liftlock.configuring.declaration import Declaration, Key, Section
from liftlock.configuring.faults import ConfigurationInvalid, Fault
from liftlock.configuring.sources import (
    Flags,
    Given,
    Origin,
    Source,
    from_environment,
    from_file,
    from_flags,
)

DEFAULT: Final = Origin(Source.DEFAULT, "")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key with the value that counts, and where that comes from."""

    key: Key
    value: object
    origin: Origin


@dataclass(frozen=True, slots=True)
class Reading:
    """A configuration without faults."""

    settings: tuple[Setting, ...]
    """Every key, in the order of the declaration."""
    sections: Mapping[str, object]
    """By name, each of the type that declares it."""
    file: Path | None
    """What was read; None if there was no file."""


def read(
    declared: Declaration,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Flags | None = None,
) -> Reading:
    """Return what counts of a file, the environment and flags, which are stronger in this order.

    A relative path in the file is taken from the file's folder.

    Raises:
        ConfigurationInvalid: something cannot be, also if something stronger takes its place.
    """
    faults: list[Fault] = []
    given: list[Given] = []
    if file is not None:
        given += (_from_folder(one, file) for one in from_file(declared, file, faults))
    given += from_environment(declared, environment or {}, faults)
    given += from_flags(declared, flags or {}, faults)
    judged = list(_judged(given, faults))
    sections = dict(_sections(declared, dict(judged), faults))
    if faults:
        raise ConfigurationInvalid(faults)
    defaults = {key: Setting(key, key.default, DEFAULT) for key in declared}
    counting = defaults | {one.key: Setting(one.key, value, one.origin) for one, value in judged}
    return Reading(tuple(counting.values()), sections, file)


def _from_folder(given: Given, file: Path) -> Given:
    if given.key.type is Path and isinstance(given.value, str) and given.value:
        anchored = str(file.absolute().parent / given.value)
        return Given(given.key, anchored, given.origin, given.where)
    return given


def _judged(given: Iterable[Given], faults: list[Fault]) -> Iterator[tuple[Given, object]]:
    for one in given:
        is_text = one.origin.source is not Source.FILE
        try:
            yield one, one.key.judge(one.value, is_text=is_text)
        except ValueError as error:
            faults.append(Fault(one.where, str(error)))


def _sections(
    declared: Declaration, judged: Mapping[Given, object], faults: list[Fault]
) -> Iterator[tuple[str, object]]:
    """Make the sections; what one refuses is blamed on a value without which it would not."""
    for name, section in declared.sections.items():
        mine = {one: value for one, value in judged.items() if one.key.section == name}
        try:
            yield name, _made(section, mine)
        except ValueError as error:
            faults.append(Fault(_culprit(section, mine) or f"[{name}]", str(error)))


def _made(section: Section, given: Mapping[Given, object]) -> object:
    return section.type(**{one.key.name: value for one, value in given.items()})


def _culprit(section: Section, given: Mapping[Given, object]) -> str | None:
    """Return where a value stands that cannot be by itself, or not beside the others."""
    for suspect in reversed(list(given)):
        if not _can_be(section, {suspect: given[suspect]}):
            return suspect.where
    for suspect in reversed(list(given)):
        if _can_be(section, {one: value for one, value in given.items() if one is not suspect}):
            return suspect.where
    return None


def _can_be(section: Section, given: Mapping[Given, object]) -> bool:
    try:
        _made(section, given)
    except ValueError:
        return False
    return True
