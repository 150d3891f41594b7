"""Completion, as a person has it: in real shells, on a terminal, with the keys pressed.

Shells that are not installed skip their tests, unless LIFTLOCK_REQUIRE_CLIENTS is set: then they
fail.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from shells import APP, ENV, OTHER, TOOL, push

import liftlock
from liftlock_cli import completing
from liftlock_cli.main import liftlock as command

SHELLS = ("bash", "zsh", "fish")
SECONDS_MAX = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the command on its path, and a store."""
    folder = tmp_path_factory.mktemp("home")
    with liftlock.open(folder / "store", create=True) as engine:
        for registry in ("dev", "development", "prod"):
            engine.create_registry(registry, by="tests")
        push(engine, "dev/team/app", APP)
        push(engine, "dev/team/app", OTHER)
        push(engine, "dev/team/tool", TOOL)
        push(engine, "dev/tool", TOOL)
    run(folder, "promote", "dev/team/app:1.2", "--to", "prod", "--comment", "Ready")
    (folder / "bin").mkdir()
    program = folder / "bin" / "liftlock"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m liftlock_cli "$@"\n')
    program.chmod(0o755)
    for shell in SHELLS:
        (folder / f"{shell}.txt").write_text(run(folder, "completion", shell))
    return folder


def run(folder: Path, *words: str) -> str:
    result = CliRunner().invoke(command, ["--root", str(folder / "store"), *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def completed(folder: Path, line: str, shell: str = "bash", **more: str) -> list[str]:
    """What the command offers for a line; the first field, the type, is left out."""
    environment = {
        "_LIFTLOCK_COMPLETE": f"{shell}_complete",
        "_LIFTLOCK_LINE": line,
        "LIFTLOCK_STORE__ROOT": str(folder / "store"),
    } | more
    result = CliRunner().invoke(command, [], prog_name="liftlock", env=environment)
    assert (result.exit_code, result.stderr) == (0, "")
    return [text.split("\t")[1] for text in result.stdout.splitlines() if text]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("liftlock sh", ["show"]),
        ("liftlock registry u", ["update"]),
        ("liftlock promote --att", ["--attachments"]),
        ("liftlock promote --attachments ", ["source", "target"]),
        ("liftlock ls -o ", ["table", "json", "name"]),
        ("liftlock registry show d", ["dev", "development"]),
        ("liftlock registry create d", []),
        ("liftlock show ", ["dev/", "development/", "prod/"]),
        ("liftlock show dev/", ["dev/team/", "dev/tool"]),
        ("liftlock show dev/team/", ["dev/team/app", "dev/team/tool"]),
        ("liftlock show dev/team/app:", ["dev/team/app:1.2", "dev/team/app:1.3"]),
        ("liftlock show dev/team/app:1.3", ["dev/team/app:1.3"]),
        ("liftlock show dev/team/app:2", []),
        ("liftlock show none/", []),
        ("liftlock show dev/none:", []),
        ("liftlock show Dev/app:", []),
        ("liftlock delete dev/tool:3.0 dev/team/t", ["dev/team/tool"]),
        ("liftlock promote dev/tool:3.0 --to p", ["prod"]),
        ("liftlock promote dev/tool:3.0 --to prod/", ["prod/team/"]),
        ("liftlock ls pro", ["prod"]),
        ("liftlock ls prod/team/", ["prod/team/app"]),
        ("liftlock rename dev/to", ["dev/tool"]),
        ("liftlock history dev/tea", ["dev/team/"]),
        ("liftlock history ver", ["verify"]),
        ("liftlock undo ", ["1"]),
        ("liftlock promotion show 2", []),
        ("liftlock --setting server.po", ["server.port="]),
    ],
)
def test_names_and_options_are_offered(folder, line, offered):
    assert completed(folder, line) == offered


def test_an_option_with_its_value_is_answered_as_the_shell_takes_it(folder):
    line = "liftlock promote dev/tool:3.0 --to=prod/t"
    assert completed(folder, line, "bash") == ["prod/team/"]
    for shell in ("zsh", "fish"):
        assert completed(folder, line, shell) == ["--to=prod/team/"]


def test_the_store_is_the_one_that_the_line_names(folder, tmp_path):
    nowhere = {"LIFTLOCK_STORE__ROOT": str(tmp_path / "none")}
    assert completed(folder, "liftlock registry show p", **nowhere) == []
    root = folder / "store"
    for words in (f"--root {root}", f"--setting store.root={root}"):
        line = f"liftlock {words} registry show p"
        assert completed(folder, line, **nowhere) == ["prod"]
    file = tmp_path / "liftlock.toml"
    file.write_text(f"[store]\nroot = '{root}'\n")
    assert completed(folder, f"liftlock --config {file} ls p", LIFTLOCK_STORE__ROOT="") == ["prod"]


