"""What comes in, where to, and what it does to what is there."""

from __future__ import annotations

import gzip
import json
import os
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from liftlock import Limits, links, names
from liftlock.config import KIB
from liftlock.engine import Engine
from liftlock.errors import (
    ArchiveInvalid,
    ArchiveUnknown,
    LiftlockError,
    ManifestUnknown,
    NameInvalid,
    RegistryUnknown,
    SparseManifest,
    SparseRefused,
    StoreBusy,
    TagTaken,
    TargetsCollide,
    TextInvalid,
    TransferInvalid,
)
from liftlock.metadata import keys
from liftlock.metadata.contract import ReadTxn
from liftlock.model import ArchiveKind, Outcome, SettingsChange
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_MANIFEST
from liftlock.oci.reference import Reference, RepositoryName
from liftlock.testing import images
from liftlock.testing.archives import (
    Files,
    Layout,
    blob_name,
    docker_files,
    link_to,
    tar_of,
    write_folder,
)
from liftlock.testing.clock import FakeClock
from liftlock.testing.counting import CountingStore

FORMS = ("folder", "tar", "tar.gz", "tar.zst")
NAME = "dev/team/app"


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """Write files as an archive and return its path."""

    def pack(files: Files, form: str = "folder", name: str = "archive") -> Path:
        path = tmp_path / f"{name}.{form}"
        if form == "folder":
            return write_folder(path, files)
        path.write_bytes(tar_of(files, form))
        return path

    return pack


def tags(engine: Engine, name: str) -> dict[str, Digest]:
    return {tag.name: tag.digest for tag in engine.list_tags(RepositoryName.parse(name)).entries}


def repositories(engine: Engine, registry: str) -> list[str]:
    return [str(one.name) for one in engine.list_repositories(registry).entries]


@pytest.fixture
def exported(engine: Engine, tmp_path: Path) -> Callable[[str], Path]:
    """An export of a registry with all that may come along."""
    top = images.platforms(engine, NAME, "1.2", count=2)
    sbom = images.referrer(engine, top.children[0], seed="sbom")
    images.referrer(engine, sbom, seed="of the sbom")
    images.attachment(engine, top, "signed", suffix=".sig")
    images.image(engine, NAME, "2.0", seed="other")
    tool = images.image(engine, "dev/team/tool", "1", seed="other")
    images.referrer(engine, tool, seed="of the tool")

    def export(form: str, source: str = "dev") -> Path:
        path = tmp_path / f"exported.{form}"
        engine.export_images(source, path)
        return path

    return export


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_what_was_exported_comes_in_as_it_was(engine, exported, form):
    done = engine.import_images(exported(form), "prod", by="me")
    assert repositories(engine, "prod") == ["prod/team/app", "prod/team/tool"]
    for name in ("team/app", "team/tool"):
        assert tags(engine, f"prod/{name}") == tags(engine, f"dev/{name}")
        there = engine.get_repository(RepositoryName("prod", name)).usage
        assert there == engine.get_repository(RepositoryName("dev", name)).usage
        for tag, digest in tags(engine, f"dev/{name}").items():
            was = engine.get_manifest(Reference(RepositoryName("dev", name), tag))
            assert engine.get_manifest(Reference(RepositoryName("prod", name), tag)) == was
            subject = engine.list_referrers(RepositoryName("prod", name), digest).entries
            assert subject == engine.list_referrers(RepositoryName("dev", name), digest).entries
    assert done.changed
    assert done.manifests == 9
    assert {item.action for item in done.items} == {Outcome.CREATE}


@pytest.mark.parametrize("form", FORMS)
def test_done_twice_it_changes_nothing_and_reads_no_blob(engine, exported, form):
    path = exported(form)
    first = engine.import_images(path, "prod", by="me")
    told: list[int] = []
    again = engine.import_images(path, "prod", by="me", progress=told.append)
    assert (again.changed, again.event, again.manifests, told) == (False, None, 0, [])
    assert {item.action for item in again.items} == {Outcome.UNCHANGED}
    assert again.skipped == first.brought


def test_without_a_target_images_go_where_they_are_called(engine, exported):
    path = exported("tar")
    engine.delete_registry("dev", by="me", force=True)
    engine.create_registry("dev", by="me")
    engine.import_images(path, by="me")
    assert repositories(engine, "dev") == ["dev/team/app", "dev/team/tool"]


