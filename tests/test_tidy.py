"""The repository's form. Exceptions are listed with their size of today, and may only shrink."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LINES_MAX = 250
LONG_MODULES: dict[str, int] = {}
"""Modules of the engine and the CLI with more, and how many they have."""

FUNCTION_LINES_MAX = 60
LONG_FUNCTIONS: dict[str, int] = {}

TOP_LEVEL = {
    ".ci",
    ".editorconfig",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "cli",
    "docs",
    "engine",
    "pyproject.toml",
    "tests",
    "uv.lock",
}

BAD_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "service", "handler"}

# Put together, so that this file does not contain them.
UNFINISHED = re.compile(
    r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b(.*)"
)
PACKAGE_HOSTS = re.compile(
    "|".join(["pypi\\." + "org", "python" + "hosted", "crates\\." + "io", "npm" + "js"]),
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(
    "|".join(["/wor" + "k/", "/r" + "oot/", "/ho" + "me/[a-z]", "/tm" + "p/[a-z]"])
)
ISSUE_NUMBERS = re.compile(
    r"\b(?:issue|bug|PR|pull request) ?#?\d+\b|[\w-]+/[\w-]+#\d+", re.IGNORECASE
)
WORKPLACE = re.compile(
    r"\b(?:" + "|".join(["assist" + "ant", "chat" + "bot", "this ses" + "sion"]) + r")\b",
    re.IGNORECASE,
)


def files() -> list[Path]:
    """What git knows, or will if it is asked to add everything."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git work tree")
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of everything that people wrote."""
    for path in files():
        name = str(path.relative_to(ROOT))
        if path.suffix in {".zdict", ".lock", ".svg"} or "/corpus/" in name:
            continue
        yield name, path.read_text()


def modules(*folders: str) -> Iterator[tuple[str, str]]:
    for name, text in texts():
        if name.endswith(".py") and name.startswith(folders):
            yield name, text


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {match[0]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def test_modules_stay_short() -> None:
    long = {
        name: text.count("\n")
        for name, text in modules("engine/", "cli/")
        if text.count("\n") > LINES_MAX and "/testing/" not in name
    }
    grown = {name: n for name, n in long.items() if n > LONG_MODULES.get(name, LINES_MAX)}
    assert grown == {}, "split them, each along an idea of its own"
    assert LONG_MODULES.keys() <= long.keys(), "these are short now: take them off the list"


def test_functions_stay_short() -> None:
    long: dict[str, int] = {}
    for name, text in modules("engine/", "cli/"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{name}:{node.name}"] = lines
    grown = {
        name: n for name, n in long.items() if n > LONG_FUNCTIONS.get(name, FUNCTION_LINES_MAX)
    }
    assert grown == {}
    assert LONG_FUNCTIONS.keys() <= long.keys(), "these are short now: take them off the list"


def test_no_module_is_named_for_nothing() -> None:
    assert [name for name, _ in modules("") if Path(name).stem in BAD_NAMES] == []


def test_every_module_begins_with_its_idea() -> None:
    without = [
        name
        for name, text in modules("engine/", "cli/", "benchmarks/")
        if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert without == []


def test_what_is_unfinished_says_why() -> None:
    """A mark needs a reason of some words behind it."""
    bare = [
        f"{name}:{number}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        for match in UNFINISHED.finditer(line)
        if len(match[1].split()) < 4
    ]
    assert bare == []


@pytest.mark.parametrize(
    "pattern", [PACKAGE_HOSTS, MACHINE_PATHS, WORKPLACE], ids=["hosts", "paths", "people"]
)
def test_nothing_of_the_workplace_is_in_the_project(pattern: re.Pattern[str]) -> None:
    assert found(pattern) == []


def test_no_issue_of_some_tracker_is_named_by_number() -> None:
    assert found(ISSUE_NUMBERS) == []


def test_nothing_stray_lies_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} - TOP_LEVEL == set()


def test_text_is_tidy() -> None:
    """No tabs or blanks at line ends, one newline at the end, no carriage returns."""
    untidy = [
        name
        for name, text in texts()
        if text
        and (
            not text.endswith("\n")
            or text.endswith("\n\n")
            or re.search(r"[ \t]$|\r", text, re.MULTILINE)
        )
    ]
    assert untidy == []


def test_tests_do_not_sleep() -> None:
    """A test that sleeps is slow or flaky; what waits for a process says so by its name."""
    sleeping = [
        name
        for name, text in modules(
            "tests/unit", "tests/contracts", "tests/property", "tests/stateful"
        )
        if re.search(r"\bsleep\(", text)
    ]
    assert sleeping == []


def test_suppressed_warnings_say_which() -> None:
    """A bare noqa or type-ignore hides more than was meant."""
    bare = re.compile(r"# (?:no" + r"qa(?!: [A-Z])|type: ignore(?!\[))")
    assert found(bare) == []
