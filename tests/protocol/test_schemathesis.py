"""schemathesis asks what the API's description allows, and what it forbids: all its checks hold.

No failure of ours, no answer outside the description, nothing accepted that does not fit it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SEED = "17"
READS = ("--include-method", "GET", "--phases", "examples,coverage,fuzzing")
CHANGES = ("--exclude-method", "GET", "--phases", "examples,coverage,fuzzing")
IN_A_ROW = ("--phases", "stateful")
DESCRIBED = "{}/api/v1/openapi.json"


def run(server, folder: Path, *arguments: str) -> set[tuple[str, int]]:
    """Run schemathesis; return which operations were answered, and how."""
    report = folder / "report.har"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(CONFIGURATION), "run", DESCRIBED.format(server.url)),
            *("--checks", "all", "--seed", SEED, "--generation-database", "none"),
            *("--max-failures", "5", "--report", "har", "--report-har-path", str(report)),
            *arguments,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line[:300] for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 0, "\n".join(told)
    return set(answered(server, report))


def answered(server, report: Path) -> Iterator[tuple[str, int]]:
    document = server.http.get(DESCRIBED.format("")).json()
    operations = [
        (method.upper(), re.compile(re.sub(r"\\{\w+\\}", "[^/?]+", re.escape(path))), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for entry in json.loads(report.read_text())["log"]["entries"]:
        request, status = entry["request"], entry["response"]["status"]
        path = request["url"].removeprefix(server.url).partition("?")[0]
        for method, form, operation in operations:
            if method == request["method"] and form.fullmatch(path):
                yield operation["operationId"], status


@pytest.fixture
def filled(own_server):
    """What the examples of the description name is there."""
    image = own_server.push_image("dev/team/app", "1.2")
    subject = {"mediaType": "a/b", "digest": image.digest, "size": 1}
    own_server.push_image("dev/team/app", subject=subject, artifactType="application/spdx+json")
    assert own_server.promote("dev/team/app:1.2", "prod").json()["id"] == 1
    return own_server


def test_what_is_read(filled, tmp_path):
    found = run(filled, tmp_path, *READS, "--max-examples", "6")
    succeeded = {operation for operation, status in found if status == 200}
    assert succeeded == {
        *("listRegistries", "showRegistry", "listRepositories", "showRepository", "listTags"),
        *("showTag", "showManifest", "listReferrers", "listHistory", "listWhereabouts"),
        *("showStats", "listPromotions", "showPromotion", "showDescription"),
    }


def test_what_is_changed(filled, tmp_path):
    """Registries come and go by it, so that much is not there any more when it is asked for."""
    found = run(filled, tmp_path, *CHANGES, "--max-examples", "4")
    succeeded = {operation for operation, status in found if status < 300}
    assert succeeded >= {"createRegistry", "changeRegistry", "deleteRegistry", "promote"}


def test_one_after_the_other(filled, tmp_path):
    """What an answer leads to, as the description's links say."""
    found = run(filled, tmp_path, *IN_A_ROW, "--max-examples", "10")
    assert {"createRegistry", "showRegistry"} <= {operation for operation, _ in found}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_very_much_of_it(filled, tmp_path):
    for phase in (READS, IN_A_ROW, CHANGES):
        run(filled, tmp_path, *phase, "--max-examples", "300")