def test_a_referrer_goes_only_where_it_was(engine, exported):
    """Both repositories have the image, and only one has the referrer."""
    engine.import_images(exported("tar"), "prod", by="me")
    digest = tags(engine, "dev/team/tool")["1"]
    assert len(engine.list_referrers(RepositoryName("prod", "team/tool"), digest).entries) == 1
    assert engine.list_referrers(RepositoryName("prod", "team/app"), digest).entries == ()


def test_one_event_tells_of_all_of_it(engine, exported):
    path = exported("tar")
    done = engine.import_images(path, "prod", by="me", comment="moved house")
    entries = [e for e in engine.history("prod").entries if e.kind == "import"]
    assert {e.event for e in entries} == {done.event}
    assert {(e.by, e.comment, e.other) for e in entries} == {("me", "moved house", str(path))}
    assert {e.name.rpartition("@")[0] or e.name for e in entries if "@" in e.name} == {
        "prod/team/app",
        "prod/team/tool",
    }
    assert [e.action for e in entries if "@" in e.name] == ["brought"] * 3
    tag = engine.history(Reference.parse("prod/team/app:2.0")).entries[0]
    assert (tag.action, tag.new_digest) == ("created", tags(engine, "prod/team/app")["2.0"])


def test_a_dry_run_says_what_comes_in_and_changes_nothing(engine, exported):
    path = exported("tar")
    planned = engine.import_images(path, "prod", by="me", dry_run=True)
    assert repositories(engine, "prod") == []
    done = engine.import_images(path, "prod", by="me")
    assert planned == done._replace(event=None, records=planned.records)
    assert planned.records >= done.records


def test_what_others_did_to_the_target_meanwhile_is_judged_anew(engine, packed):
    layout = Layout()
    layout.image("1", "a")
    with engine.planned_import(packed(layout.files), "prod/app", by="me") as plan:
        other = images.image(engine, "prod/app", "1", seed="b")
        with pytest.raises(TagTaken):
            engine.execute_import(plan)
    assert tags(engine, "prod/app") == {"1": other.digest}


# --- where it goes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("called", "to", "expected"),
    [
        (("1", None), "prod/app", "prod/app:1"),
        (("1", None), "prod/app:2", "prod/app:2"),
        ((None, None), "prod/app:2", "prod/app:2"),
        (("dev/team/app:1", None), "prod", "prod/team/app:1"),
        (("dev/team/app:1", None), None, "dev/team/app:1"),
        (("dev/team/app:1", None), "prod/app", "prod/app:1"),
        (("1", "dev/team/app:1"), "prod", "prod/team/app:1"),
        (("1", "dev/team/app:1"), None, "dev/team/app:1"),
        (("1", "docker.io/library/app:1"), "prod", "prod/library/app:1"),
        (("2", "dev/team/app:1"), "prod", "prod/team/app:2"),  # as umoci leaves it
        ((None, "docker.io/library/app:1"), "prod", "prod/library/app:1"),
        (("docker.io/library/app:1", None), "prod/x", "prod/x:1"),
        (("localhost:5000/dev/app:1", None), "prod", "prod/dev/app:1"),
        (("localhost/app:1", None), "prod", "prod/app:1"),
        (("app:1", None), "prod", "prod/app:1"),
    ],
)
def test_an_image_goes_where_its_name_and_the_target_say(engine, packed, called, to, expected):
    layout = Layout()
    layout.enter(layout.manifest("a"), *called)
    done = engine.import_images(packed(layout.files), to, by="me")
    assert [item.target for item in done.items] == [expected]
    engine.get_manifest(Reference.parse(expected))


@pytest.mark.parametrize(
    ("called", "to", "error"),
    [
        ("1", "prod", "repository"),
        (None, "prod", "repository"),
        ("1", None, "registry"),
        ("docker.io/library/app:1", None, "registry"),
        ("no tag!", "prod/app", "not a valid name"),
        ("dev/UPPER:1", "prod", "not a valid name"),
        ("dev/a:" + "x" * 200, "prod", "not a valid name"),
        ("dev/" + "x" * 300 + ":1", "prod", "not a valid name"),
    ],
)
def test_a_name_that_does_not_say_where_is_refused(engine, packed, called, to, error):
    layout = Layout()
    layout.enter(layout.manifest("a"), called)
    with pytest.raises((NameInvalid, TransferInvalid), match=error):
        engine.import_images(packed(layout.files), to, by="me")
    assert repositories(engine, "prod") == []


