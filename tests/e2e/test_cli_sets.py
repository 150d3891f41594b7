"""Promotions of more than one image, from files and by what they are called, as processes."""

from __future__ import annotations

import json

import pytest
from shells import APP, OTHER, TOOL

import liftlock
from liftlock.metadata import keys
from liftlock.metadata.contract import Table

SET = """\
comment: Release 7
items:
  - {source: dev/team/app:1.10, target: prod, expect_target: absent}
  - {source: dev/team/app:1.3, target: prod/web}
  - source: dev/team/tool
    target: prod
    tags: "3.*"
    retag: "{tag}-rc"
"""


def test_a_set_is_one_promotion_and_one_undo_takes_it_back(shell, tmp_path):
    file = tmp_path / "release.yaml"
    file.write_text(SET)
    before = shell.tags("dev")
    document = shell.json("promote", "--set", str(file))
    assert (document["id"], document["comment"]) == (1, "Release 7")
    assert {(item["source"], item["target"], item["action"]) for item in document["items"]} == {
        ("dev/team/app:1.10", "prod/team/app:1.10", "create"),
        ("dev/team/app:1.3", "prod/web:1.3", "create"),
        ("dev/team/tool:3.0", "prod/team/tool:3.0-rc", "create"),
    }
    assert shell.tags("prod") == {
        "prod/team/app:1.10": str(APP.top.digest),
        "prod/web:1.3": str(OTHER.top.digest),
        "prod/team/tool:3.0-rc": str(TOOL.top.digest),
    }
    assert shell.tags("dev") == before
    for name in shell.tags("prod"):
        (entry,) = shell.json("history", name)
        assert (entry["promotion"], entry["comment"]) == (1, "Release 7")
    undone = shell.json("undo", "1")
    assert undone["undoes"] == 1
    assert shell.tags("prod") == {}
    assert shell.tags("dev") == before


def test_a_set_of_which_one_item_is_refused_changes_nothing_and_every_refusal_is_told(shell):
    items = (
        "- {source: dev/team/app:1.2, target: prod}\n"
        "- {source: dev/team/app:9, target: prod}\n"
        "- {source: dev/team/none:1, target: prod}\n"
    )
    said = shell.fails(3, "promote", "--set", "-", stdin=items)
    assert len(said.splitlines()) == 2
    assert "dev/team/app has no manifest 9" in said
    assert "dev/team/none" in said
    assert shell.tags("prod") == {}
    assert shell.names("promotion", "list") == []


def test_the_same_set_again_is_unchanged(shell, tmp_path):
    file = tmp_path / "release.json"
    items = [{"source": f"dev/team/app:{tag}", "target": "prod"} for tag in ("1.2", "1.3")]
    file.write_text(json.dumps(items))
    assert shell.json("promote", "--set", str(file))["changed"] is True
    again = shell.json("promote", "--set", str(file))
    assert again["changed"] is False
    assert [item["action"] for item in again["items"]] == ["unchanged", "unchanged"]
    assert shell.names("promotion", "list") == ["1"]


def test_a_key_makes_the_same_call_answer_as_at_first_and_refuses_another(shell):
    promote = ("promote", "dev/team/app:1.2", "--to", "prod", "--key", "release-7")
    first = shell.json(*promote)
    assert shell.json(*promote) == first
    said = shell.fails(2, "promote", "dev/team/app:1.3", "--to", "prod", "--key", "release-7")
    assert "'release-7'" in said
    assert shell.names("ls", "prod/team/app") == ["prod/team/app:1.2"]


@pytest.mark.parametrize(
    ("options", "tags"),
    [
        (("--tags", "1.*"), {"1.10", "1.2", "1.3"}),
        (("--tags", "1.?"), {"1.2", "1.3"}),
        (("--tags", "1.10,latest"), {"1.10", "latest"}),
        (("--tags", "latest"), {"latest"}),
        (("--all-tags",), {"1.10", "1.2", "1.3", "latest"}),
        (("--repository",), {"1.10", "1.2", "1.3", "latest"}),
        (("--tags", "1.*", "--retag", "{tag}-rc"), {"1.10-rc", "1.2-rc", "1.3-rc"}),
    ],
)
def test_tags_are_chosen_by_glob_by_name_or_all(shell, options, tags):
    shell.out("promote", "dev/team/app", *options, "--to", "prod")
    assert set(shell.tags("prod")) == {f"prod/team/app:{tag}" for tag in tags}


def test_a_tag_by_name_that_is_not_there_is_not_found(shell):
    assert "1.9" in shell.fails(3, "promote", "dev/team/app", "--tags", "1.2,1.9", "--to", "prod")
    assert shell.tags("prod") == {}


@pytest.mark.parametrize("source", ["dev", "dev/**", "dev/team/**"])
def test_all_repositories_of_a_path_or_registry_go(shell, source):
    shell.out("promote", source, "--all-tags", "--to", "prod")
    here = {name.replace("dev/", "prod/", 1): at for name, at in shell.tags("dev").items()}
    assert shell.tags("prod") == here


def test_several_items_are_a_table(shell):
    head, title, *rows = shell.out(
        "promote", "dev/team/app", "--tags", "1.2,1.3", "--to", "prod"
    ).splitlines()
    assert head.startswith("promotion 1: 2 items; ")
    assert title.split()[:3] == ["SOURCE", "TARGET", "ACTION"]
    assert {tuple(row.split()[:3]) for row in rows} == {
        ("dev/team/app:1.2", "prod/team/app:1.2", "create"),
        ("dev/team/app:1.3", "prod/team/app:1.3", "create"),
    }


