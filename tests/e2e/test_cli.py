"""Every command, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from shells import APP, ENV, OTHER, TOOL, InProcess, push

import liftlock
from liftlock.engine import Engine
from liftlock.errors import StoreBusy
from liftlock.metadata.contract import Table
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_MANIFEST
from liftlock.testing import images
from liftlock.testing.images import upload
from liftlock_cli.demo.images import CONFIG, Content, Image
from liftlock_cli.main import liftlock as command

NOWHERE = Digest.of(b"nowhere")
ABUSE = "\x1b[31mred\x1b]0;title\x07\r\nforged row \u202egnp.exe"


def filled(root: Path) -> InProcess:
    """Make a store with the registries dev and prod, and images in dev."""
    shell = InProcess(root)
    for words in (("init",), ("registry", "create", "dev"), ("registry", "create", "prod")):
        shell.out(*words)
    with liftlock.open(root) as engine:
        push(engine, "dev/team/app", APP)
        push(engine, "dev/team/app", OTHER)
        push(engine, "dev/team/tool", TOOL)
    return shell


@pytest.fixture
def empty(tmp_path: Path) -> InProcess:
    shell = InProcess(tmp_path / "store")
    shell.out("init")
    return shell


@pytest.fixture
def shell(tmp_path: Path) -> InProcess:
    return filled(tmp_path / "store")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    """One store for all the tests that change nothing: a store has some hundred folders."""
    return filled(tmp_path_factory.mktemp("fixed") / "store")


# --- the store ------------------------------------------------------------------------------


def test_init_makes_a_store_and_says_where(tmp_path):
    shell = InProcess(tmp_path / "deep" / "store")
    assert shell.out("init") == f"store made at {shell.root}\n"
    assert shell.json("ls") == []


@pytest.mark.parametrize("form", ["json", "name"])
def test_init_says_where_in_every_form(tmp_path, form):
    shell = InProcess(tmp_path / "store")
    out = shell.out("init", "-o", form)
    assert (json.loads(out)["root"] if form == "json" else out.strip()) == str(shell.root)


def test_init_twice_is_a_conflict_and_changes_nothing(fixed):
    before = fixed.json("ls")
    assert str(fixed.root) in fixed.fails(4, "init")
    assert fixed.json("ls") == before


def test_init_leaves_a_folder_with_other_things_alone(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.txt").write_text("mine")
    InProcess(tmp_path / "store").fails(4, "init")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("check",),
        ("registry", "create", "dev"),
        ("registry", "list"),
        ("show", "dev/app:1"),
        ("stats",),
        ("where", str(NOWHERE)),
        ("promote", "dev/app:1", "--to", "prod"),
        ("promote", "dev/app", "--repository", "--to", "prod"),
        ("retag", "dev/app:1", "2"),
        ("rename", "dev/app", "dev/new"),
        ("undo", "1"),
        ("promotion", "list"),
        ("promotion", "show", "1"),
        ("history", "dev"),
        ("history", "verify"),
    ],
)
def test_only_init_and_serve_make_a_store(tmp_path, words):
    shell = InProcess(tmp_path / "none")
    assert "liftlock init" in shell.fails(3, *words)
    assert not shell.root.exists()


def test_a_store_that_is_not_there_is_told_with_who_said_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, environment, said in (
        ((), {}, f"{tmp_path}/.liftlock/store, which is the default here;"),
        (("--root", "x"), {}, f"{tmp_path}/x, as --root says;"),
        ((), {"LIFTLOCK_STORE__ROOT": "y"}, f"{tmp_path}/y, as LIFTLOCK_STORE__ROOT says;"),
    ):
        result = CliRunner().invoke(command, [*words, "ls"], env=environment)
        assert result.exit_code == 3
        assert said in result.stderr


def test_an_image_is_not_listed_but_shown(fixed):
    assert "`liftlock show dev/team/app:1.2`" in fixed.fails(2, "ls", "dev/team/app:1.2")


def test_a_store_of_another_format_is_refused_and_left_alone(shell):
    stamp = shell.root / "liftlock.json"
    stamp.write_text(stamp.read_text().replace('"format":1', '"format":999'))
    before = {path: path.read_bytes() for path in shell.root.rglob("*") if path.is_file()}
    assert "999" in shell.fails(7, "ls")
    assert {path: path.read_bytes() for path in before} == before


def test_the_root_comes_from_the_environment(tmp_path):
    root = tmp_path / "there"
    env = {"LIFTLOCK_STORE__ROOT": str(root)}
    assert CliRunner().invoke(command, ["init"], env=env).exit_code == 0
    assert root.is_dir()


def test_a_check_of_a_whole_store_says_so(fixed):
    assert fixed.out("check").splitlines()[-1].startswith("checked: 0 errors, ")
    assert fixed.out("check", "--content").splitlines()[-1].startswith("checked: 0 errors, ")


def damaged(shell: InProcess) -> str:
    """Flip a byte of a blob, and return the blob's hash."""
    with liftlock.open(shell.root) as engine:
        upload(engine, "dev/app", b"a file" * 5000)
    blob = next(path for path in (shell.root / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o644)
    content = blob.read_bytes()
    blob.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return blob.name.partition(".")[0]


def test_a_check_of_a_damaged_store_ends_with_7(shell):
    hexadecimal = damaged(shell)
    result = shell("check", "--content")
    assert result.exit_code == 7
    assert result.stderr == ""
    *findings, summary = result.stdout.splitlines()
    assert any(line.startswith("error: ") and hexadecimal in line for line in findings)
    assert summary.startswith("checked: ")
    assert not summary.startswith("checked: 0 errors")


def test_a_check_in_json_is_findings_only(shell):
    hexadecimal = damaged(shell)
    result = shell("check", "--content", "-o", "json")
    assert result.exit_code == 7
    errors = [one for one in json.loads(result.stdout) if one["severity"] == "error"]
    assert errors
    assert all(set(one) == {"severity", "rule", "subject", "detail"} for one in errors)
    assert any(hexadecimal in one["subject"] + one["detail"] for one in errors)
    assert result.stderr.startswith("checked: ")


# --- registries -----------------------------------------------------------------------------


def test_a_registry_is_created_shown_listed_and_deleted(empty):
    assert empty.out("registry", "create", "dev") == "registry dev created\n"
    assert empty.out("registry", "create", "qa", "-o", "name") == "qa\n"
    made = empty.json("registry", "create", "prod", "--comment", "for all")
    assert made["name"] == "prod"
    assert made["created_by"].startswith("os:")
    assert made["created_at"].endswith("Z")
    assert made["repositories"] == 0
    assert made["usage"] == {"tags": 0, "manifests": 0, "blobs": 0, "bytes": 0}
    assert empty.json("registry", "show", "prod") == made
    assert "prod" in empty.out("registry", "show", "prod")
    assert empty.out("registry", "show", "prod", "-o", "name") == "prod\n"
    assert empty.out("registry", "list", "-o", "name") == "dev\nprod\nqa\n"
    assert empty.out("registry", "list").splitlines()[0].split()[0] == "REGISTRY"
    assert empty.json("registry", "list") == empty.json("ls")
    assert empty.out("registry", "delete", "qa") == "registry qa deleted\n"
    assert empty.json("registry", "delete", "dev") == {"name": "dev", "deleted": True}
    assert empty.out("registry", "delete", "prod", "-o", "name") == "prod\n"
    assert empty.json("registry", "list") == []


def test_a_taken_name_is_a_conflict(empty):
    empty.out("registry", "create", "dev")
    assert "'dev' is taken" in empty.fails(4, "registry", "create", "dev")


def test_creating_and_deleting_a_registry_can_be_safe_to_run_twice(empty):
    words = ("registry", "create", "dev", "--if-absent")
    assert empty.out(*words) == "registry dev created\n"
    made = empty.json("registry", "show", "dev")
    assert empty.out(*words, "--allow-sparse") == "registry dev is there already\n"
    assert empty.json(*words) == made
    words = ("registry", "delete", "dev", "--if-exists")
    assert empty.json(*words) == {"name": "dev", "deleted": True}
    assert empty.json(*words) == {"name": "dev", "deleted": False}
    assert empty.out(*words) == "registry dev is not there\n"
    assert empty.out(*words, "-o", "name") == ""


def test_an_option_of_all_commands_behind_one_is_told_where_it_goes(fixed):
    for option in ("--root", "--config", "--setting"):
        said = fixed.fails(2, "ls", option, "x")
        assert f"{option} goes before the command: liftlock {option} …" in said
    assert "Did you mean" in fixed.fails(2, "ls", "--outpt")


def test_a_registry_is_set_to_what_it_accepts(empty):
    words = ("registry", "create", "dev", "--allow-sparse", "--no-allow-delete")
    assert empty.json(*words)["settings"] == {"allow_sparse": True, "allow_delete": False}
    changed = empty.json("registry", "update", "dev", "--allow-delete", "--comment", "clean up")
    assert changed["settings"] == {"allow_sparse": True, "allow_delete": True}
    assert changed == empty.json("registry", "show", "dev")
    assert empty.json("registry", "list") == [changed]
    (row,) = empty.out("registry", "list").splitlines()[1:]
    assert row.split()[6:8] == ["allowed", "allowed"]
    assert "deleting        refused" in empty.out("registry", "update", "dev", "--no-allow-delete")
    assert empty.out("registry", "update", "dev", "--allow-sparse", "-o", "name") == "dev\n"
    newest, before, first = empty.json("history", "dev")
    assert (before["kind"], before["comment"]) == ("configure", "clean up")
    assert (
        before["old_settings"]
        == first["new_settings"]
        == {
            "allow_sparse": True,
            "allow_delete": False,
        }
    )
    assert newest["new_settings"]["allow_delete"] is False
    assert "allow_sparse=yes,allow_delete=no" in empty.out("history", "dev")


def test_an_update_that_says_nothing_is_wrong_usage(fixed):
    assert "allow-sparse" in fixed.fails(2, "registry", "update", "dev")
    assert "nope" in fixed.fails(3, "registry", "update", "nope", "--allow-sparse")


def test_a_registry_with_repositories_is_deleted_only_by_force(shell):
    assert "--force" in shell.fails(4, "registry", "delete", "dev")
    assert shell.json("ls", "dev")
    shell.out("registry", "delete", "dev", "--force")
    shell.fails(3, "ls", "dev")


def test_a_missing_registry_is_not_found(fixed):
    for verb in ("show", "delete"):
        assert "liftlock registry create nope" in fixed.fails(3, "registry", verb, "nope")
    fixed.fails(3, "ls", "nope")
    fixed.fails(3, "history", "nope")


# --- looking --------------------------------------------------------------------------------


def test_ls_lists_registries_repositories_and_tags(fixed):
    assert fixed.out("ls", "-o", "name") == "dev\nprod\n"
    assert fixed.out("ls", "dev", "-o", "name") == "dev/team/app\ndev/team/tool\n"
    tags = fixed.out("ls", "dev/team/app", "-o", "name")
    assert tags == "dev/team/app:1.2\ndev/team/app:1.3\n"
    assert fixed.json("ls", "dev/team/app")[0] == {
        "name": "dev/team/app:1.2",
        "tag": "1.2",
        "digest": str(APP.top.digest),
    }
    title, first, _ = fixed.out("ls", "dev/team/app").splitlines()
    assert title.split() == ["TAG", "DIGEST"]
    assert first.split() == ["1.2", str(APP.top.digest)]
    assert fixed.out("ls", "dev").splitlines()[0].split()[0] == "REPOSITORY"
    usage = fixed.json("ls", "dev")[0]["usage"]
    assert usage["tags"] == 2
    assert usage["manifests"] == 2
    assert usage["blobs"] == 4


def test_show_prints_an_image(fixed):
    out = fixed.out("show", "dev/team/app:1.2")
    for part in (str(APP.top.digest), APP.top.media_type, "linux/amd64", "push"):
        assert part in out
    for blob in APP.blobs:
        assert str(blob.digest) in out
        assert str(len(blob.body)) in out
    document = fixed.json("show", "dev/team/app:1.2")
    assert document["digest"] == str(APP.top.digest)
    assert document["size"] == len(APP.top.body)
    assert document["platform"] == "linux/amd64"
    assert document["total_size"] == document["size"] + sum(len(b.body) for b in APP.blobs)
    assert {blob["digest"] for blob in document["blobs"]} == {str(b.digest) for b in APP.blobs}
    assert document["history"][0]["new_digest"] == str(APP.top.digest)
    pinned = f"dev/team/app@{APP.top.digest}"
    assert fixed.out("show", "dev/team/app:1.2", "-o", "name") == f"{pinned}\n"
    assert fixed.json("show", pinned)["digest"] == str(APP.top.digest)


def test_show_prints_an_index_with_its_images_and_referrers(fixed):
    out = fixed.out("show", "dev/team/tool:3.0")
    assert "linux/amd64, linux/arm64" in out
    tree = out.split("\n\n")[1].splitlines()
    assert [line.partition("  ")[0] for line in tree] == [
        "dev/team/tool:3.0",
        "|-- sbom",
        "|-- linux/amd64",
        "`-- linux/arm64",
    ]
    assert "application/spdx+json" in tree[1]
    assert str(TOOL.referrers[0].digest) in tree[1]
    document = fixed.json("show", "dev/team/tool:3.0")
    assert [child["digest"] for child in document["children"]] == [
        str(child.digest) for child in TOOL.children
    ]
    (attached,) = document["attachments"]
    assert attached["purpose"] == "sbom"
    assert attached["manifest"]["digest"] == str(TOOL.referrers[0].digest)
    assert document["is_signed"] is False
    bill = fixed.json("show", f"dev/team/tool@{TOOL.referrers[0].digest}")
    assert bill["subject"] == str(TOOL.top.digest)
    assert bill["artifact_type"] == "application/spdx+json"


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"[]", b'{"os": 7}', b" " * 2**21])
def test_show_bears_any_config(empty, body):
    config = Content(CONFIG, body)
    document = {"schemaVersion": 2, "config": config.descriptor(), "layers": []}
    empty.out("registry", "create", "dev")
    with liftlock.open(empty.root) as engine:
        manifest = Content(OCI_MANIFEST, json.dumps(document).encode())
        push(engine, "dev/app", Image("1", manifest, (), (), (config,)))
    assert empty.json("show", "dev/app:1")["platform"] is None