def test_several_images_do_not_get_one_tag(engine, packed):
    layout = Layout()
    layout.image("1", "a")
    layout.image("2", "b")
    path = packed(layout.files)
    with pytest.raises(TransferInvalid, match=r"1, 2.*--tags"):
        engine.import_images(path, "prod/app:x", by="me")
    done = engine.import_images(path, "prod/app:x", tags="2", by="me")
    assert [item.source for item in done.items] == ["2"]


def test_several_names_of_one_image_can_get_one_tag(engine, packed):
    layout = Layout()
    digest = layout.image("1", "a")
    layout.image("latest", "a")
    engine.import_images(packed(layout.files), "prod/app:x", by="me")
    assert tags(engine, "prod/app") == {"x": digest}


def test_images_that_would_be_one_are_refused(engine, packed):
    layout = Layout()
    layout.image("dev/a:1", "a")
    layout.image("dev/b:1", "b")
    with pytest.raises(TargetsCollide, match="dev/a:1, dev/b:1"):
        engine.import_images(packed(layout.files), "prod/app", by="me")
    assert engine.import_images(packed(layout.files), "prod", by="me").changed


def test_all_that_is_wrong_is_named(engine, packed):
    layout = Layout()
    layout.image("dev/UPPER:1", "a")
    layout.image("2", "b")
    with pytest.raises(LiftlockError) as raised:
        engine.import_images(packed(layout.files), "prod", by="me")
    assert len(raised.value.violations) == 2


@pytest.mark.parametrize(
    ("tags_", "retag", "expected"),
    [
        ("1.*", None, {"1.0", "1.1"}),
        (["2.0"], None, {"2.0"}),
        ("1.*", "{tag}-rc", {"1.0-rc", "1.1-rc"}),
        (None, "v{tag}", {"v1.0", "v1.1", "v2.0"}),
    ],
)
def test_tags_are_chosen_and_renamed(engine, packed, tags_, retag, expected):
    layout = Layout()
    for tag in ("1.0", "1.1", "2.0"):
        layout.image(tag, tag)
    engine.import_images(packed(layout.files), "prod/app", by="me", tags=tags_, retag=retag)
    assert tags(engine, "prod/app").keys() == expected


def test_with_chosen_tags_comes_what_is_attached_to_them(engine, packed):
    layout = Layout()
    one, two = (layout.enter(layout.manifest(seed), seed) for seed in ("1", "2"))
    for descriptor in (one, two):
        tag = descriptor["digest"].replace(":", "-") + ".sig"
        layout.enter(layout.manifest(f"signature of {descriptor['digest']}"), tag)
        layout.enter(layout.manifest(f"sbom of {descriptor['digest']}", subject=descriptor))
    done = engine.import_images(packed(layout.files), "prod/app", by="me", tags="2")
    assert done.manifests == 3
    assert tags(engine, "prod/app").keys() == {"2", two["digest"].replace(":", "-") + ".sig"}


def test_what_no_tag_matches_is_refused(engine, packed):
    layout = Layout()
    layout.image("1", "a")
    with pytest.raises(TransferInvalid, match=r"'2.\*' selects no tag; the archive has 1"):
        engine.import_images(packed(layout.files), "prod/app", by="me", tags="2.*")
    with pytest.raises(TransferInvalid, match="template makes another"):
        engine.import_images(packed(layout.files), "prod/app:1", by="me", retag="x-{tag}")


def test_an_image_without_a_tag_is_held_and_told(engine, packed):
    layout = Layout()
    digest = layout.image(None, "a")
    done = engine.import_images(packed(layout.files), "prod/app", by="me")
    assert tags(engine, "prod/app") == {}
    assert done.items[0].target == f"prod/app@{digest}"
    assert "gets no tag" in done.warnings[0]
    held = engine._store.read(lambda txn: held_in(txn, "prod/app", digest))
    assert held is not None
    assert engine.get_manifest(Reference.parse(done.items[0].target))


def held_in(txn: ReadTxn, name: str, digest: Digest) -> int | None:
    repository = names.get_repository(txn, RepositoryName.parse(name))
    return links.held_at(txn, repository.id, (keys.held_manifest(digest.key),))[0]


