"""What embedders may rely on is listed, typed and documented."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

from liftlock import errors

# Tests are no package (importlib mode), so this folder must be named.
sys.path.append(str(Path(__file__).parent))

from public_api import LISTING, Public, homes_of, listing, load, members, type_of

ROOT = Path(__file__).parents[2]
PARAMETERS_MAX = 4
"""A callable with more parameters says of each what it is."""
CLAUSE = re.compile(
    r"distribution-spec, (end-\d|\")|image-spec, \w|RFC \d+, section \d|distribution \(CNCF\), \""
)


@pytest.fixture(scope="module")
def public() -> Public:
    return load()


def callables(public: Public) -> Iterator[tuple[str, griffe.Function]]:
    for path, function in described(public):
        if isinstance(function, griffe.Function):
            yield path, function


def described(public: Public) -> Iterator[tuple[str, griffe.Object]]:
    """Everything public, members included, each once."""
    homes = homes_of(public)
    for path, names in public.items():
        for name, thing in names.items():
            if homes[thing.path] != f"{path}.{name}":
                continue
            yield f"{path}.{name}", thing
            if isinstance(thing, griffe.Class):
                for each, member in members(thing, homes):
                    yield f"{path}.{name}.{each}", member


def sections(function: griffe.Function, kind: str) -> list[griffe.DocstringSection]:
    found = function.docstring.parsed if function.docstring else []
    return [section for section in found if section.kind.value == kind]


def raised(function: griffe.Function) -> set[str]:
    """The error classes that a docstring names."""
    return {
        name
        for section in sections(function, "raises")
        for entry in section.value
        for name in re.findall(r"\w+", str(entry.annotation))
    }


def is_made_by_dataclass(name: str, function: griffe.Function) -> bool:
    return name.endswith("__init__") and function.docstring is None


def test_it_is_what_the_listing_says() -> None:
    """What changes here breaks others: `make api` writes the listing, and CHANGELOG.md says why."""
    assert listing() == LISTING.read_text(), "if it is meant: make api"


def test_every_signature_is_typed(public: Public) -> None:
    untyped = [
        path
        for path, function in callables(public)
        if (function.returns is None and not path.endswith("__init__"))
        or any(
            parameter.annotation is None
            for parameter in function.parameters
            if parameter.name not in {"self", "cls"}
        )
    ]
    assert untyped == []


def test_every_attribute_is_typed(public: Public) -> None:
    untyped = [
        path
        for path, thing in described(public)
        if isinstance(thing, griffe.Attribute)
        and not type_of(thing)
        and not is_alias_or_member(thing)
    ]
    assert untyped == []


def is_alias_or_member(attribute: griffe.Attribute) -> bool:
    """Whether it is a name for a type, or a member of an enumeration, whose type is known."""
    parent = attribute.parent
    if isinstance(parent, griffe.Class):
        return any("Enum" in str(base) for base in parent.bases)
    return attribute.docstring is not None


def test_every_callable_and_class_is_documented(public: Public) -> None:
    silent = [
        path
        for path, thing in described(public)
        if isinstance(thing, griffe.Class | griffe.Function)
        and thing.docstring is None
        and not path.endswith(("__init__", "__enter__", "__exit__", "__call__"))
    ]
    assert silent == []


def test_every_number_says_what_it_counts(public: Public) -> None:
    """Bytes, milliseconds, rows: in a docstring of its own, or in its name."""
    unit = re.compile(r"_(?:max|ms|bytes|MAX|MS)(?:_|$)|^(?:KIB|MIB|TIB)$|_(?:MS|ms)$")
    bare = [
        path
        for path, thing in described(public)
        if isinstance(thing, griffe.Attribute)
        and re.search(r"\bint\b", type_of(thing))
        and thing.docstring is None
        and not unit.search(path.rpartition(".")[2])
        and not path.startswith("liftlock.errors.")
    ]
    assert not bare, bare


def test_what_takes_much_says_of_each_what_it_is(public: Public) -> None:
    lacking = []
    for path, function in callables(public):
        if is_made_by_dataclass(path, function) or path.endswith("__exit__"):
            continue
        wanted = [p.name for p in function.parameters if p.name not in {"self", "cls"}]
        found = [
            entry.name for section in sections(function, "parameters") for entry in section.value
        ]
        if found not in ([], wanted) or (found == [] and len(wanted) > PARAMETERS_MAX):
            lacking.append((path, wanted, found))
    assert not lacking, lacking


def test_errors_that_are_named_exist(public: Public) -> None:
    unknown = [
        (path, name)
        for path, function in callables(public)
        for name in raised(function)
        if not hasattr(errors, name) and not hasattr(builtins, name)
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("parameter", "error"), [("by", "TextInvalid"), ("limit", "PageInvalid"), ("name", "Unknown")]
)
def test_what_a_parameter_can_be_refused_for_is_named(
    public: Public, parameter: str, error: str
) -> None:
    """`promote` is `promote_all` of one item, and finishing many uploads raises nothing."""
    silent = [
        path
        for path, function in callables(public)
        if parameter in [each.name for each in function.parameters]
        and path.startswith("liftlock.Engine.")
        and not any(error in name for name in raised(function))
        and "LiftlockError" not in raised(function)
        and not (error == "Unknown" and path.endswith("create_registry"))
    ]
    assert silent == []


def test_sources_are_clauses_of_the_specifications(public: Public) -> None:
    sources = [
        (path, line.strip())
        for path, function in callables(public)
        if function.docstring
        for line in function.docstring.value.splitlines()
        if line.strip().startswith("Source:")
    ]
    assert [each for each in sources if not CLAUSE.search(each[1])] == []
    cited = {clause for _, line in sources for clause in re.findall(r"end-\d+[abc]?", line)}
    assert cited >= {
        *("end-2", "end-3", "end-4a", "end-4c", "end-5", "end-6", "end-7a", "end-7b"),
        *("end-8a", "end-8b", "end-9", "end-10", "end-11", "end-12a", "end-12b", "end-13"),
        "end-14",
    }


def test_an_embedder_s_program_type_checks(tmp_path: Path) -> None:
    """tests/typing/embedder.py, and the registry of docs/embedding.md."""
    pytest.importorskip("mypy", reason="mypy belongs to the lint tools")
    page = (ROOT / "docs" / "embedding.md").read_text()
    program = tmp_path / "registry.py"
    program.write_text(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0])
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [*command, "tests/typing/embedder.py", str(program)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