@pytest.mark.parametrize("options", [("--all-tags",), ("--tags", "1.*")])
def test_templates_by_which_tags_collide_are_a_conflict_and_change_nothing(shell, options):
    promote = ("promote", "dev/team/app", *options, "--retag", "stable", "--to", "prod")
    said = shell.fails(4, *promote)
    assert "prod/team/app:stable" in said
    assert "dev/team/app:1.2" in said
    assert "dev/team/app:1.3" in said
    assert shell.tags("prod") == {}
    assert shell.names("promotion", "list") == []


def test_a_moved_glob_leaves_the_other_tags(shell):
    document = shell.json("promote", "dev/team/app", "--tags", "1.*", "--to", "prod", "--move")
    assert document["mode"] == "move"
    assert shell.names("ls", "dev/team/app") == ["dev/team/app:latest"]
    assert len(shell.names("ls", "prod/team/app")) == 3


def test_a_repository_that_moves_is_in_the_history_of_both_names(shell):
    document = shell.json("promote", "dev/team/app", "--repository", "--move", "--to", "prod")
    (item,) = document["items"]
    assert (item["source"], item["target"]) == ("dev/team/app", "prod/team/app")
    assert item["counts"]["tags"] == 4
    assert shell.names("ls", "dev") == ["dev/team/tool"]
    shell.fails(3, "ls", "dev/team/app")
    assert len(shell.names("ls", "prod/team/app")) == 4
    for name in ("dev/team/app", "prod/team/app"):
        entries = shell.json("history", name)
        assert entries[0]["promotion"] == 1
        assert {entries[0]["name"], entries[0]["other"]} == {"dev/team/app", "prod/team/app"}
    assert any(entry["kind"] == "push" for entry in shell.json("history", "dev/team/app"))


def test_a_renamed_repository_is_what_it_was_and_an_undo_gives_its_name_back(shell):
    before = shell.tags("dev")
    out = shell.out("rename", "dev/team/app", "dev/team/web")
    assert out.startswith("promotion 1: dev/team/app -> dev/team/web ")
    assert "4 tags" in out
    assert shell.tags("dev") == {
        name.replace("team/app", "team/web"): at for name, at in before.items()
    }
    again = shell.json("rename", "dev/team/app", "dev/team/web")
    assert again["changed"] is False
    shell.out("undo", "1")
    assert shell.tags("dev") == before
    shell.fails(3, "ls", "dev/team/web")
    shell.out("rename", "dev/team/app", "prod/shop/web")
    assert shell.names("ls", "prod") == ["prod/shop/web"]


def test_a_repository_merges_into_one_that_exists_only_if_that_was_said(shell, pushed):
    pushed("prod/team/app", TOOL, "kept")
    assert "exists already" in shell.fails(4, "rename", "dev/team/app", "prod/team/app")
    assert shell.names("ls", "prod/team/app") == ["prod/team/app:kept"]
    shell.out("promote", "dev/team/app", "--repository", "--move", "--to", "prod")
    assert len(shell.names("ls", "prod/team/app")) == 5
    shell.fails(3, "ls", "dev/team/app")


def test_promotions_are_listed_newest_first_and_shown(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--comment", "first")
    shell.out("promote", "dev/team/app", "--tags", "1.*", "--to", "prod/web")
    shell.out("undo", "1", "--comment", "not yet")
    assert shell.names("promotion", "list") == ["3", "2", "1"]
    assert shell.names("promotion", "list", "--limit", "2") == ["3", "2"]
    listed = shell.json("promotion", "list")
    assert [one["undoes"] for one in listed] == [1, None, None]
    assert [one["items"] for one in listed[1:]] == [3, 1]
    assert [one["comment"] for one in listed] == ["not yet", "", "first"]
    title, newest, *_ = shell.out("promotion", "list").splitlines()
    assert title.split()[:3] == ["PROMOTION", "WHEN", "WHO"]
    assert newest.split()[0] == "3"
    shown = shell.json("promotion", "show", "1")
    assert (shown["id"], shown["comment"], shown["changed"]) == (1, "first", True)
    (item,) = shown["items"]
    assert (item["target"], item["digest"]) == ("prod/team/app:1.2", str(APP.top.digest))
    assert "first" in shell.out("promotion", "show", "1")
    assert shell.names("promotion", "show", "2") == ["2"]
    shell.fails(3, "promotion", "show", "4")


def test_the_history_of_all_that_is_whole(shell):
    shell.out("promote", "dev", "--all-tags", "--to", "prod")
    shell.out("rename", "prod/team/app", "prod/team/web")
    shell.out("undo", "2")
    assert shell.out("history", "verify").splitlines()[-1].startswith("checked: 0 errors, ")
    assert shell.out("check").splitlines()[-1].startswith("checked: 0 errors, ")


def test_a_history_that_was_cut_is_an_error(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    event = keys.id_key(shell.json("history", "prod/team/app:1.2")[0]["event"])
    with liftlock.open(shell.root) as engine:
        engine._store.write(lambda txn: txn.delete_many(Table.EVENTS, [event]))
    done = shell("history", "verify", "-o", "json")
    assert done.returncode == 7
    assert any(finding["severity"] == "error" for finding in json.loads(done.stdout))
    assert done.stderr.startswith("checked: ")
