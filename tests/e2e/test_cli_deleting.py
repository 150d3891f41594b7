"""`delete`, and how what was deleted comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from shells import APP, OTHER, TOOL, InProcess, push

import liftlock
from liftlock_cli.main import liftlock as command

TAG = "dev/team/app:1.2"
PINNED = f"dev/team/app@{APP.top.digest}"


@pytest.fixture
def shell(tmp_path: Path) -> InProcess:
    shell = InProcess(tmp_path / "store")
    shell.out("init")
    shell.out("registry", "create", "dev")
    with liftlock.open(shell.root) as engine:
        push(engine, "dev/team/app", APP)
        push(engine, "dev/team/app", OTHER)
        push(engine, "dev/team/tool", TOOL)
    return shell


def test_what_is_named_twice_is_deleted_once(shell):
    assert shell.out("delete", TAG, TAG).count("deleted") == 1
    assert shell.out("ls", "dev/team/app", "-o", "name") == "dev/team/app:1.3\n"


def test_a_tag_is_deleted_and_what_is_printed_brings_it_back(shell):
    foreseen = shell.out("delete", TAG, "--dry-run")
    assert foreseen.startswith(f"would delete {TAG}, which was at {APP.top.digest}\n")
    assert shell.out("ls", "dev/team/app", "-o", "name").startswith(TAG)
    out = shell.out("delete", TAG, "--comment", "by mistake", "--expect", str(APP.top.digest))
    assert out.splitlines()[0] == f"deleted {TAG}, which was at {APP.top.digest}"
    assert shell.out("ls", "dev/team/app", "-o", "name") == "dev/team/app:1.3\n"
    assert "by mistake" in shell.out("history", "dev/team/app")
    back = out.partition("at least: liftlock ")[2].split()
    assert back == ["retag", PINNED, "1.2"]
    shell.out(*back)
    assert shell.out("show", TAG, "-o", "name") == f"{PINNED}\n"


def test_a_manifest_is_deleted_with_its_tags(shell):
    shell.out("retag", TAG, "also")
    document = json.loads(shell.out("delete", PINNED, "-o", "json"))[0]
    kept_until = document.pop("kept_until")
    assert kept_until.endswith("Z")
    assert document == {
        "name": PINNED,
        "kind": "manifest",
        "digest": str(APP.top.digest),
        "tags": ["1.2", "also"],
        "usage": None,
        "dry_run": False,
    }
    assert shell.out("ls", "dev/team/app", "-o", "name") == "dev/team/app:1.3\n"
    again = shell.fails(3, "delete", PINNED)
    assert str(APP.top.digest) in again


def test_a_repository_is_deleted_only_if_that_is_meant(shell):
    said = shell.fails(2, "delete", "dev/team/app")
    assert "--repository" in said
    assert "dev/team/app:TAG" in said
    assert "is an image" in shell.fails(2, "delete", TAG, "--repository")
    assert "liftlock registry delete dev" in shell.fails(2, "delete", "dev")
    out = shell.out("delete", "dev/team/app", "--repository", "--dry-run")
    assert out.startswith("would delete dev/team/app: 2 tags, 2 manifests, 4 blobs, ")
    assert "nothing brings it back" in out
    out = shell.out("delete", "dev/team/app", "--repository", "-o", "name")
    assert out == "dev/team/app\n"
    assert shell.out("ls", "dev", "-o", "name") == "dev/team/tool\n"
    assert "2 tags" not in shell.fails(3, "delete", "dev/team/app", "--repository")


def test_several_are_all_judged_before_any_is_deleted(shell):
    names = (TAG, "dev/team/app:1.3", "dev/team/app:none")
    assert "no manifest none" in shell.fails(3, "delete", *names)
    assert len(shell.out("ls", "dev/team/app", "-o", "name").splitlines()) == 2
    result = shell("delete", *names, "--if-exists", "-o", "name")
    assert (result.exit_code, result.stdout) == (0, f"{TAG}\ndev/team/app:1.3\n")
    assert result.stderr == "Passed over: dev/team/app has no manifest none.\n"


def test_what_is_gone_is_told_or_passed_over(shell):
    shell.out("delete", TAG)
    assert "dev/team/app has no manifest 1.2" in shell.fails(3, "delete", TAG)
    result = shell("delete", TAG, "--if-exists", "-o", "json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert "Passed over" in result.stderr
    assert (
        CliRunner()
        .invoke(command, ["-q", "--root", str(shell.root), "delete", TAG, "--if-exists"])
        .output
        == ""
    )


def test_a_tag_that_moved_is_not_deleted(shell):
    said = shell.fails(4, "delete", TAG, "--expect", str(OTHER.top.digest))
    assert str(APP.top.digest) in said
    agreeing = f"dev/team/app:1.2@{OTHER.top.digest}"
    assert str(APP.top.digest) in shell.fails(4, "delete", agreeing)
    assert "--expect is for one tag" in shell.fails(
        2, "delete", TAG, "dev/team/app:1.3", "--expect", str(APP.top.digest)
    )


def test_what_an_index_needs_and_what_may_not_be_deleted_stays(shell):
    child = f"dev/team/tool@{TOOL.children[0].digest}"
    for dry_run in ((), ("--dry-run",)):
        assert "is needed by index" in shell.fails(2, "delete", child, *dry_run)
    shell.out("registry", "update", "dev", "--no-allow-delete")
    for dry_run in ((), ("--dry-run",)):
        said = shell.fails(2, "delete", TAG, *dry_run)
        assert "allow_delete" in said