def test_show_tells_what_is_signed(empty):
    empty.out("registry", "create", "dev")
    with liftlock.open(empty.root) as engine:
        multi = images.platforms(engine, "dev/app", "1")
        images.attachment(engine, multi.children[0], "first")
    out = empty.out("show", "dev/app:1")
    assert "signed      no" in out
    *_, first, below, second = out.split("\n\n")[1].splitlines()
    assert first.endswith("  signed")
    assert below.startswith("|   `-- signature  .sig tag  sha256:")
    assert not second.endswith("  signed")


def test_show_goes_on_where_something_is_damaged(empty):
    """And says so, on stderr: a script that reads the tree must not read it there."""
    empty.out("registry", "create", "dev")
    with liftlock.open(empty.root) as engine:
        multi = images.platforms(engine, "dev/app", "1")
        row = multi.children[0].digest.key, b"broken"
        engine._store.write(lambda txn: txn.put_many(Table.MANIFESTS, [row]))
    result = empty("show", "dev/app:1")
    assert result.exit_code == 0
    assert "liftlock check" in result.stderr
    assert str(multi.children[0].digest) in result.stdout
    assert result.stdout.count("not all is shown") == 1


def test_where_tells_which_repositories_have_something_and_why(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    manifest, blob = str(APP.top.digest), str(APP.blobs[0].digest)
    found = shell.json("where", manifest)
    # In dev/team/tool it is a child of the index.
    assert [(one["repository"], one["tags"], len(one["parents"])) for one in found] == [
        ("dev/team/app", ["1.2"], 0),
        ("dev/team/tool", [], 1),
        ("prod/team/app", ["1.2"], 0),
    ]
    title, first, *_ = shell.out("where", manifest).splitlines()
    assert title.split()[:3] == ["REPOSITORY", "KIND", "TAGS"]
    assert first.split()[:3] == ["dev/team/app", "manifest", "1.2"]
    names = shell.out("where", blob, "-o", "name").split()
    assert names == [f"{one['repository']}@{blob}" for one in found]
    assert {one["kind"] for one in shell.json("where", blob)} == {"blob"}


def test_where_says_of_a_name_how_to_get_its_digest(fixed):
    said = fixed.fails(2, "where", "dev/team/app:1.2")
    assert "`liftlock show dev/team/app:1.2 -o name` has its digest" in said


def test_what_is_nowhere_is_no_error(fixed):
    assert fixed.json("where", str(NOWHERE)) == []
    assert fixed.out("where", str(NOWHERE), "-o", "name") == ""
    result = fixed("where", str(NOWHERE))
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert str(NOWHERE) in result.stderr


def test_stats_tell_how_much_there_is(shell):
    before = shell.json("stats")
    assert (before["registries"], before["repositories"], before["tags"]) == (2, 2, 3)
    # dev/team/app has two of the images of dev/team/tool.
    assert before["bytes_stored"] < before["bytes_logical"]
    assert before["dedup_ratio"] == before["bytes_logical"] / before["bytes_stored"]
    shell.out("promote", "dev/team/app", "--repository", "--to", "prod")
    after = shell.json("stats")
    assert (after["repositories"], after["tags"]) == (3, 5)
    assert after["blobs"] == before["blobs"]
    assert after["bytes_stored"] == before["bytes_stored"]
    facts = dict(line.rsplit(maxsplit=1) for line in shell.out("stats").splitlines())
    assert facts["bytes stored"] == str(after["bytes_stored"])
    assert facts["dedup ratio"] == f"{after['dedup_ratio']:.2f}"


def test_of_nothing_there_is_no_ratio(empty):
    assert empty.json("stats")["dedup_ratio"] is None
    assert empty.out("stats").splitlines()[-1].split() == ["dedup", "ratio", "-"]


def test_show_prints_what_a_repository_or_registry_has(fixed):
    assert "2 tags, 2 manifests, 4 blobs" in fixed.out("show", "dev/team/app")
    assert fixed.json("show", "dev/team/app")["usage"]["tags"] == 2
    assert fixed.out("show", "dev/team/app", "-o", "name") == "dev/team/app\n"
    assert fixed.json("show", "dev") == fixed.json("registry", "show", "dev")


@pytest.mark.parametrize(
    "words",
    [
        ("show", "dev/team/app:9"),
        ("show", f"dev/team/app@{NOWHERE}"),
        ("show", "dev/team/none"),
        ("show", "none/team/app:1"),
        ("ls", "dev/team/none"),
        ("promote", "dev/team/app:9", "--to", "prod"),
        ("promote", "dev/team/app:1.2", "--to", "none"),
        ("undo", "77"),
    ],
)
def test_what_is_not_there_is_not_found(fixed, words):
    said = fixed.fails(3, *words)
    assert said.startswith("Error: ")
    assert "Traceback" not in said


# --- promotions -----------------------------------------------------------------------------


def test_promote_prints_its_number_and_what_it_did(shell):
    out = shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--comment", "Ready")
    assert out.startswith(
        f"promotion 1: dev/team/app:1.2 -> prod/team/app:1.2 {APP.top.digest} created; "
        "1 manifest, 0 referrers, "
    )
    assert out.endswith(" records\n")
    assert shell.json("show", "prod/team/app:1.2")["digest"] == str(APP.top.digest)


def test_promote_in_json_has_all_of_it(shell):
    document = shell.json("promote", "dev/team/tool:3.0", "--to", "prod", "--comment", "Ready")
    assert set(document) == {
        *("id", "at", "by", "mode", "comment", "dry_run", "changed", "items", "manifests"),
        *("linked", "referrers", "records", "undoes", "plan", "purged", "warnings"),
        *("absent", "absent_more"),
    }
    assert document["id"] == 1
    assert document["by"].startswith("os:")
    assert document["at"].endswith("Z")
    assert (document["mode"], document["comment"]) == ("copy", "Ready")
    assert (document["dry_run"], document["changed"], document["undoes"]) == (False, True, None)
    assert document["items"] == [
        {
            "source": "dev/team/tool:3.0",
            "target": "prod/team/tool:3.0",
            "digest": str(TOOL.top.digest),
            "previous_digest": None,
            "action": "create",
            "attachment": False,
            "taken": False,
        }
    ]
    everything = (TOOL.top, *TOOL.children, *TOOL.referrers)
    assert set(document["manifests"]) == {str(content.digest) for content in everything}
    assert document["referrers"] == [str(TOOL.referrers[0].digest)]
    assert document["records"] > 0


def test_promote_as_a_name_is_the_number_that_undo_takes(shell):
    number = shell.out("promote", "dev/team/app:1.2", "--to", "prod", "-o", "name")
    assert number == "1\n"
    undone = shell.out("undo", number.strip())
    assert undone.startswith("promotion 2 (undoes 1): prod/team/app:1.2 ")
    assert "removed" in undone
    shell.fails(3, "show", "prod/team/app:1.2")


def test_the_same_promotion_again_is_unchanged(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    out = shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    assert f"{APP.top.digest} unchanged; 0 manifests" in out
    again = shell.json("promote", "dev/team/app:1.2", "--to", "prod")
    assert again["changed"] is False
    assert again["items"][0]["action"] == "unchanged"


def test_a_move_takes_the_tag_away(shell):
    document = shell.json("promote", "dev/team/app:1.2", "--to", "prod", "--move")
    assert document["mode"] == "move"
    assert shell.out("ls", "dev/team/app", "-o", "name") == "dev/team/app:1.3\n"
    assert shell.out("ls", "prod/team/app", "-o", "name") == "prod/team/app:1.2\n"


def test_a_target_may_name_repository_and_tag(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod/shop/web:stable")
    out = shell.out("promote", "dev/team/app:1.3", "--to", "prod/shop/web:stable")
    assert f"{OTHER.top.digest} overwritten (was {APP.top.digest}); " in out
    assert shell.json("show", "prod/shop/web:stable")["digest"] == str(OTHER.top.digest)


def test_a_digest_can_be_promoted(shell):
    source = f"dev/team/app:1.2@{APP.top.digest}"
    assert shell.json("promote", source, "--to", "prod")["items"][0]["target"] == (
        "prod/team/app:1.2"
    )


def test_a_dry_run_changes_nothing(shell):
    out = shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--dry-run")
    head, title, row, *_ = out.splitlines()
    assert head.startswith("dry run of a copy, nothing was changed: 1 item; 1 manifest, ")
    assert title.split() == ["SOURCE", "TARGET", "ACTION", "OLD", "NEW"]
    digest = str(APP.top.digest)
    assert row.split() == ["dev/team/app:1.2", "prod/team/app:1.2", "create", "-", digest]
    document = shell.json("promote", "dev/team/app:1.2", "--to", "prod", "--dry-run")
    assert (document["id"], document["dry_run"], document["changed"]) == (None, True, True)
    assert shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--dry-run", "-o", "name") == ""
    assert shell.json("ls", "prod") == []
    assert shell.out("promote", "dev/team/app:1.2", "--to", "prod", "-o", "name") == "1\n"
    head, _, row = shell.out("undo", "1", "--dry-run").splitlines()
    assert head.startswith("dry run of an undo, nothing was changed (undoes 1): 1 item; ")
    assert " remove " in row
    assert shell.json("ls", "prod/team/app")


def test_an_expectation_that_fails_is_a_conflict(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod/team/app:stable")
    promote = ("promote", "dev/team/app:1.3", "--to", "prod/team/app:stable")
    said = shell.fails(4, *promote, "--expect-target", "absent")
    assert str(APP.top.digest) in said
    assert "prod/team/app:stable" in said
    assert str(NOWHERE) in shell.fails(4, *promote, "--expect", str(NOWHERE))
    digest, other = str(OTHER.top.digest), str(APP.top.digest)
    shell.out(*promote, "--expect", digest, "--expect-target", other)


def test_every_violation_is_told(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    said = shell.fails(
        4,
        *("promote", "dev/team/app:1.3", "--to", "prod/team/app:1.2"),
        *("--expect", str(NOWHERE), "--expect-target", "absent"),
    )
    assert len(said.splitlines()) == 2
    assert all(line.startswith("Error: ") for line in said.splitlines())


def test_an_undo_of_what_has_changed_since_is_a_conflict(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod/team/app:stable")
    shell.out("promote", "dev/team/app:1.3", "--to", "prod/team/app:stable")
    assert "Promotion 1 cannot be undone" in shell.fails(4, "undo", "1")
    document = shell.json("undo", "2", "--comment", "not yet")
    assert document["undoes"] == 2
    assert document["comment"] == "not yet"
    assert shell.json("show", "prod/team/app:stable")["digest"] == str(APP.top.digest)


def test_promoting_without_a_tag_names_the_ways_to_say_what_is_meant(fixed):
    said = fixed.fails(2, "promote", "dev/team/app", "--to", "prod")
    assert "dev/team/app:TAG, --all-tags, --tags GLOB or --repository" in said
    for source in ("dev", "dev/**", "dev/team/**"):
        said = fixed.fails(2, "promote", source, "--to", "prod")
        assert "meant: --all-tags, --tags GLOB or --repository." in said


def test_a_set_comes_from_stdin_and_the_command_line_goes_before_it(shell):
    text = "comment: from the file\nitems:\n- {source: dev/team/app:1.2, target: prod}\n"
    command_line = ["--root", str(shell.root), "promote", "--set", "-", "-o", "json"]
    result = CliRunner().invoke(command, [*command_line, "--comment", "here", "--move"], text)
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert (document["comment"], document["mode"]) == ("here", "move")
    assert document["items"][0]["target"] == "prod/team/app:1.2"


def test_a_set_says_how_unless_the_command_line_does(shell, tmp_path):
    file = tmp_path / "set.json"
    items = [{"source": "dev/team/app:1.2", "target": "prod"}]
    file.write_text(json.dumps({"items": items, "comment": "filed", "dry_run": True}))
    document = shell.json("promote", "--set", str(file))
    assert (document["comment"], document["dry_run"]) == ("filed", True)
    assert shell.json("ls", "prod") == []


def test_every_name_of_a_set_that_is_wrong_is_told(fixed, tmp_path):
    file = tmp_path / "set.yaml"
    file.write_text("- {source: DEV/a:1, target: prod}\n- {source: dev/a:1, target: PROD}\n")
    said = fixed.fails(2, "promote", "--set", str(file))
    assert [" ".join(line.split()[1:4]) for line in said.splitlines()] == [
        "Item 1: 'DEV/a'",
        "Item 2: 'PROD'",
    ]
    file.write_text("- {source: dev/a:1, target: prod, sauce: none}\n")
    assert "`sauce`" in fixed.fails(2, "promote", "--set", str(file))


def test_a_retag_is_a_promotion_in_the_same_repository(shell):
    out = shell.out("retag", "dev/team/app:1.2", "stable")
    assert out.startswith("promotion 1: dev/team/app:1.2 -> dev/team/app:stable ")
    shell.out("retag", "dev/team/app:1.3", "edge", "--move")
    tags = shell.out("ls", "dev/team/app", "-o", "name").split()
    assert tags == [f"dev/team/app:{tag}" for tag in ("1.2", "edge", "stable")]
    said = shell.fails(4, "retag", "dev/team/app:edge", "stable", "--expect-target", "absent")
    assert "dev/team/app:stable" in said
    shell.out("undo", "1")
    shell.fails(3, "show", "dev/team/app:stable")


def test_a_rename_to_a_name_that_is_taken_is_a_conflict(fixed):
    said = fixed.fails(4, "rename", "dev/team/app", "dev/team/tool")
    assert "dev/team/tool exists already" in said
    assert "promote dev/team/app --repository --move --to dev/team/tool" in said


# --- history --------------------------------------------------------------------------------


def test_history_tells_newest_first_who_what_and_why(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--comment", "Ready")
    shell.out("promote", "dev/team/app:1.3", "--to", "prod/team/app:1.2")
    shell.out("undo", "2", "--comment", "not yet")
    entries = shell.json("history", "prod/team/app:1.2")
    assert [entry["kind"] for entry in entries] == ["undo", "promote", "promote"]
    assert [entry["promotion"] for entry in entries] == [3, 2, 1]
    first = entries[-1]
    assert (first["old_digest"], first["new_digest"]) == (None, str(APP.top.digest))
    assert (first["name"], first["other"]) == ("prod/team/app:1.2", "dev/team/app:1.2")
    assert first["comment"] == "Ready"
    assert first["by"].startswith("os:")
    out = shell.out("history", "prod/team/app:1.2")
    title, *rows = out.splitlines()
    assert title.split()[:4] == ["WHEN", "WHO", "WHAT", "FROM"]
    assert title.split()[-3:] == ["EVENT", "PROMOTION", "COMMENT"]
    assert f" {first['event']} " in rows[-1]
    assert len(rows) == 3
    assert "dev/team/app:1.2 -> prod/team/app:1.2" in rows[-1]
    assert str(APP.top.digest) in rows[-1]
    assert shell.json("history", "prod/team/app:1.2", "--limit", "1") == entries[:1]


def test_history_is_told_of_registries_repositories_tags_and_digests(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod")
    places = ("dev", "dev/team/app", "dev/team/app:1.2", "prod/team/app")
    for place in (*places, f"prod/team/app@{APP.top.digest}"):
        assert shell.json("history", place), place
    assert shell.out("history", "prod/team/app", "-o", "name")


def test_history_show_may_be_left_out_but_for_a_registry_with_a_commands_name(shell):
    shell.out("registry", "create", "verify")
    assert shell.json("history", "show", "dev") == shell.json("history", "dev")
    assert shell.json("history", "--limit", "1", "dev") == shell.json("history", "dev")[:1]
    (entry,) = shell.json("history", "show", "verify")
    assert (entry["kind"], entry["name"]) == ("create", "verify")
    for words in (("--help",), ("-h",)):
        assert "REFERENCE | COMMAND" in shell.out("history", *words)


def test_history_pages_through_all_of_it(shell, monkeypatch):
    for number in range(7):
        shell.out("promote", "dev/team/app:1.2", "--to", f"prod/team/app:t{number}")
    whole = shell.json("history", "prod/team/app")
    plain = Engine.history
    monkeypatch.setattr(
        Engine,
        "history",
        lambda self, of, *, before, **_: plain(self, of, before=before, limit=2),
    )
    assert shell.json("history", "prod/team/app") == whole
    assert shell.json("history", "prod/team/app", "--limit", "5") == whole[:5]


@pytest.mark.parametrize("words", [("history", "prod/team/app:1.2"), ("show", "prod/team/app:1.2")])
def test_a_comment_cannot_steer_the_terminal(shell, words):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--comment", ABUSE)
    rows = len(shell.out("history", "prod/team/app:1.2").splitlines())
    assert rows == 2
    for form in ("table", "json"):
        out = shell.out(*words, "-o", form)
        assert all(line.isprintable() for line in out.splitlines())
        assert "forged row" in out


# --- usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("frobnicate",),
        ("ls", "-o", "yaml"),
        ("ls", "Dev"),
        ("ls", "dev/app:1"),
        ("ls", "a" * 65),
        ("show",),
        ("show", "dev/app:-x"),
        ("show", "dev/app@sha256:12"),
        ("show", "dev/app@md5:d41d8cd98f00b204e9800998ecf8427e"),
        ("show", "dev/../etc:1"),
        ("where",),
        ("where", "sha256:12"),
        ("where", "dev/app:1"),
        ("stats", "-o", "name"),
        ("registry", "create", "a/b"),
        ("registry", "create", "UPPER"),
        ("registry", "create", "\x1b[31m"),
        ("promote", "dev/app:1"),
        ("promote", "dev/app:1", "--to", "Prod"),
        ("promote", "dev/app:1", "--to", f"prod@{NOWHERE}"),
        ("promote", "dev:1", "--to", "prod"),
        ("promote",),
        ("promote", "--to", "prod"),
        ("promote", "dev/app:1", "--to", "prod", "--all-tags"),
        ("promote", "dev/app:1", "--to", "prod", "--tags", "1.*"),
        ("promote", f"dev/app@{NOWHERE}", "--to", "prod", "--repository"),
        ("promote", "dev/app", "--to", "prod", "--all-tags", "--repository"),
        ("promote", "dev/app", "--to", "prod", "--tags", "1,2", "--all-tags"),
        ("promote", "dev/app", "--to", "prod", "--tags", "1.*,2.*"),
        ("promote", "dev/app", "--to", "prod", "--tags", "1,-2"),
        ("promote", "dev/app", "--to", "prod", "--tags", ""),
        ("promote", "dev/app:1", "--to", "prod", "--purge"),
        ("promote", "dev/app:1", "--to", "prod", "--plan", "none.json"),
        ("promote", "dev/app:1", "--to", "prod", "--key", "a b"),
        ("promote", "dev/app:1", "--to", "prod", "--key", ""),
        ("promote", "dev/app:1", "--to", "prod", "--key", "x" * 256),
        ("rename", "dev/app", "dev/new", "--key", "\u00fc"),
        ("promote", "--set", "none.yaml"),
        ("promote", "--set", "."),
        ("promote", "--set", "/dev/null", "--to", "prod"),
        ("promote", "--set", "/dev/null", "--expect-target", "absent"),
        ("promote", "dev/app:1", "--set", "/dev/null"),
        ("retag", "dev/app", "new"),
        ("retag", "dev/app:1"),
        ("retag", "dev/app:1", "-new"),
        ("retag", "dev/app:1", "dev/app:2"),
        ("rename", "dev/app"),
        ("rename", "dev/app:1", "dev/new"),
        ("rename", "dev/app", "new"),
        ("promotion", "show", "0"),
        ("promotion", "list", "--limit", "0"),
        ("promote", "dev/app:1", "--to", "prod", "--expect", "latest"),
        ("promote", "dev/app:1", "--to", "prod", "--attachments", "both"),
        ("undo", "one"),
        ("undo", "0"),
        ("undo", "-1"),
        ("history",),
        ("history", "show"),
        ("history", "Dev"),
        ("history", "verify", "dev"),
        ("history", "dev", "--limit", "0"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(fixed, words):
    said = fixed.fails(2, *words)
    assert "Usage: " in said
    assert "\x1b" not in said


@pytest.mark.parametrize("number", ["abc", "0", "1.5", "9" * 30, "\x1b[31m", "\u0661"])
def test_what_is_no_promotions_number_is_told_where_they_are(fixed, number):
    for words in (("undo", number), ("promotion", "show", number)):
        said = fixed.fails(2, *words)
        assert "a promotion has a number, as `liftlock promotion list` shows it" in said
        assert "\x1b" not in said


def test_a_comment_that_is_no_unicode_or_too_long_is_refused(fixed):
    fixed.fails(2, "registry", "create", "new", "--comment", "\udcff")
    assert "1000" in fixed.fails(2, "registry", "create", "new", "--comment", "x" * 1001)


def test_a_busy_store_is_unavailable(fixed, monkeypatch):
    def busy(*_args, **_options):
        raise StoreBusy("another host has it")

    monkeypatch.setattr(liftlock, "open", busy)
    assert "another host has it" in fixed.fails(6, "ls")


def test_a_bug_has_an_id_and_no_traceback(fixed, monkeypatch, tmp_path):
    def broken(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(Engine, "list_registries", broken)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    said = fixed.fails(1, "ls")
    assert "failures.log" in said
    assert "Traceback" not in said
    assert "ZeroDivisionError" in (tmp_path / "liftlock" / "failures.log").read_text()


# --- as a process ---------------------------------------------------------------------------


def process(root: Path, *words: str, env: Mapping[str, str] = ENV) -> subprocess.Popen[str]:
    line = [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(root), *words]
    return subprocess.Popen(
        line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_module_is_the_command(fixed):
    running = process(fixed.root, "ls", "-o", "name")
    assert running.communicate(timeout=30) == ("dev\nprod\n", "")
    assert running.returncode == 0


def test_the_version_is_printed():
    result = CliRunner().invoke(command, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("liftlock")


def test_a_reader_that_goes_ends_the_command_quietly(fixed):
    read, write = os.pipe()
    os.close(read)
    line = [sys.executable, "-m", "liftlock_cli", "--root", str(fixed.root), "ls", "dev/team/app"]
    done = subprocess.run(
        line, env=ENV, stdout=write, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_get_nothing_and_the_store_not_their_numbers(shell, closed):
    line = f'"{sys.executable}" -m liftlock_cli --root "{shell.root}" '
    for words in ("show dev/team/app:1.2", "promote dev/team/app:1.2 --to prod", "check --content"):
        run = ["sh", "-c", f"{line} {words} {closed}"]
        done = subprocess.run(run, env=ENV, capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    shell.out("check", "--content")


def test_a_terminal_that_lacks_a_character_gets_it_written_out(shell):
    shell.out("promote", "dev/team/app:1.2", "--to", "prod", "--comment", "ship it 🚢")
    env = {**ENV, "PYTHONIOENCODING": "iso-8859-1"}
    running = process(shell.root, "history", "prod/team/app:1.2", env=env)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert r"ship it \U0001f6a2" in out


def test_output_that_finds_no_room_is_unavailable(fixed):
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-m", "liftlock_cli", "--root", str(fixed.root), "ls"]
        done = subprocess.run(
            line, env=ENV, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )
    assert done.returncode == 6
    assert done.stderr.startswith(b"Error: The machine refused: No space left on device. Free ")


def test_a_promotion_that_could_not_be_printed_is_not_said_to_have_failed(shell):
    line = [sys.executable, "-m", "liftlock_cli", "--root", str(shell.root)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*line, "promote", "dev/team/app:1.2", "--to", "prod"],
            env=ENV, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 6
    assert b"promotion 1 was made, but could not be printed" in done.stderr
    assert "removed" in shell.out("undo", "1")
    assert shell.out("undo", "1") == "promotion 1 was undone already, by promotion 2\n"


def test_an_interrupt_ends_with_130_quietly(fixed):
    program = (
        "import os, signal, liftlock_cli.main as main, liftlock.engine as engine\n"
        "def check(self, **_):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    yield from ()\n"
        "engine.Engine.check = check\n"
        "main.main()\n"
    )
    line = [sys.executable, "-c", program, "--root", str(fixed.root), "check"]
    done = subprocess.run(line, env=ENV, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_colours_are_for_terminals(fixed):
    """On a terminal digests are short too; the terminal is a pair of pseudo devices."""
    own, terminal = os.openpty()
    line = [sys.executable, "-m", "liftlock_cli", "--root", str(fixed.root), "ls", "dev/team/app"]
    env = {key: value for key, value in ENV.items() if key != "NO_COLOR"}
    running = subprocess.Popen(line, stdout=terminal, env={**env, "TERM": "xterm"})
    os.close(terminal)
    shown = b""
    while chunk := _read(own):
        shown += chunk
    running.wait(30)
    os.close(own)
    assert b"\x1b[1m" in shown
    assert str(APP.top.digest)[:19].encode() in shown
    assert str(APP.top.digest).encode() not in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # EIO: the other side is closed
        return b""


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    running = process(tmp_path / "store", "serve", "--port", str(port))
    yield running
    running.kill()
    running.communicate()


def test_serve_makes_the_store_says_where_it_listens_and_ends_well(server, port, tmp_path):
    assert server.stdout
    assert f"http://127.0.0.1:{port}" in server.stdout.readline()
    beside = InProcess(tmp_path / "store")
    beside.out("registry", "create", "dev")
    assert beside.out("ls", "-o", "name") == "dev\n"
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=30)
    assert (server.returncode, out, err) == (0, "", "")


def test_serve_on_a_port_in_use_is_unavailable(tmp_path, port):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        running = process(tmp_path / "store", "serve", "--port", str(port))
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (6, "")
    assert str(port) in err
