"""Plans: a dry run, the promotion that is held to it, and what is told if it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shells import APP, OTHER

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
    assert head.startswith("dry run, nothing was changed: 4 items; ")
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


def test_an_outdated_hash_is_a_conflict_that_names_the_new_one(shell, promote, plan, pushed):
    old = json.loads(plan.read_text())["plan"]
    pushed("dev/team/app", OTHER, "1.2")
    (said,) = shell.fails(4, *promote, "--plan", old).splitlines()
    assert old in said
    assert shell.json(*promote, "--dry-run")["plan"] in said


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
