"""Sparse indexes on the command line: one platform of a tool is mirrored, and promoted so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from shells import TOOL

MIRROR = replace(TOOL, children=TOOL.children[:1], referrers=())
ABSENT = [str(child.digest) for child in TOOL.children[1:]]


@pytest.fixture
def mirror(shell, pushed):
    """dev/mirror/tool has the first of the tool's platforms."""
    shell.out("registry", "update", "dev", "--allow-sparse")
    pushed("dev/mirror/tool", MIRROR, "3.0")
    return shell


def test_it_must_be_meant_and_allowed(mirror):
    ask = ("promote", "dev/mirror/tool:3.0", "--to", "prod")
    meant, allowed = mirror.fails(4, *ask).splitlines()
    for line in (meant, allowed):
        assert all(digest in line for digest in ABSENT)
    assert "--allow-sparse" in meant
    assert "liftlock registry update prod --allow-sparse" in allowed
    assert mirror.fails(4, *ask, "--allow-sparse", "--dry-run").splitlines() == [allowed]
    mirror.out("registry", "update", "prod", "--allow-sparse")
    assert mirror.fails(4, *ask).splitlines() == [meant]
    assert f"{len(ABSENT)} absent" in mirror.out(*ask, "--allow-sparse", "--dry-run")
    done = mirror.json(*ask, "--allow-sparse")
    assert (done["absent"], done["absent_more"]) == (ABSENT, False)
    mirror.fails(3, "show", f"prod/mirror/tool@{ABSENT[0]}")
    assert mirror.out("check") is not None


def test_a_set_says_it_in_its_file(mirror, tmp_path):
    mirror.out("registry", "update", "prod", "--allow-sparse")
    file = tmp_path / "release.yaml"
    file.write_text("allow_sparse: true\nitems:\n  - {source: dev/mirror/tool, target: prod}\n")
    plan = tmp_path / "plan.json"
    plan.write_text(mirror.out("promote", "--set", str(file), "--dry-run", "-o", "json"))
    assert json.loads(plan.read_text())["absent"] == ABSENT
    edited = json.loads(plan.read_text()) | {"absent": []}
    plan.write_text(json.dumps(edited))
    told = mirror.fails(4, "promote", "--set", str(file), "--plan", str(plan))
    assert f"+ absent {ABSENT[0]}" in told
    plan.write_text(json.dumps(edited | {"absent": ABSENT}))
    mirror.out("promote", "--set", str(file), "--plan", str(plan))


def test_a_file_that_says_nothing_is_helped_by_the_command_line(mirror, tmp_path):
    mirror.out("registry", "update", "prod", "--allow-sparse")
    file = tmp_path / "release.json"
    file.write_text(json.dumps([{"source": "dev/mirror/tool:3.0", "target": "prod"}]))
    assert "--allow-sparse" in mirror.fails(4, "promote", "--set", str(file))
    mirror.out("promote", "--set", str(file), "--allow-sparse")


def test_another_name_in_another_registry_must_be_meant_too(mirror):
    mirror.out("registry", "update", "prod", "--allow-sparse")
    mirror.out("rename", "dev/mirror/tool", "dev/mirror/other")
    assert ABSENT[0] in mirror.fails(4, "rename", "dev/mirror/other", "prod/tool")
    mirror.out("rename", "dev/mirror/other", "prod/tool", "--allow-sparse")
    assert set(mirror.tags("prod")) == {"prod/tool:3.0"}


def test_a_purge_is_refused_where_nothing_may_be_deleted(shell):
    shell.out("registry", "update", "dev", "--no-allow-delete")
    ask = ("promote", "dev/team/app:1.2", "--to", "prod", "--move")
    assert "allow_delete" in shell.fails(4, *ask, "--purge")
    shell.out(*ask)
