"""`import` and `export`, as a person uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from shells import ENV

import liftlock
from liftlock.oci.mediatype import DOCKER_MANIFEST
from liftlock.testing import images
from liftlock.testing.archives import Layout, tar_of

APP = "dev/team/app"


def test_a_repository_goes_out_and_comes_in(shell, tmp_path):
    out = tmp_path / "out"
    assert "4 tags" not in shell.out("export", APP, str(out))
    assert "there already" in shell.out("export", APP, str(out))
    said = shell.out("import", str(out), "--to", "prod/app", "--comment", "from the other site")
    assert said.splitlines()[0].startswith(f"{out}: brought in 2 manifests and ")
    assert {n.rpartition(":")[2]: d for n, d in shell.tags("prod").items()} == {
        n.rpartition(":")[2]: d for n, d in shell.tags("dev").items() if n.startswith(APP)
    }
    assert "all of it is there already" in shell.out("import", str(out), "--to", "prod/app")
    entry = shell.json("history", "prod/app:1.2")[0]
    assert (entry["kind"], entry["other"]) == ("import", str(out))
    assert entry["comment"] == "from the other site"


def test_a_registry_goes_to_a_tar_and_comes_in_by_name(shell, tmp_path):
    for form in ("tar", "tar.gz", "tar.zst"):
        path = str(tmp_path / f"all.{form}")
        shell.out("export", "dev", path)
        shell.out("import", path, "--to", "prod")
    assert {n.partition("/")[2]: d for n, d in shell.tags("prod").items()} == {
        n.partition("/")[2]: d for n, d in shell.tags("dev").items()
    }
    assert shell.names("import", path) == shell.names("import", path)


def test_stdout_is_a_tar_and_what_is_told_goes_to_stderr(shell, tmp_path):
    line = [sys.executable, "-m", "liftlock_cli", "--root", str(shell.root)]
    done = subprocess.run(
        [*line, "export", f"{APP}:1.2", "-", "--format", "tar.gz"],
        env=ENV, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    (tmp_path / "a.tar.gz").write_bytes(done.stdout)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames()[:2] == ["oci-layout", "index.json"]
    assert b"-: has 1 manifest" in done.stderr
    assert "cannot be a folder" in shell.fails(2, "export", APP, "-", "--format", "folder")


def test_json_tells_all_of_it(shell, tmp_path):
    out = str(tmp_path / "out")
    exported = shell.json("export", f"{APP}:1.2", out, "--dry-run")
    assert exported["dry_run"]
    assert not (tmp_path / "out").exists()
    assert exported["items"][0].keys() == {
        "source",
        "name",
        "digest",
        "media_type",
        "attachment",
    }
    done = shell.json("export", f"{APP}:1.2", out)
    assert done == exported | {"dry_run": False}
    planned = shell.json("import", out, "--to", "prod/app", "--dry-run")
    assert shell.json("ls", "prod") == []
    came = shell.json("import", out, "--to", "prod/app")
    assert planned["items"] == came["items"]
    assert (planned["event"], came["brought"]) == (None, planned["brought"])


def test_names_are_what_scripts_go_on_with(shell, tmp_path):
    out = str(tmp_path / "out")
    first, second, *attached = shell.names("export", f"{APP}:1.2", "dev/team/tool:3.0", out)
    assert (first, second) == (f"{APP}:1.2", "dev/team/tool:3.0")
    assert all(name.startswith("dev/team/tool@sha256:") for name in attached)
    assert shell.names("import", out, "--to", "prod", "--retag", "{tag}-rc") == [
        "prod/team/app:1.2-rc",
        "prod/team/tool:3.0-rc",
    ]


def test_tags_are_chosen_on_both_ways(shell, tmp_path):
    out = str(tmp_path / "out")
    assert shell.names("export", APP, out, "--tags", "1.*") == [
        f"{APP}:1.10",
        f"{APP}:1.2",
        f"{APP}:1.3",
    ]
    assert shell.names("import", out, "--to", "prod/app", "--tags", "1.2,1.3") == [
        "prod/app:1.2",
        "prod/app:1.3",
    ]


def test_what_would_be_replaced_is_told_with_the_way_out(shell, tmp_path):
    out, tar = str(tmp_path / "out"), str(tmp_path / "a.tar")
    for path in (out, tar):
        shell.out("export", f"{APP}:1.2", path)
    said = shell.fails(4, "export", f"{APP}:1.2", tar)
    assert said == (
        f"Error: {tar} is there. Say that it may be replaced with --overwrite, or name another "
        "place.\n"
    )
    shell.out("export", f"{APP}:1.2", tar, "--overwrite")
    shell.out("import", out, "--to", "dev/team/app:1.2")
    said = shell.fails(4, "import", out, "--to", f"{APP}:1.3")
    assert f"{APP}:1.3 is at sha256:" in said
    assert "--overwrite" in said
    shell.out("import", out, "--to", f"{APP}:1.3", "--overwrite")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["import", "absent", "--to", "prod/app"], 3, "There is no file or folder 'absent'"),
        (["import", "/dev/null", "--to", "prod/app"], 2, "neither a file nor a folder"),
        (["import", ".", "--to", "prod/app"], 2, "no OCI image layout"),
        (["import", ".", "--to", "PROD"], 2, "not a valid name"),
        (["export", "dev/absent", "out"], 3, "There is no repository 'dev/absent'"),
        (["export", "dev", "absent/out"], 2, "there is no folder absent"),
        (["export", "dev"], 2, "Missing argument"),
        (["export", "dev", "x" * 252 + ".tar"], 6, "x.tar: File name too long."),
        (["export", "dev", "x" * 246 + ".tar"], 6, "x.tar.partial: File name too long."),
        (["export", "dev", ".", "--overwrite"], 4, "no OCI layout. Name another place."),
    ],
)
def test_what_cannot_be_is_a_sentence_and_a_code(shell, words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in " ".join(shell.fails(code, *words).split())
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_docker_manifests_are_told_since_not_all_find_them(shell, tmp_path):
    document = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": "x/y", "digest": f"sha256:{'0' * 64}", "size": 2},
            "layers": [],
        }
    )
    with liftlock.open(shell.root) as engine:
        digest = images.upload(engine, "dev/docker", b"{}")
        body = document.replace(f"sha256:{'0' * 64}", str(digest)).encode()
        images.push(engine, "dev/docker", "1", body, media_type=DOCKER_MANIFEST)
    done = shell("export", "dev/docker", str(tmp_path / "out"))
    assert done.returncode == 0
    assert "Warning: dev/docker:1: a manifest of docker's own type" in done.stderr


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_an_import_can_be_interrupted_and_goes_on(shell, tmp_path, kind, code):
    """Between two pieces: no session is left, and what came in is there for the next."""
    layout = Layout()
    layout.image("1", contents=[bytes((n,)) + os.urandom(3_000_000) for n in range(120)])
    archive = tmp_path / "large.tar"
    archive.write_bytes(tar_of(layout.files))
    line = [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(shell.root)]
    process = subprocess.Popen(
        [*line, "import", str(archive), "--to", "prod/app"], env=ENV,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for_blobs(shell.root)
    process.send_signal(kind)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Broken off: no image" in err
    assert list((shell.root / "uploads").iterdir()) == []
    assert shell.json("ls", "prod/app") == []
    done = shell.json("import", str(archive), "--to", "prod/app")
    assert done["skipped"]["blobs"] > 0
    assert done["brought"]["blobs"] + done["skipped"]["blobs"] == 121
    assert shell("check").returncode == 0


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_an_export_can_be_interrupted_and_leaves_nothing_half_written(shell, tmp_path, kind, code):
    layout = Layout()
    layout.image("1", contents=[bytes((n,)) + os.urandom(3_000_000) for n in range(120)])
    archive = tmp_path / "large.tar"
    archive.write_bytes(tar_of(layout.files))
    shell.out("import", str(archive), "--to", "dev/large")
    line = [sys.executable, "-W", "error", "-m", "liftlock_cli", "--root", str(shell.root)]
    for name, partial in (("a.tar", ".a.tar.partial"), ("a", "a/.incoming.partial")):
        out = tmp_path / name
        process = subprocess.Popen(
            [*line, "export", "dev/large", str(out)],
            env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not has_bytes(tmp_path / partial):
            assert time.monotonic() < deadline
        process.send_signal(kind)
        assert process.communicate(timeout=60)[0] == ""
        assert process.returncode == code
        assert not (tmp_path / partial).exists()
        assert not (out / "index.json" if out.is_dir() else out).exists()
        shell.out("export", "dev/large", str(out))


def has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def wait_for_blobs(root: Path) -> None:
    """Until some large blobs are there; and the import has still much to do."""
    before = blobs(root)
    deadline = time.monotonic() + 60
    while blobs(root) < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def blobs(root: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(root / "blobs"))