def test_a_referrer_alone_comes_for_its_own_sake(engine, packed):
    layout = Layout()
    subject = {"mediaType": "x/y", "digest": str(Digest.of(b"absent")), "size": 6}
    descriptor = layout.enter(layout.manifest("sbom", subject=subject))
    engine.import_images(packed(layout.files), "prod/app", by="me")
    found = engine.list_referrers(RepositoryName("prod", "app"), Digest.of(b"absent")).entries
    assert [str(one.digest) for one in found] == [descriptor["digest"]]


def test_a_fallback_tag_of_another_registry_appears_among_the_referrers(engine, packed):
    """E17: its entries are listed as those of any referrers tag."""
    layout = Layout()
    image = layout.enter(layout.manifest("a"), "1")
    sbom = layout.manifest("sbom", subject=image) | {"artifactType": "application/sbom"}
    layout.enter(layout.index([sbom]), image["digest"].replace(":", "-"))
    engine.import_images(packed(layout.files), "prod/app", by="me")
    subject = Digest.parse(image["digest"])
    found = engine.list_referrers(RepositoryName("prod", "app"), subject).entries
    assert [str(one.digest) for one in found] == [sbom["digest"]]


# --- what is there ------------------------------------------------------------------------------


def test_tags_that_are_elsewhere_are_moved_only_if_that_is_meant(engine, packed):
    layout = Layout()
    for tag in ("1", "2", "3"):
        layout.image(tag, f"new {tag}")
    first = images.image(engine, "prod/app", "1", seed="old 1")
    images.image(engine, "prod/app", "2", seed="old 2")
    path = packed(layout.files)
    with pytest.raises(TagTaken) as raised:
        engine.import_images(path, "prod/app", by="me")
    assert [error.tag for error in raised.value.violations] == ["prod/app:1", "prod/app:2"]
    assert tags(engine, "prod/app").keys() == {"1", "2"}
    done = engine.import_images(path, "prod/app", by="me", overwrite=True)
    assert [item.action.value for item in done.items] == ["overwrite", "overwrite", "create"]
    assert done.items[0].previous_digest == first.digest
    # What it was at is held, as after a push.
    assert engine.get_manifest(first.by_digest)


def test_signatures_are_added_and_never_lost(engine, tmp_path):
    """An attachment tag goes where all entries are; neither side having them, somebody says."""
    built = images.image(engine, "dev/app", "1", seed="a")
    images.attachment(engine, built, "one")
    engine.export_images("dev/app", tmp_path / "one")
    both = images.attachment(engine, built, "one", "two")
    engine.export_images("dev/app", tmp_path / "both")
    engine.import_images(tmp_path / "one", "prod/app", by="me")
    done = engine.import_images(tmp_path / "both", "prod/app", by="me")
    assert done.changed
    tag = images.attachment_tag(built.digest, ".sig")
    assert tags(engine, "prod/app")[tag] == both.digest
    again = engine.import_images(tmp_path / "one", "prod/app", by="me")
    assert not again.changed
    assert tags(engine, "prod/app")[tag] == both.digest

    images.attachment(engine, built, "three")
    engine.export_images("dev/app", tmp_path / "three")
    with pytest.raises(TagTaken):
        engine.import_images(tmp_path / "three", "prod/app", by="me")
    engine.import_images(tmp_path / "three", "prod/app", by="me", overwrite=True)
    assert tags(engine, "prod/app")[tag] != both.digest


def test_a_referrer_that_came_since_extends_its_tag(engine, tmp_path):
    built = images.image(engine, "dev/app", "1", seed="a")
    engine.export_images("dev/app", tmp_path / "before")
    engine.import_images(tmp_path / "before", "prod/app", by="me")
    images.referrer(engine, built)
    engine.export_images("dev/app", tmp_path / "after")
    done = engine.import_images(tmp_path / "after", "prod/app", by="me")
    assert [item.action for item in done.items] == [Outcome.EXTEND]
    assert engine.history(Reference.parse("prod/app:1")).entries[0].action == "extended"


def test_blobs_that_the_target_has_are_not_read(engine, packed):
    layout = Layout()
    layout.image("1", contents=[b"shared", b"new"])
    images.upload(engine, "prod/app", b"shared")
    done = engine.import_images(packed(layout.files, "tar.gz"), "prod/app", by="me")
    assert (done.skipped.blobs, done.skipped.bytes) == (1, 6)
    assert done.brought.blobs == 2


