"""helm: charts are packaged, pushed, shown, promoted and pulled."""

from __future__ import annotations

import pytest
from programs import ran, require

pytestmark = pytest.mark.clients

VALUES = "level: 3\n"


@pytest.fixture
def helm(tmp_path):
    """helm, with nothing of the machine's: its caches and settings are in a folder of the test."""
    program = require("helm")
    env = {f"HELM_{what}_HOME": f"{tmp_path}/helm/{what}" for what in ("CACHE", "CONFIG", "DATA")}
    return lambda *words: ran(program, *words, env=env)


@pytest.fixture
def chart(helm, tmp_path):
    """A chart that is packaged, as a file."""
    folder = tmp_path / "tide"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: tide\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text(VALUES)
    (folder / "templates" / "level.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tide}\n"
        "data: {level: '{{ .Values.level }}'}\n"
    )
    helm("package", folder, "--destination", tmp_path)
    return tmp_path / "tide-0.1.0.tgz"


def test_a_chart_comes_back_byte_for_byte(helm, server, chart, tmp_path):
    told = helm("push", chart, f"oci://{server.name('dev/charts')}", "--plain-http")
    assert server.digest("dev/charts/tide", "0.1.0") in told.stdout + told.stderr
    back = tmp_path / "back"
    back.mkdir()
    helm("pull", f"oci://{server.name('dev/charts/tide')}", "--plain-http", "--destination", back)
    assert (back / chart.name).read_bytes() == chart.read_bytes()


def test_a_promoted_chart_is_shown_and_rendered(helm, server, chart):
    """A version is a tag; a range of versions is answered from the list of tags."""
    helm("push", chart, f"oci://{server.name('dev/shown')}", "--plain-http")
    server.promote("dev/shown/tide:0.1.0", "prod/shown/tide")
    name = f"oci://{server.name('prod/shown/tide')}"
    for version in ("0.1.0", "^0.1"):
        assert VALUES in helm("show", "values", name, "--version", version, "--plain-http").stdout
    assert "level: '3'" in helm("template", name, "--plain-http").stdout
