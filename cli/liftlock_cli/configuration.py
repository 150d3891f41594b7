"""`config`: what is configured, and where from; no store is needed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from liftlock.configuring import Setting
from liftlock.configuring import example as example_of
from liftlock.documents import setting_document
from liftlock.http.configuration import DECLARATION, Configuration, configure
from liftlock_cli.opening import Settings
from liftlock_cli.output import (
    Column,
    Form,
    View,
    output_option,
    print_document,
    print_line,
    print_many,
)

_COLUMNS: Final[tuple[Column[Setting], ...]] = (
    Column("KEY", lambda setting: str(setting.key)),
    Column("VALUE", lambda setting: value_text(setting.value)),
    Column("FROM", lambda setting: str(setting.origin)),
)
_EXPLAINED: Final[tuple[Column[Setting], ...]] = (
    *_COLUMNS,
    Column("VARIABLE", lambda setting: setting.key.variable),
    Column("IS", lambda setting: setting.key.expected),
    Column("MEANING", lambda setting: " ".join(setting.key.meaning.split())),
)


@click.group()
def config() -> None:
    """Show and check the configuration; no store is needed."""


@config.command()
@click.option("--explain", is_flag=True, help="Also what each key means, and its variable.")
@click.option("--changed", is_flag=True, help="Only keys that are not at their defaults.")
@output_option
@click.pass_obj
def show(settings: Settings, *, explain: bool, changed: bool, form: Form) -> None:
    """Show every key, its value, and where that comes from.

    Flags are stronger than the environment, which is stronger than the file. Variables that begin
    with LIFTLOCK_ and that nobody reads are told on stderr.
    """
    configured = settings.configuration
    columns = _EXPLAINED if explain else _COLUMNS
    view = View(columns, setting_document, lambda setting: str(setting.key))
    shown = [one for one in configured.settings if not changed or one.origin.name]
    print_many(form, view, shown)
    if not settings.quiet:
        _tell_notes(configured)


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@output_option
@click.pass_obj
def check(settings: Settings, *, file: Path | None, form: Form) -> None:
    """Judge FILE by itself; without it, what a command would be configured with.

    All that is wrong is told at once, with its line and what it must be. Exit code 2 if anything
    is.
    """
    configured = configure({}, file=file) if file else settings.configuration
    given = sum(1 for setting in configured.settings if setting.origin.name)
    name = str(configured.file) if configured.file else None
    match form:
        case Form.TABLE:
            print_line(f"{name or 'no file'}: nothing is wrong; keys that are set: {given}")
        case Form.JSON:
            print_document({"file": name, "keys_set": given})
        case Form.NAME:
            if name:
                print_line(name)


@config.command()
def example() -> None:
    """Print a file with every key at its default, commented out, and what it means."""
    click.echo(example_of(DECLARATION), nl=False)


def value_text(value: object) -> str:
    """Write a value as it is given in the environment and with flags."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tell_notes(configured: Configuration) -> None:
    for stray in configured.strays:
        if stray.meant is None:  # those that mean something were told when they were read
            print_line(f"Note: {stray}.", err=True)