def test_an_import_that_was_broken_off_goes_on(engine, blobs, packed):
    layout = Layout()
    layout.image("1", contents=[bytes((n,)) * 300_000 for n in range(4)])
    path = packed(layout.files, "tar")
    passed = 0

    def end(count: int) -> None:
        nonlocal passed
        passed += count
        if passed > 700_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.import_images(path, "prod/app", by="me", progress=end)
    assert list(blobs.iter_sessions()) == []
    usage = engine.get_repository(RepositoryName("prod", "app")).usage
    assert (usage.tags, usage.manifests) == (0, 0)
    done = engine.import_images(path, "prod/app", by="me")
    assert done.skipped.blobs == usage.blobs >= 1
    assert done.brought.blobs + done.skipped.blobs == 5


def test_content_comes_in_once_for_several_repositories(engine, blobs, packed):
    layout = Layout()
    for name in ("dev/a:1", "dev/b:1", "dev/c:1"):
        layout.image(name, contents=[b"x" * 300_000, b"small"])
    told: list[int] = []
    done = engine.import_images(packed(layout.files, "tar"), "prod", by="me", progress=told.append)
    assert sum(told) == done.brought.bytes < 400_000
    assert len(list(blobs.iter_blobs())) == 1  # the others are rows
    for name in ("a", "b", "c"):
        assert engine.get_repository(RepositoryName("prod", name)).usage.blobs == 3


def test_an_import_larger_than_one_transaction_is_refused_first(store, blobs, engine, packed):
    layout = Layout()
    for number in range(10):
        layout.image(str(number), str(number))
    limits = replace(Limits(), transaction_records_max=50)
    small = Engine(store, blobs, limits=limits, clock=FakeClock())
    with pytest.raises(TransferInvalid, match="transaction_records_max"):
        small.import_images(packed(layout.files), "prod/app", by="me")
    assert repositories(engine, "prod") == []


def test_many_manifests_are_written_in_parts(store, blobs, engine, exported):
    parts = Engine(store, blobs, limits=replace(Limits(), part_pairs_max=2), clock=FakeClock())
    done = parts.import_images(exported("tar"), "prod", by="me")
    assert tags(engine, "prod/team/app") == tags(engine, "dev/team/app")
    assert len({e.event for e in engine.history("prod").entries if e.kind == "import"}) == 1
    assert done.manifests == 9


# --- what is absent -----------------------------------------------------------------------------


def sparse_layout() -> tuple[Layout, str]:
    layout = Layout()
    here, gone = layout.manifest("here"), layout.manifest("gone")
    layout.enter(layout.index([here, gone]), "1")
    del layout.blobs[blob_name(Digest.parse(gone["digest"]))]
    return layout, gone["digest"]


def test_sparse_images_come_in_only_if_setting_and_caller_say_so(engine, packed):
    layout, gone = sparse_layout()
    path = packed(layout.files)
    with pytest.raises(SparseRefused) as refused:
        engine.import_images(path, "prod/app", by="me", allow_sparse=True)
    assert refused.value.missing == (gone,)
    engine.update_registry("prod", SettingsChange(allow_sparse=True), by="me")
    with pytest.raises(SparseManifest):
        engine.import_images(path, "prod/app", by="me")
    assert repositories(engine, "prod") == []
    done = engine.import_images(path, "prod/app", by="me", allow_sparse=True)
    assert [str(digest) for digest in done.absent] == [gone]
    with pytest.raises(ManifestUnknown):
        engine.get_manifest(Reference.parse(f"prod/app@{gone}"))


def test_what_the_archive_lacks_and_the_target_has_is_not_absent(engine, packed):
    whole = Layout()
    whole.enter(whole.manifest("gone"), "other")
    engine.import_images(packed(whole.files, name="whole"), "prod/app", by="me")
    layout, _ = sparse_layout()
    assert engine.import_images(packed(layout.files), "prod/app", by="me").absent == ()


def test_what_was_absent_comes_in_later(engine, packed):
    engine.update_registry("prod", SettingsChange(allow_sparse=True), by="me")
    layout, gone = sparse_layout()
    engine.import_images(packed(layout.files), "prod/app", by="me", allow_sparse=True)
    whole = Layout()
    whole.enter(whole.index([whole.manifest("here"), whole.manifest("gone")]), "1")
    done = engine.import_images(packed(whole.files, name="whole"), "prod/app", by="me")
    assert [item.action for item in done.items] == [Outcome.EXTEND]
    engine.delete_tag(RepositoryName("prod", "app"), "1", by="me")
    assert engine.get_manifest(Reference.parse(f"prod/app@{gone}"))


