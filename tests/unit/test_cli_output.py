"""What commands print, and what never reaches a terminal."""

from __future__ import annotations

import json
import sys

import pytest

from liftlock.documents import instant
from liftlock.oci.digest import Digest
from liftlock_cli import output
from liftlock_cli.output import Column, Form, View

VIEW = View(
    (
        Column("NAME", lambda pair: pair[0]),
        Column("COUNT", lambda pair: str(pair[1]), right=True),
    ),
    lambda pair: {"name": pair[0], "count": pair[1]},
    lambda pair: pair[0],
)
HARMFUL = "a\x1b[2J\x07\x9b0m\r\n\tb\x7f\u202ec\u2066d\u200be\u2028f\ud800"


@pytest.mark.parametrize("text", ["", "plain", "Zürich: 你好 🚢", "a b-c"])
def test_harmless_text_is_visible_as_it_is(text):
    assert output.visible(text) == text


def test_nothing_that_a_terminal_acts_upon_is_left():
    shown = output.visible(HARMFUL)
    assert shown.isprintable()
    assert shown == (r"a\x1b[2J\x07\x9b0m\r\n\tb\x7f\u202ec\u2066d\u200be\u2028f\ud800")


@pytest.mark.parametrize("form", Form)
def test_every_form_is_free_of_control_characters(form, capsys):
    output.print_many(form, VIEW, [(HARMFUL, 1)])
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def test_json_gives_back_the_very_text(capsys):
    output.print_many(Form.JSON, VIEW, [(HARMFUL, 1), ("b", 2)])
    assert json.loads(capsys.readouterr().out) == [
        {"name": HARMFUL, "count": 1},
        {"name": "b", "count": 2},
    ]


def test_json_has_an_entry_a_line(capsys):
    output.print_many(Form.JSON, VIEW, [("a", 1), ("b", 2)])
    assert capsys.readouterr().out == (
        '[\n{"name": "a", "count": 1},\n{"name": "b", "count": 2}\n]\n'
    )


@pytest.mark.parametrize(("form", "text"), [(Form.JSON, "[]\n"), (Form.NAME, "")])
def test_nothing_is_an_empty_list(form, text, capsys):
    output.print_many(form, VIEW, [])
    assert capsys.readouterr().out == text


def test_an_empty_table_has_its_titles(capsys):
    output.print_many(Form.TABLE, VIEW, [])
    assert capsys.readouterr().out.split() == ["NAME", "COUNT"]


def test_a_piped_table_is_aligned_and_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    long = "x" * 500
    output.print_many(Form.TABLE, VIEW, [("a", 1), (long, 12345)])
    title, first, second = capsys.readouterr().out.splitlines()
    assert second.split() == [long, "12345"]
    assert title.index("COUNT") + len("COUNT") == len(first) == len(second)


def test_a_long_table_is_printed_in_parts_under_one_title(capsys):
    count = output._TABLE_ROWS + 7
    output.print_many(Form.TABLE, VIEW, [("name", number) for number in range(count)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + count
    assert sum("NAME" in line for line in lines) == 1
    assert [line.split()[1] for line in lines[1:]] == [str(number) for number in range(count)]


def test_rows_are_printed_before_the_last_one_is_known(capsys):
    def rows():
        for number in range(output._TABLE_ROWS):
            yield "name", number
        assert "name" in capsys.readouterr().out
        yield "late", 0

    output.print_many(Form.TABLE, VIEW, rows())
    assert "late" in capsys.readouterr().out


def test_wide_characters_are_aligned_also_in_later_parts(capsys, monkeypatch):
    monkeypatch.setattr(output, "_TABLE_ROWS", 1)
    output.print_many(Form.TABLE, VIEW, [("你好你好", 1), ("a", 2)])
    title, wide, narrow = capsys.readouterr().out.splitlines()
    assert wide == "你好你好      1"
    assert title == "NAME      COUNT"
    assert narrow == "a             2"


def test_a_row_costs_few_calls(capsys):
    """A hundred thousand tags are a second's work, and were twelve seconds'."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    rows = [(f"v{number}", number) for number in range(1000)]
    output.print_many(Form.TABLE, VIEW, rows)  # what is imported is imported
    sys.setprofile(count)
    try:
        output.print_many(Form.TABLE, VIEW, rows)
    finally:
        sys.setprofile(None)
    assert len(capsys.readouterr().out.splitlines()) == 2002
    assert calls < 60 * len(rows)


def test_markup_in_a_cell_is_text(capsys):
    output.print_many(Form.TABLE, VIEW, [("[bold red]x[/] :ship:", 1)])
    assert "[bold red]x[/] :ship:" in capsys.readouterr().out


def test_a_pipe_gets_whole_digests_and_bytes(monkeypatch):
    digest = Digest.of(b"")
    assert output.digest_text(digest) == str(digest)
    assert output.size_text(5 * 1024**2) == str(5 * 1024**2)
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    assert output.digest_text(digest) == "sha256:e3b0c44298fc"
    assert output.size_text(5 * 1024**2) == "5.0 MiB"
    assert output.digest_text(None) == "-"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1024.0 KiB"),
        (1024**2, "1.0 MiB"),
        (3 * 1024**4, "3.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes_are_written_for_people(size, text, monkeypatch):
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    assert output.size_text(size) == text


def test_instants_are_rfc_3339_in_utc():
    assert instant(0) == "1970-01-01T00:00:00.000Z"
    assert instant(1_782_907_200_123) == "2026-07-01T12:00:00.123Z"
    assert output.instant_text(1_782_907_200_123) == "2026-07-01T12:00:00Z"


def test_counts_agree_with_their_nouns():
    assert output.count_text(1, "tag") == "1 tag"
    assert output.count_text(0, "tag") == "0 tags"
    assert output.count_text(2, "entry", "entries") == "2 entries"
