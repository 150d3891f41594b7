"""An image drawn as a tree: for people on terminals, and for pipes."""

from __future__ import annotations

import io
import sys

import pytest

from liftlock import Reference, RepositoryName
from liftlock.engine import Engine
from liftlock.model import SettingsChange
from liftlock.oci.mediatype import OCI_INDEX
from liftlock.testing.images import (
    attachment,
    fallback_index,
    image,
    index,
    platforms,
    push,
    referrer,
)
from liftlock_cli import output, trees

DEV = RepositoryName("dev", "app")


def drawn(engine: Engine, tag: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The tree of an image, its digests and sizes left out."""
    found = engine.inspect(of(tag))
    trees.print_tree("image", found)
    lines = capsys.readouterr().out.splitlines()
    return ["  ".join(part for part in line.split("  ") if not is_measure(part)) for line in lines]


def of(tag: str) -> Reference:
    return Reference(DEV, tag)


def is_measure(part: str) -> bool:
    return part.startswith("sha256:") or part.partition(",")[0].isdigit()


def test_what_belongs_to_it_stands_below_it(engine, capsys):
    multi = platforms(engine, DEV, "1", count=2)
    attachment(engine, multi, "all")
    first, second = multi.children
    sbom = referrer(engine, first, artifact_type="application/spdx+json")
    attachment(engine, sbom, "sbom")
    attachment(engine, second, "second", suffix=".att")
    assert drawn(engine, "1", capsys) == [
        "image  signed",
        "|-- signature  .sig tag",
        "|-- linux/arch0",
        "|   `-- sbom  application/spdx+json  signed",
        "|       `-- signature  .sig tag",
        "`-- linux/arch1",
        "    `-- attestation  .att tag",
    ]


def test_of_a_bundle_it_tells_what_it_states(engine, capsys):
    app = image(engine, DEV, "1")
    kind, predicate = (
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "https://slsa.dev/provenance/v1",
    )
    annotations = {"dev.sigstore.bundle.predicateType": predicate}
    referrer(engine, app, artifact_type=kind, annotations=annotations)
    assert drawn(engine, "1", capsys)[1] == f"`-- attestation  {kind}  {predicate}"


def test_what_is_a_referrer_is_not_repeated_below_the_referrers_tag(engine, capsys):
    """But what only the tag lists is."""
    app = image(engine, DEV, "1")
    sbom = referrer(engine, app, artifact_type="text/spdx")
    other = image(engine, DEV, seed="other")
    fallback_index(engine, app, [sbom, other])
    assert drawn(engine, "1", capsys) == [
        "image",
        "|-- sbom  text/spdx",
        "`-- referrers tag",
        "    `-- linux/arch1",
    ]


def test_what_has_no_platform_has_another_label(engine, capsys):
    chart = image(engine, DEV, seed="chart", artifact_type="application/vnd.example.chart")
    inner = index(engine, DEV, None, [image(engine, DEV, seed="inner")])
    body = {"schemaVersion": 2, "manifests": [chart.descriptor, inner.descriptor]}
    push(engine, DEV, "1", body, media_type=OCI_INDEX)
    assert drawn(engine, "1", capsys)[1:] == [
        "|-- linux/amd64",
        "`-- index",
        "    `-- linux/arch0",
    ]


def test_what_is_absent_says_so(engine, capsys):
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    index(engine, DEV, "1", [image(engine, "test/app", seed="there")])
    assert drawn(engine, "1", capsys)[1] == "`-- linux/arch0  absent"


def test_text_of_others_cannot_steer_the_terminal(engine, capsys):
    app = image(engine, DEV, "1")
    annotations = {"dev.sigstore.bundle.predicateType": "\x1b[31mred\r\nforged"}
    referrer(engine, app, annotations=annotations)
    lines = drawn(engine, "1", capsys)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


class Screen(io.TextIOWrapper):
    """A terminal of some encoding."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("encoding", "stroke"),
    [("utf-8", "└── "), ("cp437", "└── "), ("latin-1", "`-- "), ("ascii", "`-- ")],
)
def test_lines_join_where_the_terminal_has_them(engine, monkeypatch, encoding, stroke):
    platforms(engine, DEV, "1", count=1)
    found = engine.inspect(of("1"))
    screen = Screen(encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    assert output.on_terminal()
    trees.print_tree("1", found)
    lines = screen.bytes.getvalue().decode(encoding).splitlines()
    assert lines[1].startswith(f"{stroke}linux/arch0  sha256:{found.children[0].digest.hex[:12]}  ")