def test_absent_layers_are_sparse_and_foreign_ones_are_not(engine, packed):
    layout = Layout()
    layer = {"digest": str(Digest.of(b"absent")), "size": 6}
    foreign = layer | {"mediaType": images.FOREIGN_LAYER}
    layout.enter(layout.manifest("a", layers=[foreign]), "1")
    done = engine.import_images(packed(layout.files), "prod/app", by="me")
    assert done.absent == ()
    layout = Layout()
    layout.enter(layout.manifest("a", layers=[layer | {"mediaType": images.LAYER}]), "2")
    with pytest.raises(SparseRefused):
        engine.import_images(packed(layout.files, name="b"), "prod/app", by="me")


def test_a_foreign_layer_that_is_in_the_archive_comes_in(engine, packed):
    layout = Layout()
    layer = layout.add(b"here", images.FOREIGN_LAYER)
    layout.enter(layout.manifest("a", layers=[layer]), "1")
    engine.import_images(packed(layout.files), "prod/app", by="me")
    assert images.read(engine, "prod/app", Digest.of(b"here")) == b"here"


# --- what else may be in a layout ---------------------------------------------------------------


def test_entries_that_are_no_manifests_are_left_out_and_told(engine, packed):
    layout = Layout()
    layout.image("1", "a")
    layout.enter(layout.add(b"<xml/>", "application/xml"), "docs")
    done = engine.import_images(packed(layout.files), "prod/app", by="me")
    assert "application/xml" in done.warnings[0]
    assert tags(engine, "prod/app").keys() == {"1"}


def test_layouts_of_other_tools_come_in(engine, packed):
    """Members begin with ./, folders have members, digests are longer, other files lie about."""
    layout = Layout()
    layout.image("1", "a")
    wide = layout.manifest("b")
    body = layout.blobs.pop(blob_name(Digest.parse(wide["digest"])))
    digest = Digest.of(body, "sha512")
    layout.blobs[blob_name(digest)] = body
    layout.enter(wide | {"digest": str(digest)}, "2")
    files = {f"./{name}": content for name, content in layout.files.items()}
    headers = {f"{n}/": link_to(n, "", tarfile.DIRTYPE) for n in ("./blobs", "./blobs/sha256")}
    path = packed(headers | files | {"./notes/readme": b"hello"}, "tar.gz")
    engine.import_images(path, "prod/app", by="me")
    assert tags(engine, "prod/app")["2"] == digest


def test_an_archive_that_is_not_there_is_unknown(engine, tmp_path):
    (tmp_path / "round").symlink_to("round")
    for name in ("absent", "x" * 300, "round"):
        with pytest.raises(ArchiveUnknown):
            engine.import_images(tmp_path / name, "prod/app", by="me")


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("at", ["while it is looked through", "while its blobs are passed over"])
def test_whoever_heeds_signals_is_asked_wherever_an_archive_is_read(
    engine, blobs, packed, form, at
):
    """Also where no blob comes in: what the archive has and nobody needs takes time, too."""
    layout = Layout()
    layout.image("1", contents=[b"needed"])
    needless = {f"a/needless {number}": os.urandom(2_000_000) for number in range(3)}
    path = packed(needless | layout.files, form)
    asked = 0
    ends = False

    def heed() -> None:
        nonlocal asked
        asked += 1
        if ends:
            raise KeyboardInterrupt

    with engine.planned_import(path, "prod/app", by="me", heed=heed) as plan:
        assert asked > 3
        if form != "tar":  # of which nothing has to be passed over
            ends = True
            with pytest.raises(KeyboardInterrupt):
                engine.execute_import(plan)
            assert list(blobs.iter_sessions()) == []
    ends = True
    with (
        pytest.raises(KeyboardInterrupt),
        engine.planned_import(path, "prod/app", by="me", heed=heed),
    ):
        pass


