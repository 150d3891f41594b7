"""docs/format.md against the code: tables, rows byte by byte, codes, bounds, rules of `check`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import pytest
from blake3 import blake3

import liftlock
from liftlock import Limits
from liftlock.metadata import keys
from liftlock.metadata.checksum import SCOPED
from liftlock.metadata.contract import Table
from liftlock.metadata.records import Action, Kind, Naming, Role
from liftlock.oci import (
    NAME_CHARACTERS_MAX,
    REGISTRY_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    Digest,
    RepositoryName,
)

# Tests are no package (importlib mode), so this folder must be named.
sys.path.append(str(Path(__file__).parent))

from disk_rows import CHECKSUM, LONG, SHORT, Drawn, rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "format.md").read_text()
BLOB_PATH = "<algorithm>/<2 hex>/<hex>.<unique>"
FIELD = re.compile(r'(key|value|) +(\d+)(\*?) +(\S.*?) {2,}("[^"]*"|"\S*|[0-9a-f]+)')


class Field(NamedTuple):
    is_key: bool
    size: int
    is_fixed: bool
    example: bytes


def sections() -> dict[str, str]:
    """The part of the page about each table, by its title."""
    parts = re.split(r"^### (`\w+`(?: °)?)$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def drawings() -> Iterator[tuple[str, list[Field]]]:
    """The drawings of rows, in order, each with the table that it is of."""
    for title, part in sections().items():
        for block in re.findall(r"^```text\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
            yield title.strip("`° "), fields(block)


def fields(block: str) -> list[Field]:
    found: list[Field] = []
    is_key = True
    # What is too long for a line goes on in the next, under itself.
    for line in re.sub(r"\n {30,}", "", block).splitlines():
        match = FIELD.fullmatch(line.strip("\n"))
        assert match, line
        where, size, star, _, shown = match.groups()
        is_key = where == "key" or (is_key and where != "value")
        example = shown[1:-1].encode() if shown[0] == '"' else bytes.fromhex(shown)
        found.append(Field(is_key, int(size), not star, example))
    return found


DRAWINGS = list(drawings())


def parts_of(row: Drawn) -> list[tuple[bool, bytes]]:
    body = (*row.body, row.row[1][-CHECKSUM:])
    return [*((True, part) for part in row.key), *((False, part) for part in body)]


def in_order() -> list[tuple[str, list[Field], Drawn, Drawn]]:
    """Each drawing with the two rows that it must fit; those of one table in their order."""
    short, long = ({t: [r for r in rows(v) if r.table is t] for t in Table} for v in (SHORT, LONG))
    return [
        (table, drawing, short[Table(table)].pop(0), long[Table(table)].pop(0))
        for table, drawing in DRAWINGS
    ]


def test_every_table_is_drawn_and_no_other() -> None:
    assert {title.strip("`° ") for title in sections()} == {str(table) for table in Table}
    assert sorted(table for table, _ in DRAWINGS) == sorted(str(row.table) for row in rows(SHORT))


def test_tables_whose_checksum_leaves_the_id_out_are_marked() -> None:
    marked = {title.strip("`° ") for title in sections() if title.endswith("°")}
    assert marked == {str(table) for table in SCOPED}


@pytest.mark.parametrize("row", [*rows(SHORT), *rows(LONG)], ids=lambda row: row.table)
def test_the_parts_of_a_row_are_the_row(row: Drawn) -> None:
    """Keys and records are put together by the code, the parts by hand."""
    key, value = row.row
    assert b"".join(row.key) == key
    assert b"".join(row.body) == value[:-CHECKSUM]


@pytest.mark.parametrize(("table", "drawing", "short", "long"), in_order())
def test_a_drawing_is_a_real_row(
    table: str, drawing: list[Field], short: Drawn, long: Drawn
) -> None:
    assert [(field.is_key, field.example) for field in drawing] == parts_of(short)
    assert [field.size for field in drawing] == [len(field.example) for field in drawing]
    same = [
        len(left) == len(right)
        for (_, left), (_, right) in zip(parts_of(short), parts_of(long), strict=True)
    ]
    assert [field.is_fixed for field in drawing] == same, "a star is where the size depends"


def codes(title: str) -> dict[int, str]:
    """A table of codes: number, and the first word that explains it."""
    table = PAGE.partition(f"| {title} | |\n")[2].partition("\n\n")[0]
    row = re.compile(r"^\| (\d+) \| ([a-z]+(?: [a-z]+)?)(?=[: ]|,| \|)", re.MULTILINE)
    return {int(code): word.replace(" ", "_").upper() for code, word in row.findall(table)}


@pytest.mark.parametrize(
    ("title", "enum"),
    [("naming", Naming), ("kind", Kind), ("action", Action), ("role", Role)],
)
def test_codes_have_their_names(title: str, enum: type[IntEnum]) -> None:
    found = codes(title)
    assert found.keys() == {member.value for member in enum}
    for member in enum:
        assert found[member.value].startswith(member.name), (title, member)


def test_bounds_of_keys_are_as_told() -> None:
    digest = Digest.of(b"", "sha512").key
    repository = NAME_CHARACTERS_MAX - len("r/")
    lengths = {
        Table.NAMES_LOG: len(keys.names_log_key(1, "n" * repository, 1)),
        Table.HOLDERS: max(
            len(keys.holder_key(1, keys.held_manifest(digest), b"t" + b"t" * TAG_CHARACTERS_MAX)),
            len(keys.holder_key(1, keys.held_blob(bytes(8), digest), keys.by_parent(1, digest))),
        ),
        Table.ITEMS: len(keys.item_key(1, 1, "t" * TAG_CHARACTERS_MAX, b"")),
        Table.REFERRERS: len(keys.referrer_key(1, digest, bytes(16), digest)),
    }
    prose = " ".join(PAGE.split())
    longest, holder = max(lengths.values()), lengths[Table.HOLDERS]
    assert f"The longest here has {longest} (`names_log`); in `holders` {holder}," in prose
    said = (
        f"a registry has at most {REGISTRY_CHARACTERS_MAX} characters, `registry/repository` "
        f"together {NAME_CHARACTERS_MAX}, and a tag {TAG_CHARACTERS_MAX}."
    )
    assert said in prose


def test_the_folder_has_what_the_page_lists(tmp_path: Path) -> None:
    root, name = tmp_path / "store", RepositoryName.parse("dev/app")
    with liftlock.open(root, create=True, limits=Limits(file_bytes_min=0)) as engine:
        engine.create_registry("dev", by="tests")
        engine.put_blob(name, Digest.of(b""), b"", by="tests")
        session = engine.start_upload(name, by="tests")
        with engine.hold_upload(name, session) as upload:
            upload.append(b"a byte")
    found = {shape(str(path.relative_to(root))) for path in root.rglob("*") if path.is_file()}
    table = PAGE.partition("| path | what it is |\n")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    listed = {path for cell in cells for path in re.findall(r"`([^`]+)`", cell)}
    assert found == listed - {"uploads/<id>.trace"}
    assert (root / "liftlock.json").read_text().strip() in PAGE
    assert len(list((root / "blobs").glob("*/*"))) == 512
    # A session's id: time, random, algorithm, ids of registry and repository, hash of the name,
    # keyed hash.
    told = bytes.fromhex(session)
    hashed = blake3(b"dev/app").digest(8)
    assert told[22:47] == b"\0" + (1).to_bytes(8, "big") + (2).to_bytes(8, "big") + hashed
    assert "hex of 63 bytes" in PAGE
    assert len(told) == 63


def shape(path: str) -> str:
    """A path with its variable parts as the page has them."""
    path = re.sub(r"sha\d+/[0-9a-f]{2}/[0-9a-f]{64}\.[0-9a-f]{32}", BLOB_PATH, path)
    return re.sub(r"^uploads/[0-9a-f]+$", "uploads/<id>", path)


def rules_of_the_page() -> set[str]:
    part = PAGE.partition("## Invariants")[2].partition("## Write order")[0]
    first = re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE)
    return {rule for cell in first for rule in re.findall(r"`([a-z-]+)`", cell)}


def rules_of_check() -> set[str]:
    """What stands where a finding's rule is said, in `check` and what it calls."""
    found: set[str] = set()
    for path in (ROOT / "engine/liftlock/check").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called in {"error", "fault", "Finding"}:
                rule = node.args[1 if called == "Finding" else 0]
                if isinstance(rule, ast.Constant):
                    found.add(str(rule.value))
                else:
                    assert isinstance(rule, ast.Name), f"{path}:{node.lineno}: a rule by its name"
    return found


def test_rules_of_check_are_the_invariants_of_the_page() -> None:
    assert rules_of_check() == rules_of_the_page()
    assert len(rules_of_check()) > 20


def test_operations_name_no_other_rules() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    table = page.partition("| finding | what to do |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table))
    assert named
    assert named <= rules_of_the_page()