@pytest.mark.parametrize("broken", ["none", "file", "configuration", "warning"])
def test_whatever_is_wrong_it_is_silent_and_makes_nothing(folder, tmp_path, broken):
    root = tmp_path / "none"
    more = {"LIFTLOCK_STORE__ROOT": str(root)}
    if broken == "file":
        root.write_text("")
    if broken == "configuration":
        more["LIFTLOCK_SERVER__PROT"] = "1"
    if broken == "warning":
        more["LIFTLOCK_ROOT"] = "x"
    assert completed(folder, "liftlock show d", **more) == []
    assert completed(folder, "liftlock -q undo ", **more) == []
    assert root.exists() == (broken == "file")


def test_more_than_can_be_looked_at_is_not_offered(folder, monkeypatch):
    """Of a list that is cut, a shell would take a beginning that is not all of them's."""
    monkeypatch.setattr(completing, "_OFFERED_MAX", 1)
    assert completed(folder, "liftlock show dev/team/app:") == []
    assert completed(folder, "liftlock show dev/team/app:1.2") == ["dev/team/app:1.2"]


NOT_STORED = {"NEW", "create NAME", "DIGEST"}
"""What names nothing that is stored already, or nothing that anybody types."""


def arguments(of: click.Command) -> Iterator[tuple[click.Command, click.Argument]]:
    for parameter in of.params:
        if isinstance(parameter, click.Argument):
            yield of, parameter
    if isinstance(of, click.Group):
        for below in of.commands.values():
            yield from arguments(below)


def test_every_argument_that_names_something_stored_is_completed():
    for of, argument in arguments(command):
        metavar = argument.make_metavar(click.Context(of))
        if {metavar, f"{of.name} {metavar}"} & NOT_STORED:
            assert argument.type is click.STRING
        else:
            assert argument.type is not click.STRING, f"{of.name} {metavar}: see completing.py"


class Terminal:
    """A shell on a terminal."""

    def __init__(self, folder: Path, shell: str) -> None:
        arguments = {
            "bash": ["bash", "--norc", "--noprofile", "-i"],
            "zsh": ["zsh", "-f", "-i"],
            "fish": ["fish", "--no-config", "--interactive"],
        }[shell]
        environment = ENV | {
            "HOME": str(folder),
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "LIFTLOCK_STORE__ROOT": str(folder / "store"),
            "TERM": "xterm",
            "COLUMNS": "200",
            "fish_features": "no-query-term",
        }
        self.id, self.screen = pty.fork()
        if self.id == 0:
            os.chdir(folder)
            os.execvpe(arguments[0], arguments, environment)
        self.shown = ""
        ready = {
            "bash": "bind 'set show-all-if-ambiguous on'; PS1='read''y> '; "
            f"source {folder}/bash.txt",
            "zsh": f"PS1='read''y> '; autoload -U compinit; compinit -u; source {folder}/zsh.txt",
            "fish": f"source {folder}/fish.txt; function fish_prompt; echo 'read''y> '; end",
        }[shell]
        self.press(f"{ready}\r")
        self.wait_for("ready> ")

    def press(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def wait_for(self, text: str) -> str:
        """Return what is shown until `text` has come."""
        while text not in self.shown:
            ready, _, _ = select.select([self.screen], [], [], SECONDS_MAX)
            assert ready, f"{text!r} did not come; there was {self.shown!r}"
            self.shown += os.read(self.screen, 65536).decode(errors="replace")
        before, _, self.shown = self.shown.partition(text)
        return before

    def close(self) -> None:
        os.kill(self.id, signal.SIGKILL)
        os.waitpid(self.id, 0)
        os.close(self.screen)


@pytest.fixture(params=SHELLS)
def terminal(folder: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    if not shutil.which(request.param):
        if os.environ.get("LIFTLOCK_REQUIRE_CLIENTS"):
            pytest.fail(f"{request.param} is missing")
        pytest.skip(f"{request.param} is not on this machine")
    terminal = Terminal(folder, request.param)
    yield terminal
    terminal.close()


def test_a_name_is_completed_over_its_slashes_and_its_colon(terminal):
    """One level after the other, without a blank between them, and then the command works."""
    terminal.press("liftlock reg\tshow pr\t -o name\r")
    terminal.wait_for("prod\r\n")
    terminal.press("liftlock show dev/tea\tap\t:1.3\t -o name\r")
    terminal.wait_for(f"dev/team/app@{OTHER.top.digest}")
    terminal.press("liftlock show dev/team/app:\t\t")
    terminal.wait_for("1.2")
    terminal.wait_for("1.3")


def test_what_comes_after_an_option_is_completed_too(terminal):
    terminal.press("liftlock promote dev/tool:3.0 --dry-run -o name --to pro\t; echo do''ne\r")
    shown = terminal.wait_for("done")
    assert "Error" not in shown
