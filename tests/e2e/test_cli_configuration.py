"""`config`, and that what is configured reaches what it is for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result
from shells import ENV

from liftlock_cli.main import liftlock as command

ALONE = {name: value for name, value in ENV.items() if not name.startswith("LIFTLOCK_")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and no variable of ours."""
    for name in os.environ:
        if name.startswith("LIFTLOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(command, words, env=environment)


def shown(*words: str, **environment: str) -> dict[str, dict[str, object]]:
    result = run(*words, "config", "show", "-o", "json", **environment)
    assert result.exit_code == 0, result.stderr
    return {one["key"]: one for one in json.loads(result.stdout)}


def test_config_show_says_where_each_value_comes_from(folder):
    (folder / "liftlock.toml").write_text("[server]\nport = 1\n[store]\nroot = 'images'\n")
    found = shown("--setting", "http_limits.backlog=7", LIFTLOCK_SERVER__HOST="::1")
    port = found["server.port"]
    assert (port["value"], port["source"], port["origin"]) == (1, "file", "liftlock.toml")
    assert (port["default"], port["variable"]) == (5000, "LIFTLOCK_SERVER__PORT")
    assert found["store.root"]["value"] == str(folder / "images")
    host = found["server.host"]
    assert (host["source"], host["origin"]) == ("environment", "LIFTLOCK_SERVER__HOST")
    backlog = found["http_limits.backlog"]
    assert (backlog["value"], backlog["source"]) == (7, "flag")
    assert (found["limits.hold_ms"]["origin"], found["limits.hold_ms"]["unit"]) == (None, "ms")
    assert not (folder / "images").exists()


def test_config_show_has_a_table_and_names(folder):
    lines = run("--root", "x", "config", "show", "--changed").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["KEY", "VALUE", "FROM"],
        ["store.root", "x", "--root"],
    ]
    assert "LIFTLOCK_SERVER__PORT" in run("config", "show", "--explain").stdout
    names = run("config", "show", "-o", "name").stdout.splitlines()
    assert names == list(shown())


def test_variables_that_nobody_reads_are_told_once(folder):
    strange = {"LIFTLOCK_PORT": "tcp://10.0.0.1:5000", "LIFTLOCK_ROOT": "x"}
    result = run("config", "show", "--changed", **strange)
    assert result.exit_code == 0
    warning, note = result.stderr.splitlines()
    assert warning == "Warning: LIFTLOCK_ROOT is not read; did you mean LIFTLOCK_STORE__ROOT?"
    assert "enableServiceLinks: false" in note
    quiet = run("-q", "config", "show", **strange).stderr
    assert quiet.splitlines() == [warning]
    assert run("--root", "store", "init", **strange).stderr.splitlines() == [warning]


def test_config_check_judges_a_file_by_itself(folder):
    good, bad = folder / "good.toml", folder / "bad.toml"
    good.write_text("[server]\nport = 1\nworkers = 2\n")
    bad.write_text("[server]\nprot = 1\nworkers = 99\n")
    (folder / "liftlock.toml").write_text("nonsense")
    assert (
        run("config", "check", "good.toml").stdout
        == "good.toml: nothing is wrong; keys that are set: 2\n"
    )
    assert run("config", "check", "good.toml", "-o", "name").stdout == "good.toml\n"
    assert json.loads(run("config", "check", "good.toml", "-o", "json").stdout) == {
        "file": "good.toml",
        "keys_set": 2,
    }
    result = run("config", "check", "bad.toml", LIFTLOCK_SERVER__PORT="nonsense")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "Error: bad.toml:2: [server] has no key `prot`; did you mean `port`?",
        "Error: bad.toml:3: `workers` must be a whole number from 1 to 16, and is 99.",
    ]
    assert run("config", "check").exit_code == 2
    (folder / "liftlock.toml").unlink()
    assert run("config", "check").stdout == "no file: nothing is wrong; keys that are set: 0\n"


@pytest.mark.parametrize(
    "words", [("--help",), ("ls", "--help"), ("config", "example"), ("--version",)]
)
def test_what_needs_no_configuration_works_while_it_is_broken(folder, words):
    (folder / "liftlock.toml").write_text("nonsense")
    assert run(*words).exit_code == 0
    assert "liftlock.toml: this is not TOML" in run("ls").stderr


def test_the_example_can_be_used(folder):
    (folder / "liftlock.toml").write_text(run("config", "example").stdout)
    assert run("config", "check").exit_code == 0
    assert all(one["source"] == "default" for one in shown().values())


def test_a_flag_that_is_no_setting_is_wrong_usage(folder):
    result = run("--setting", "server.port", "ls")
    assert result.exit_code == 2
    assert "'server.port' is not SECTION.KEY=VALUE" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--setting", "http_limits.backlog=0", "serve"),
            "--setting http_limits.backlog: `backlog`",
        ),
        (("serve", "--port", "http"), "--port: `port` must be a whole number from 0 to 65535"),
        (("serve", "--workers", "0"), "--workers: `workers` must be a whole number from 1 to 16"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_served(folder, words, said):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert list(folder.iterdir()) == []


def test_the_limits_reach_the_cli(folder):
    (folder / "liftlock.toml").write_text("[limits]\ncomment_characters_max = 5\n")
    assert run("init").exit_code == 0
    result = run("registry", "create", "dev", "--comment", "longer")
    assert result.exit_code == 2
    assert "5" in result.stderr
    assert run("registry", "create", "dev", "--comment", "short").exit_code == 0


@pytest.fixture
def address(folder) -> Iterator[str]:
    (folder / "liftlock.toml").write_text(
        "[server]\nport = 0\nworkers = 2\n[limits]\nmanifest_bytes_max = 10\n"
    )
    assert run("init").exit_code == 0
    assert run("registry", "create", "dev").exit_code == 0
    server = subprocess.Popen(
        [sys.executable, "-m", "liftlock_cli", "serve"],
        cwd=folder,
        env=ALONE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    yield server.stdout.readline().split()[-1]
    server.terminate()
    server.stdout.close()
    assert server.wait(30) == 0


def test_the_limits_reach_every_worker_of_the_server(address):
    for _ in range(8):  # each connection may come to another worker
        answer = httpx2.put(
            f"{address}/v2/dev/app/manifests/1",
            content=b"{" + b" " * 10 + b"}",
            headers={"content-type": "application/vnd.oci.image.manifest.v1+json"},
        )
        assert answer.status_code == 413, answer.text