@pytest.mark.parametrize("form", FORMS)
def test_signals_are_heeded_while_layers_are_unpacked(store, blobs, engine, packed, form):
    """Compressed ones of a docker archive are read before anything comes in."""
    limits = replace(Limits(), copy_bytes=16 * KIB)
    engine = Engine(store, blobs, limits=limits, clock=FakeClock())
    plain = os.urandom(500_000)
    files = docker_files("app:1", layers=[plain])
    (name,) = [name for name, body in files.items() if body == plain]
    path = packed(files | {name: gzip.compress(plain, 1)}, form)
    asked = 0

    def heed() -> None:
        nonlocal asked
        asked += 1

    with engine.planned_import(path, "prod/app", by="me", heed=heed):
        assert asked >= 500_000 // limits.copy_bytes


def test_who_asks_is_judged_before_the_archive_is_opened(engine, tmp_path):
    with pytest.raises(TextInvalid):
        engine.import_images(tmp_path / "absent", "prod/app", by="")
    with pytest.raises(TextInvalid):
        engine.import_images(tmp_path / "absent", "prod/app", by="me", comment="x" * 2000)


def test_a_registry_that_is_not_there_is_unknown(engine, packed):
    layout = Layout()
    layout.image("1", "a")
    with pytest.raises(RegistryUnknown):
        engine.import_images(packed(layout.files), "nowhere/app", by="me")


# --- docker archives ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_docker_archive_comes_in_with_its_image_id(engine, packed, form):
    files = docker_files("team/app:1", "quay.io/team/app:2", "tool:3")
    done = engine.import_images(packed(files, form), "prod", by="me")
    assert done.kind is ArchiveKind.DOCKER_ARCHIVE
    assert [item.target for item in done.items] == [
        "prod/team/app:1",
        "prod/team/app:2",
        "prod/tool:3",
    ]
    manifest = engine.get_manifest(Reference.parse("prod/team/app:1"))
    assert manifest.media_type == OCI_MANIFEST
    document = json.loads(manifest.body)
    (config,) = [name for name in files if name.endswith(".json") and name != "manifest.json"]
    assert document["config"]["digest"] == f"sha256:{config.removesuffix('.json')}"
    for layer, content in zip(document["layers"], (b"one", b"two"), strict=True):
        assert images.read(engine, "prod/team/app", Digest.parse(layer["digest"])) == content
        assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
        assert layer["size"] == len(content)


def test_the_same_docker_archive_gives_the_same_manifest(engine, packed):
    """In whichever form, and whatever its members are called."""
    files = docker_files("app:1")
    engine.import_images(packed(files, "tar"), "prod/app:a", by="me")
    renamed = json.loads(files["manifest.json"])
    layers = renamed[0]["Layers"]
    renamed[0]["Layers"] = ["first.tar", "second/x.tar"]
    moved = {name: body for name, body in files.items() if name not in layers}
    moved |= dict(zip(renamed[0]["Layers"], (files[name] for name in layers), strict=True))
    moved["manifest.json"] = json.dumps(renamed).encode()
    engine.import_images(packed(moved, "tar.zst"), "prod/app:b", by="me")
    assert len(set(tags(engine, "prod/app").values())) == 1


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("form", FORMS[1:])
def test_layers_of_a_docker_archive_may_be_links_within_it(engine, packed, form, kind):
    files = docker_files("app:1")
    layers = [name for name in files if name.endswith("layer.tar")]
    files["data/one"] = files.pop(layers[0])
    target = "../data/one" if kind == tarfile.SYMTYPE else "data/one"
    engine.import_images(
        packed(files | {layers[0]: link_to(layers[0], target, kind)}, form), "prod", by="me"
    )
    assert images.read(engine, "prod/app", Digest.of(b"one")) == b"one"


def test_of_a_hybrid_the_layout_is_read(engine, packed):
    layout = Layout()
    digest = layout.image("1", "a")
    files = layout.files | docker_files("other:2")
    done = engine.import_images(packed(files, "tar"), "prod/app", by="me")
    assert done.kind is ArchiveKind.OCI_LAYOUT
    assert tags(engine, "prod/app") == {"1": digest}


