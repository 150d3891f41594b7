"""Plans: a dry run, the promotion that is held to it, and what is told if it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shells import APP, OTHER, TOOL

SET = """\
- {source: dev/team/app, target: prod, tags: "1.*"}
- {source: "dev/team/tool:3.0", target: prod}
"""


@pytest.fixture
def promote(tmp_path) -> tuple[str, ...]:
    file = tmp_path / "release.yaml"
    file.write_text(SET)
    return ("promote", "--set", str(file))


@pytest.fixture
def plan(shell, promote, tmp_path) -> Path:
    """The file that a dry run of it was written to."""
    file = tmp_path / "plan.json"
    file.write_text(shell.out(*promote, "--dry-run", "-o", "json"))
    return file


def test_a_dry_run_changes_nothing_and_says_how_to_do_just_this(shell, promote):
    head, title, *rows, last = shell.out(*promote, "--dry-run").splitlines()
    assert head.startswith("dry run of a copy, nothing was changed: 4 items; ")
    assert title.split() == ["SOURCE", "TARGET", "ACTION", "OLD", "NEW"]
    assert {row.split()[1] for row in rows} == {
        *(f"prod/team/app:{tag}" for tag in ("1.2", "1.3", "1.10")),
        "prod/team/tool:3.0",
    }
    assert shell.tags("prod") == {}
    plan = last.split()[1].rstrip(":")
    assert f"--plan {plan} instead of --dry-run" in last
    assert shell.json(*promote, "--plan", plan)["changed"] is True
    assert len(shell.tags("prod")) == 4


def test_the_plan_in_a_file_is_carried_out(shell, promote, plan):
    planned = json.loads(plan.read_text())
    assert (planned["dry_run"], planned["id"]) == (True, None)
    done = shell.json(*promote, "--plan", str(plan))
    assert done["items"] == planned["items"]
    assert done["plan"] == planned["plan"]


def test_a_plan_that_is_outdated_is_a_conflict_and_the_difference_is_told(
    shell, promote, plan, pushed
):
    pushed("dev/team/app", OTHER, "1.2")
    pushed("dev/team/app", APP, "1.4")
    pushed("prod/team/app", APP, "1.3")
    shell.out("retag", "dev/team/app:1.10", "old", "--move")
    said = shell.fails(4, *promote, "--plan", str(plan)).splitlines()
    assert said[0].startswith("Error: The plan is outdated: ")
    assert said[1] == f"What is different from {plan}:"
    told = [line.strip() for line in said[2:]]
    assert "- dev/team/app:1.10 -> prod/team/app:1.10" in told
    assert f"+ dev/team/app:1.4 -> prod/team/app:1.4: create {APP.top.digest}" in told
    changed = told.index("~ dev/team/app:1.2 -> prod/team/app:1.2")
    assert told[changed + 1] == f"digest: {APP.top.digest} -> {OTHER.top.digest}"
    changed = told.index("~ dev/team/app:1.3 -> prod/team/app:1.3")
    assert told[changed + 1 : changed + 3] == [
        f"target was at: absent -> {APP.top.digest}",
        "action: create -> overwrite",
    ]
    assert shell.names("ls", "prod") == ["prod/team/app"]
    assert shell.names("promotion", "list") == ["1"]


def test_an_outdated_hash_is_a_conflict_that_shows_the_new_plan(shell, promote, plan, pushed):
    old = json.loads(plan.read_text())["plan"]
    pushed("dev/team/app", OTHER, "1.2")
    now = shell.json(*promote, "--dry-run")
    sentence, announced, *table = shell.fails(4, *promote, "--plan", old).splitlines()
    assert old in sentence
    assert sentence.endswith(f"run it with --dry-run, then with --plan {now['plan']}.")
    assert announced == "The new plan:"
    assert table == shell.out(*promote, "--dry-run").splitlines()
    done = shell(*promote, "--plan", old, "-o", "json")
    assert (done.returncode, done.stderr.splitlines()) == (4, [sentence])
    assert {**json.loads(done.stdout), "at": ""} == {**now, "at": ""}
    assert shell.tags("prod") == {}


def test_the_plan_of_a_set_itself_shows_the_new_one_as_well(shell, tmp_path):
    file = tmp_path / "release.json"
    items = [{"source": "dev/team/app:1.2", "target": "prod"}]
    file.write_text(json.dumps({"plan": "5f" * 16, "items": items}))
    assert "The new plan:\ndry run of a copy, " in shell.fails(4, "promote", "--set", str(file))


def test_a_file_outdated_has_the_new_plan_as_json_too(shell, promote, plan, pushed):
    pushed("dev/team/app", OTHER, "1.2")
    done = shell(*promote, "--plan", str(plan), "-o", "json")
    assert done.returncode == 4
    assert "~ dev/team/app:1.2 -> prod/team/app:1.2" in done.stderr
    assert json.loads(done.stdout)["plan"] == shell.json(*promote, "--dry-run")["plan"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda plan: plan["items"].pop(0), "+ dev/team/app:1.10 -> prod/team/app:1.10: create"),
        (lambda plan: plan["items"].clear(), "+ dev/team/tool:3.0 -> prod/team/tool:3.0: create"),
        (lambda plan: plan["items"].append(plan["items"][0]), "prod/team/app:1.10, again"),
        (lambda plan: plan["items"][0].update(digest=str(TOOL.top.digest)), "digest: sha256:"),
        (lambda plan: plan["items"][0].update(previous_digest="x"), "target was at: x -> absent"),
        (lambda plan: plan["items"][0].update(action="unchanged"), "action: unchanged -> create"),
        (lambda plan: plan["items"][0].update(target="qa/a:1"), "- dev/team/app:1.10 -> qa/a:1"),
        (lambda plan: plan["items"][0].update(attachment=True), "attachment: yes -> no"),
        (lambda plan: plan["items"][0].update(taken=True), "source tag taken: yes -> no"),
        (lambda plan: plan["items"][0].update(counts={"tags": 1}), "tags: 1 -> 0"),
        (lambda plan: plan.update(mode="move"), "mode: move -> copy"),
        (lambda plan: plan["manifests"].pop(), "+ manifest sha256:"),
        (lambda plan: plan["referrers"].clear(), "+ referrer sha256:"),
        (lambda plan: plan.update(purged=9), "manifests purged: 9 -> 0"),
        (lambda plan: plan.update(linked=1), "manifests new at the target: 1 -> "),
    ],
)
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--key", "again")])
def test_a_file_that_was_edited_is_a_conflict_and_changes_nothing(
    shell, promote, plan, edit, told, options
):
    edited = json.loads(plan.read_text())
    edit(edited)
    plan.write_text(json.dumps(edited))
    said = shell.fails(4, *promote, "--plan", str(plan), *options)
    assert said.startswith(f"Error: The file was edited: {plan} ")
    assert told in said
    assert shell.tags("prod") == {}
    assert shell.names("promotion", "list") == []


def test_a_file_without_its_items_is_wrong_usage(shell, promote, plan):
    document = json.loads(plan.read_text())
    del document["items"]
    plan.write_text(json.dumps(document))
    assert "missing required field `items`" in shell.fails(2, *promote, "--plan", str(plan))
    assert shell.tags("prod") == {}


def test_a_move_held_to_its_file_again_has_its_answer_under_its_key(shell, tmp_path):
    move = ("promote", "dev/team/app:1.2", "--to", "prod", "--move")
    file = tmp_path / "plan.json"
    file.write_text(shell.out(*move, "--dry-run", "-o", "json"))
    held = (*move, "--plan", str(file))
    first = shell.json(*held, "--key", "release-7")
    assert shell.json(*held, "--key", "release-7") == first
    shell.fails(4, *held)
    shell.fails(4, *held, "--key", "another")


def test_what_is_right_already_is_no_edited_file(shell, promote, plan):
    shell.out(*promote)
    file = plan.with_name("again.json")
    file.write_text(shell.out(*promote, "--dry-run", "-o", "json"))
    assert shell.json(*promote, "--plan", str(file))["changed"] is False
    assert "outdated" in shell.fails(4, *promote, "--plan", str(plan))


def test_what_the_plan_does_not_rest_on_does_not_outdate_it(shell, promote, plan, pushed):
    pushed("dev/team/app", OTHER, "edge")
    pushed("prod/team/other", APP, "1.2")
    assert shell.json(*promote, "--plan", str(plan))["changed"] is True


def test_a_whole_repository_is_counted_in_a_plan(shell, tmp_path, pushed):
    promote = ("promote", "dev/team/app", "--repository", "--to", "prod")
    _, title, row, _ = shell.out(*promote, "--dry-run").splitlines()
    assert title.split()[-1] == "NOTE"
    assert row.split()[:3] == ["dev/team/app", "prod/team/app", "create"]
    assert " 4 tags" in row
    plan = tmp_path / "plan.json"
    plan.write_text(shell.out(*promote, "--dry-run", "-o", "json"))
    pushed("dev/team/app", APP, "1.4")
    said = shell.fails(4, *promote, "--plan", str(plan))
    assert "~ dev/team/app -> prod/team/app\n" in said
    assert "tags: 4 -> 5\n" in said


def test_the_wrong_request_for_a_plan_is_a_conflict(shell, plan):
    said = shell.fails(4, "promote", "dev/team/app:1.2", "--to", "prod", "--plan", str(plan))
    assert "- dev/team/tool:3.0 -> prod/team/tool:3.0" in said
    assert shell.tags("prod") == {}
