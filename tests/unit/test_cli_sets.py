"""Set files: what is read of them, and what is refused with a reason and a place."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from liftlock.errors import NameInvalid, PromotionInvalid
from liftlock.model import ABSENT, ANYTHING, Mode, Side
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Selection, Target
from liftlock_cli import setfiles, yamlsubset
from liftlock_cli.setfiles import read_set
from liftlock_cli.yamlsubset import YamlRefusedError

SEEN = Digest.of(b"seen")
YAML = f"""\
# A release.
mode: move
comment: "Release 2: #1"
purge: true
attachments: source
items:
  - source: dev/team/app:1.10
    target: prod
    expect_source: {SEEN}
    expect_target: absent
  - {{source: dev/team/tool, target: prod/tools, tags: [1.10, 012, "true"], retag: '{{tag}}-rc'}}
"""
JSON = {
    "mode": "move",
    "comment": "Release 2: #1",
    "purge": True,
    "attachments": "source",
    "items": [
        {
            "source": "dev/team/app:1.10",
            "target": "prod",
            "expect_source": str(SEEN),
            "expect_target": "absent",
        },
        {
            "source": "dev/team/tool",
            "target": "prod/tools",
            "tags": ["1.10", "012", "true"],
            "retag": "{tag}-rc",
        },
    ],
}


@pytest.fixture
def written(tmp_path: Path):
    def write(content: str | bytes, name: str = "set.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refusal(path: Path) -> str:
    try:
        (fault,) = read_set(path).request.faults
    except PromotionInvalid as refused:
        fault = refused
    return str(fault)


@pytest.mark.parametrize("name", ["set.yaml", "set.yml", "set"])
def test_yaml_is_read(written, name):
    asked = read_set(written(YAML, name))
    request = asked.request
    assert (asked.comment, asked.dry_run, asked.plan) == ("Release 2: #1", False, None)
    assert (request.mode, request.attachments, request.purge) == (Mode.MOVE, Side.SOURCE, True)
    first, second = request.items
    assert first.source == Selection("dev", "team/app", tag="1.10")
    assert (first.expect_source, first.expect_target) == (SEEN, ABSENT)
    assert (second.target, second.retag) == (Target("prod", "tools"), "{tag}-rc")
    assert second.expect_source is ANYTHING


def test_tags_that_look_like_numbers_or_dates_stay_as_they_are_written(written):
    text = "- {source: dev/a, target: b, tags: [1.10, 012, 1e3, 2026-07-01, yes, 0x1f]}"
    (item,) = read_set(written(text)).request.items
    assert item.tags == ("1.10", "012", "1e3", "2026-07-01", "yes", "0x1f")


@pytest.mark.parametrize("null", ["null", "~"])
def test_a_null_that_is_written_is_one(written, null):
    (item,) = read_set(written(f"- {{source: dev/a, target: b, tags: {null}}}")).request.items
    assert item.tags is None


@pytest.mark.parametrize("name", ["set.json", "set", "set.txt"])
def test_json_is_the_same_as_yaml(written, name):
    assert read_set(written(json.dumps(JSON, indent="\t"), name)) == read_set(written(YAML))


def test_a_bare_list_is_the_items(written):
    items = JSON["items"]
    bare = read_set(written(json.dumps(items), "set.json"))
    assert bare == read_set(written(json.dumps({"items": items}), "other.json"))


def test_a_mark_of_the_byte_order_is_passed_over(written):
    assert read_set(written(b"\xef\xbb\xbf" + YAML.encode())) == read_set(written(YAML))


def test_stdin_is_read(monkeypatch, written):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(YAML.encode())))
    assert read_set(Path("-")) == read_set(written(YAML))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- source: dev/a:1\n  sauce: b\n  target: b", "`sauce`"),
        ("itemz: []", "`itemz`"),
        ("- just text", "item 1: The promotion is refused: an item is an object with fields"),
        ("a mapping it is not", 'object with fields, and not "a mapping it is not"'),
        ("- target: prod", "an item lacks `source`"),
        ("items: []\nmode: copy\nmode: move", "line 3: the key 'mode' is there twice"),
        ("items: [{source: a, target: b}]\ndry_run: perhaps", 'true or false, and not "perhaps"'),
        ("- {source: a, target: true}", "`target` must be text, and not true"),
        ("- &one {source: a, target: b}", "line 1: &one is an anchor"),
        ("- {source: a, target: b}\n- *one", "line 2: *one is an alias"),
        ("- {*a : b}", "line 1: *a is an alias"),
        ("- {? [a] : b}", "line 1: a key must be text"),
        ("- !!python/object/apply:os.system [ls]", "python/object/apply:os.system is an explicit"),
        ("- {source: !!str a, target: b}", "line 1: tag:yaml.org,2002:str is an explicit type"),
        ("items: []\n---\nitems: []", "line 2: a second document begins here"),
        ("- source: dev/a\n  target: b\n  tags:\n", "line 3: `tags:` has no value; leave the"),
        ("- {source: dev/a, target: b, tags: }", 'or say one (all tags are `tags: "*"`)'),
        ("items: []\ncomment:", "line 2: `comment:` has no value; leave the line out"),
        ("items: [", "set.yaml: line "),
        ("items: []\n\tmode: move", "line 2: "),
        ("a: b: c", "line 1: mapping values are not allowed"),
        ("a: \x07", "unacceptable character"),
        ("[" * 100 + "]" * 100, "line 1: it is nested more than 16 deep"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("null", "it is empty"),
    ],
)
def test_bad_yaml_is_refused_with_the_reason(written, text, told):
    assert told.lower() in refusal(written(text)).lower()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"items": [], "items": []}', "the key 'items' is there twice"),
        ('{"items": [}', "line 1 column 12"),
        ("[" * 100_000, "it is nested too deep"),
        ("[1]", "Item 1: The promotion is refused: an item is an object"),
        ('{"items": NaN}', "`items` must be a list of items"),
    ],
)
def test_bad_json_is_refused_with_the_reason(written, text, told):
    assert told in refusal(written(text, "set.json"))


def test_an_alias_bomb_is_refused_before_it_grows(written):
    lines = ['a0: &a0 ["x"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    assert "&a0 is an anchor" in refusal(written("\n".join(lines)))


def test_what_is_no_utf_8_or_too_long_is_refused(written, monkeypatch):
    assert "it is not UTF-8, at byte 7" in refusal(written(b"items: \xff"))
    assert "set.yaml: " in refusal(written(b"items: \xff"))
    monkeypatch.setattr(setfiles, "_BYTES_MAX", len(YAML) - 1)
    assert f"longer than {len(YAML) - 1} bytes" in refusal(written(YAML))
    monkeypatch.setattr(setfiles, "_BYTES_MAX", len(YAML))
    assert len(read_set(written(YAML)).request.items) == 2


def test_an_endless_file_is_not_read_to_its_end():
    assert "longer than" in refusal(Path("/dev/zero"))


def test_every_name_that_is_wrong_is_told(written):
    text = "- {source: DEV/a:1, target: prod}\n- {source: dev/a:1, target: PROD}"
    assert list(map(type, read_set(written(text)).request.faults)) == [NameInvalid, NameInvalid]


def test_both_readers_of_yaml_agree(monkeypatch):
    fast = yamlsubset.parse(YAML)
    monkeypatch.setattr(yamlsubset, "_LOADER", yamlsubset.yaml.SafeLoader)
    assert yamlsubset.parse(YAML) == fast
    with pytest.raises(YamlRefusedError, match="line 2"):
        yamlsubset.parse("a: 1\na: 2")