def test_an_image_of_a_docker_archive_may_have_no_name(engine, packed):
    done = engine.import_images(packed(docker_files(), "tar"), "prod/app:1", by="me")
    assert [item.target for item in done.items] == ["prod/app:1"]


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize(
    "pack",
    [
        lambda data: gzip.compress(data, mtime=0),
        lambda data: gzip.compress(data[:50], mtime=0) + gzip.compress(data[50:], mtime=0),
    ],
)
def test_compressed_layers_of_a_docker_archive_are_kept_as_they_are(engine, packed, form, pack):
    """As kaniko, crane and bazel write them; held against the config all the same."""
    plain = os.urandom(1000) + bytes(3_000_000)
    files = docker_files("app:1", layers=[plain, b"two"])
    name = next(name for name, body in files.items() if body is plain)
    engine.import_images(packed(files | {name: pack(plain)}, form), "prod/app", by="me")
    first, second = json.loads(engine.get_manifest(Reference.parse("prod/app:1")).body)["layers"]
    assert first["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert second["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert images.read(engine, "prod/app", Digest.parse(first["digest"])) == pack(plain)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b"another"), "unpacks to"),
        (b"\x1f\x8b" + os.urandom(50), "broken"),
        (gzip.compress(b"one")[:-4], "cut off"),
        (gzip.compress(b"one") + b"more", "broken"),
        (zstandard.compress(b"one"), "skopeo copy docker-archive:"),
    ],
)
def test_compressed_layers_that_are_wrong_are_refused(engine, packed, content, why):
    files = docker_files("app:1")
    name = next(name for name, body in files.items() if body == b"one")
    with pytest.raises(ArchiveInvalid, match=re.escape(why)):
        engine.import_images(packed(files | {name: content}, "tar"), "prod/app", by="me")


def test_a_layer_that_is_a_bomb_is_refused(store, blobs, engine, packed):
    files = docker_files("app:1", layers=[bytes(4_000_000)])
    name = next(name for name in files if name.endswith("layer.tar"))
    path = packed(files | {name: gzip.compress(files[name])}, "tar")
    limits = replace(Limits(), archive_expansion_free_bytes=1_000_000)
    small = Engine(store, blobs, limits=limits, clock=FakeClock())
    with pytest.raises(ArchiveInvalid, match="archive_expansion_max"):
        small.import_images(path, "prod/app", by="me")
    assert engine.import_images(path, "prod/app", by="me").changed


def test_layers_that_are_a_bomb_together_are_refused(store, blobs, engine, packed):
    """Each gives less than any may, and all of them far more than they have."""
    files = docker_files("app:1", layers=[bytes((n,)) * 800_000 for n in range(8)])
    bombs = {n: gzip.compress(body) for n, body in files.items() if n.endswith("layer.tar")}
    path = packed(files | bombs, "tar")
    limits = replace(Limits(), archive_expansion_free_bytes=1_000_000)
    small = Engine(store, blobs, limits=limits, clock=FakeClock())
    with pytest.raises(ArchiveInvalid, match="archive_expansion_max"):
        small.import_images(path, "prod/app", by="me")
    assert engine.import_images(path, "prod/app", by="me").changed


def test_blobs_that_go_while_others_come_in_end_the_import(store, blobs, packed):
    """Nothing is linked that is not there, and the same import again mends it."""
    layout = Layout()
    layout.image("1", contents=[b"needed"])

    def reach(point: str) -> None:
        if point == "import: received":
            engine.delete_blob(RepositoryName("prod", "app"), Digest.of(b"needed"), by="other")

    engine = Engine(store, blobs, clock=FakeClock(), reach=reach)
    engine.create_registry("prod", by="me")
    with pytest.raises(StoreBusy, match=r"1 blob\(s\) of prod/app were removed.*import again"):
        engine.import_images(packed(layout.files), "prod/app", by="me")
    assert tags(engine, "prod/app") == {}
    whole = Engine(store, blobs, clock=FakeClock())
    assert whole.import_images(packed(layout.files, name="again"), "prod/app", by="me").changed
    assert list(whole.check(content=True)) == []


def test_the_number_of_store_calls_does_not_grow_with_what_comes_in(store, blobs, engine, packed):
    calls = []
    images.upload(engine, "prod/app", b"first")
    for count in (2, 20):
        layout = Layout()
        children = [
            layout.manifest(f"{count} {n}", contents=[b"%d of %d" % (n, count)])
            for n in range(count)
        ]
        layout.enter(layout.index(children), f"{count}")
        counting = CountingStore(store)
        counted = Engine(counting, blobs, clock=FakeClock())
        path = packed(layout.files, name=str(count))
        counted.import_images(path, "prod/app", by="me", dry_run=True)
        calls.append(dict(counting.calls))
        counted.import_images(path, "prod/app", by="me")
    assert calls[0] == calls[1]
