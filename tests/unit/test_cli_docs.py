"""The reference says what the commands say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from liftlock_cli.errors import EXIT_CODES
from liftlock_cli.main import liftlock

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner
            yield from commands(inner, settled(inner, name, context))


def settled(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    # 80 columns, wherever the tests run.
    return click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=80,
        max_content_width=80,
        **command.context_settings,
    )


HELP = dict(commands(liftlock, settled(liftlock, "liftlock", None)))


def section(path: str) -> str:
    return f"### `{path}`\n\n```text\n{HELP[path]}\n```\n"


@pytest.mark.parametrize("path", HELP)
def test_the_reference_has_the_help_of_every_command(path):
    assert section(path) in REFERENCE.read_text(), f"docs/cli.md must have:\n\n{section(path)}"


def test_the_reference_has_no_other_command():
    titles = [line for line in REFERENCE.read_text().splitlines() if line.startswith("### ")]
    assert titles == [f"### `{path}`" for path in HELP]


@pytest.mark.parametrize("path", HELP)
def test_every_parameter_is_explained(path):
    command: click.Command = liftlock
    for name in path.split()[1:]:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name


def test_the_reference_has_every_exit_code():
    text = REFERENCE.read_text()
    for family, code in EXIT_CODES.items():
        assert f"| {code} | `{family.__name__}` |" in text


def test_the_reference_has_the_exit_codes_that_the_help_tells():
    text = REFERENCE.read_text()
    told = re.findall(r"^    (\d+)  ", HELP["liftlock"], re.MULTILINE)
    assert len(told) >= len(EXIT_CODES)
    for code in told:
        assert f"\n| {code} | " in text
