"""What a command prints: results on stdout as a table, as JSON or as bare names.

Stored text (comments, user names, artifact types) comes from others. `visible` is the gate that it
passes on its way to a terminal; JSON is plain ASCII, which escapes the same characters.

Lists are printed as they come: a table in parts of some hundred rows, JSON an entry a line.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Generic, TextIO, TypeVar

import click
import msgspec

from liftlock.oci.digest import Digest

T = TypeVar("T")
Document = msgspec.Struct | Mapping[str, Any]  # Any: JSON
"""What is printed as a JSON object."""

_TABLE_ROWS: Final = 500
"""Rows whose widths are found together; more come in further parts, at least as wide."""
_SHORT_HEX: Final = 12
_UNLIMITED_COLUMNS: Final = 1_000_000
_KIB: Final = 1024
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Control, format (which reorder or hide), surrogate, line and paragraph separators.
_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Form(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


output_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice([form.value for form in Form]),
    default=Form.TABLE.value,
    callback=lambda _ctx, _parameter, value: Form(value),
    help="Print a table, JSON, or just the names.  [default: table]",
)


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A table's column: its title, and how a row's text is got."""

    title: str
    text: Callable[[T], str]
    right: bool = False


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """How one kind of thing is printed in each form."""

    columns: tuple[Column[T], ...]
    document: Callable[[T], Document]
    name: Callable[[T], str]


def visible(text: str) -> str:
    r"""Write out what a terminal would act upon: an escape becomes the four characters `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _HARMFUL
        else character
        for character in text
    )


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line, with nothing in it that a terminal would act upon."""
    click.echo(visible(text), err=err)


def print_document(document: Document, *, err: bool = False) -> None:
    """Print one JSON object, indented."""
    click.echo(_json(document, indent=2), err=err)


def print_many(form: Form, view: View[T], things: Iterable[T]) -> None:
    """Print `things` as they come: a table, one JSON array of an entry a line, or names."""
    match form:
        case Form.TABLE:
            print_table(view.columns, things)
        case Form.JSON:
            _print_array(view.document(thing) for thing in things)
        case Form.NAME:
            for thing in things:
                print_line(view.name(thing))


def print_table(columns: Sequence[Column[T]], things: Iterable[T], *, err: bool = False) -> None:
    """Print a table; its rows are as long as they need to be."""
    rows = ([visible(column.text(thing)) for column in columns] for thing in things)
    widths = [len(column.title) for column in columns]
    header = True
    while (part := list(islice(rows, _TABLE_ROWS))) or header:
        widths = [
            max(width, *(_cells(row[at]) for row in part), 0) for at, width in enumerate(widths)
        ]
        _print_part([(c.title, c.right) for c in columns], part, widths, header=header, err=err)
        header = False


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, a line each, the values below each other."""
    pairs = [(name, visible(value)) for name, value in facts]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def is_styled(stream: TextIO) -> bool:
    """Tell whether colours and bold may go to `stream`: as was said, else if it is a terminal."""
    context = click.get_current_context(silent=True)
    said = None if context is None else context.color
    return stream.isatty() if said is None else said


def on_terminal() -> bool:
    """Tell whether a person looks at stdout."""
    return sys.stdout.isatty()


def digest_text(digest: Digest | None) -> str:
    """Shorten a digest for a terminal; a pipe gets all of it."""
    if digest is None:
        return "-"
    return f"{digest.algorithm}:{digest.hex[:_SHORT_HEX]}" if on_terminal() else str(digest)


def size_text(size: int) -> str:
    """Write a size for people on a terminal (`1.4 MiB`), in bytes for a pipe."""
    if not on_terminal() or size < _KIB:
        return str(size)
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size / _KIB**power:.1f} {_UNITS[power - 1]}"


def instant_text(at: int) -> str:
    """Write milliseconds since 1970 as RFC 3339, in UTC, to the second."""
    time = _EPOCH + timedelta(milliseconds=at)
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 manifest`, `2 manifests`."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def _json(value: Document, indent: int | None = None) -> str:
    # ASCII only, so that no escape sequence passes; DEL is the one that JSON leaves as it is.
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=True, indent=indent).replace("\x7f", "\\u007f")


def _print_array(documents: Iterator[Document]) -> None:
    first = next(documents, None)
    if first is None:
        click.echo("[]")
        return
    click.echo("[\n" + _json(first), nl=False)
    for document in documents:
        click.echo(",\n" + _json(document), nl=False)
    click.echo("\n]")


def _print_part(
    columns: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int],
    *,
    header: bool,
    err: bool,
) -> None:
    # A row that is longer than the terminal is wide goes on in the next line: folding or cutting
    # its cells would make names that cannot be read or copied. A table of rich's costs a hundred
    # times as much a row, and lists can be long.
    if header:
        is_bold = is_styled(sys.stderr if err else sys.stdout)
        titles = [(click.style(title, bold=True) if is_bold else title) for title, _ in columns]
        blanks = [width - len(title) for (title, _), width in zip(columns, widths, strict=True)]
        click.echo(_row(titles, blanks, columns), err=err)
    for row in rows:
        blanks = [width - _cells(cell) for cell, width in zip(row, widths, strict=True)]
        click.echo(_row(row, blanks, columns), err=err)


def _row(texts: Sequence[str], blanks: Sequence[int], columns: Sequence[tuple[str, bool]]) -> str:
    padded = (
        " " * blank + text if right else text + " " * blank
        for text, blank, (_, right) in zip(texts, blanks, columns, strict=True)
    )
    return "  ".join(padded).rstrip()


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - few texts need it

    return cell_len(text)
