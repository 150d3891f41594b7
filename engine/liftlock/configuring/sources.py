"""Where values come from: a TOML file, the environment, flags; each with its name for a fault."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from liftlock.configuring.declaration import BETWEEN, VARIABLE_PREFIX, Declaration, Key
from liftlock.configuring.faults import Fault, nearest, shown

_FILE_BYTES_MAX: Final = 64 * 1024
"""Eight times a file with every key and its meaning; long dotted keys take the square of it."""
_FAULTS_MAX: Final = 100
"""Of what a file has and should not; who has as much has given another file."""
_LISTED_MAX: Final = 8
_CLOSE_VARIABLE: Final = 0.8
"""How much of a variable's name must be right: all of them begin alike."""
Flags = Mapping[str, tuple[str, str]]
"""By `section.key`: the text that was given, and the flag that it was given with."""


class Source(StrEnum):
    """What a value comes from, the weakest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value comes from."""

    source: Source
    name: str
    """The file, variable or flag; empty for a default."""

    def __str__(self) -> str:
        return self.name or self.source.value


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A value that was given for a key, not judged yet."""

    key: Key
    value: object
    origin: Origin
    where: str
    """As the origin's name; of a file, with the line where it is known."""


def from_file(declared: Declaration, file: Path, faults: list[Fault]) -> Iterator[Given]:
    """Yield what a TOML file gives, and add what is wrong with its form."""
    text = _text_of(file, faults)
    document = _parsed(file, text, faults)
    origin = Origin(Source.FILE, str(file))
    for section, values in document.items():
        if len(faults) >= _FAULTS_MAX:
            break
        keys = declared.keys.get(section)
        where = _place(file, text, section)
        if not isinstance(values, dict):
            faults.append(Fault(_place(file, text, None, section), _outside(declared, section)))
        elif keys is None:
            faults.append(
                Fault(where, f"there is no section [{section}]{_meant(declared, section)}")
            )
        else:
            for name, value in values.items():
                if len(faults) >= _FAULTS_MAX:
                    break
                where = _place(file, text, section, name)
                if name in keys:
                    yield Given(keys[name], value, origin, where)
                else:
                    faults.append(Fault(where, _unknown(declared, section, name)))
    if len(faults) >= _FAULTS_MAX:
        faults.append(Fault(str(file), "it has more of that; is it Liftlock's configuration?"))


def from_environment(
    declared: Declaration, environment: Mapping[str, str], faults: list[Fault]
) -> Iterator[Given]:
    """Yield what variables give; an empty one gives nothing. Add those that look like ours."""
    known = {key.variable: key for key in declared}
    for name, text in environment.items():
        if not name.startswith(VARIABLE_PREFIX) or BETWEEN not in name:
            continue
        if key := known.get(name):
            if text:
                yield Given(key, text, Origin(Source.ENVIRONMENT, name), name)
        else:
            near = nearest(name, known, cutoff=_CLOSE_VARIABLE)
            hint = f"; did you mean {near}?" if near else ". `liftlock config example` lists all"
            faults.append(Fault(name, f"no key has this variable{hint}"))


def from_flags(declared: Declaration, flags: Flags, faults: list[Fault]) -> Iterator[Given]:
    """Yield what flags give."""
    for path, (text, flag) in flags.items():
        if key := declared.find(path):
            yield Given(key, text, Origin(Source.FLAG, flag), flag)
            continue
        section, _, name = path.partition(".")
        if section in declared.keys:
            faults.append(Fault(flag, _unknown(declared, section, name)))
        else:
            near = nearest(path, map(str, declared))
            hint = f"did you mean `{near}`?" if near else "`liftlock config example` lists all"
            faults.append(Fault(flag, f"there is no key {shown(path)}; {hint}"))


def _text_of(file: Path, faults: list[Fault]) -> str:
    """Return a file's text; if it cannot be read, add why and return nothing."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        faults.append(Fault(str(file), f"it cannot be read: {why}"))
        return ""
    if len(content) > _FILE_BYTES_MAX:
        faults.append(Fault(str(file), f"it has more than {_FILE_BYTES_MAX} bytes"))
        return ""
    try:
        return content.decode("utf-8-sig")  # some editors put a mark before it
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        faults.append(Fault(f"{file}:{line}", "this is not UTF-8, which TOML must be"))
        return ""


def _parsed(file: Path, text: str, faults: list[Fault]) -> Mapping[str, object]:
    """Return what TOML says; if it is none, add why and return nothing."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(Fault(str(file), f"this is not TOML: {error}"))
    except RecursionError:
        faults.append(Fault(str(file), "this is nested too deeply to be a configuration"))
    return {}


def _place(file: Path, text: str, section: str | None, name: str | None = None) -> str:
    """Name a file with the line of a section or key, if it is written in the usual way."""
    current: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*[\"']?([^\]\"']+?)[\"']?\s*\]", line):
            current = header[1]
            is_it = name is None and current == section
        else:
            key = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*[=.]", line)
            is_it = bool(key) and key is not None and (current, key[1]) == (section, name)
        if is_it:
            return f"{file}:{number}"
    return str(file)


def _outside(declared: Declaration, name: str) -> str:
    if name in declared.sections:
        return f"`{name}` is a section: write [{name}], and its keys below"
    return f"`{name}` stands in no section{_elsewhere(declared, name) or _meant(declared, name)}"


def _unknown(declared: Declaration, section: str, name: str) -> str:
    near = nearest(name, declared.keys[section])
    hint = f"; did you mean `{near}`?" if near else _elsewhere(declared, name)
    return f"[{section}] has no key `{name}`{hint or _all_of(declared.keys[section])}"


def _meant(declared: Declaration, section: str) -> str:
    near = nearest(section, declared.sections)
    return f"; did you mean [{near}]?" if near else _all_of(declared.sections)


def _all_of(known: Collection[str]) -> str:
    if len(known) > _LISTED_MAX:
        return "; `liftlock config example` lists all"
    return "; there are " + ", ".join(known)


def _elsewhere(declared: Declaration, name: str) -> str:
    places = [f"[{section}]" for section, keys in declared.keys.items() if name in keys]
    return f"; did you mean `{name}` in {' or '.join(places)}?" if places else ""
