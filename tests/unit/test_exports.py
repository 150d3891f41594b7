"""What is exported, as what, and what a layout that is there has to do with it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from liftlock import Limits, transfer
from liftlock.engine import Engine
from liftlock.errors import (
    BlobCorrupt,
    ExportExists,
    ManifestUnknown,
    NothingSelected,
    RepositoryUnknown,
    SparseManifest,
    StoreBusy,
    TransferInvalid,
)
from liftlock.metadata.contract import Table
from liftlock.model import Format, SettingsChange
from liftlock.oci.reference import Reference
from liftlock.testing import images
from liftlock.testing.archives import FULL_NAME, REF_NAME, blob_name
from liftlock.testing.clock import FakeClock
from liftlock.transfer.folderwriter import FolderLayout
from liftlock.transfer.newfiles import NewFile

NAME = "dev/team/app"
TARS = (Format.TAR, Format.TAR_GZ, Format.TAR_ZST)


def entries(index: bytes) -> list[dict]:
    return json.loads(index)["manifests"]


def named(found: list[dict]) -> dict[str | None, str]:
    return {e.get("annotations", {}).get(REF_NAME): e["digest"] for e in found}


def read_folder(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def read_tar(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def require_layout(files: dict[str, bytes]) -> None:
    """Everything in it is what its name says."""
    assert files["oci-layout"] == b'{"imageLayoutVersion":"1.0.0"}'
    for name, content in files.items():
        if name.startswith("blobs/"):
            _, algorithm, digest = name.split("/")
            assert hashlib.new(algorithm, content).hexdigest() == digest


@pytest.fixture
def everything(engine: Engine) -> images.Built:
    """An image with all that may come along, and one beside it."""
    top = images.platforms(engine, NAME, "1.2", count=2)
    sbom = images.referrer(engine, top.children[0], seed="sbom")
    images.referrer(engine, sbom, seed="of the sbom")
    images.attachment(engine, top, "signed", suffix=".sig")
    images.attachment(engine, top.children[1], "attested", suffix=".att")
    images.image(engine, NAME, "2.0", seed="other")
    return top


def test_an_image_goes_out_with_all_that_it_reaches(engine, everything, tmp_path):
    done = engine.export_images(f"{NAME}:1.2", tmp_path / "out")
    files = read_folder(tmp_path / "out")
    require_layout(files)
    # index, two images, two referrers, two attachments
    assert done.manifests == 7
    assert len(files) == 2 + 7 + done.written.blobs
    found = entries(files["index.json"])
    assert named(found)["1.2"] == str(everything.digest)
    assert found[0]["annotations"] == {REF_NAME: "1.2", FULL_NAME: f"{NAME}:1.2"}
    assert sorted(str(name).rpartition(".")[2] for name in named(found) if name) == [
        "2",
        "att",
        "sig",
    ]
    bare = [entry for entry in found if "annotations" not in entry]
    assert {entry["artifactType"] for entry in bare} == {"application/vnd.example.sbom.v1"}
    assert len(bare) == 2
    assert files[blob_name(everything.digest)] == everything.body


@pytest.mark.parametrize("form", TARS)
def test_a_tar_has_what_the_folder_has(engine, everything, tmp_path, form):
    engine.export_images(NAME, tmp_path / "out")
    engine.export_images(NAME, tmp_path / f"out.{form.value}")
    path = tmp_path / f"out.{form.value}"
    if form is Format.TAR_ZST:
        with zstandard.ZstdDecompressor().stream_reader(path.read_bytes()) as stream:
            path.write_bytes(stream.read())
    assert read_tar(path) == read_folder(tmp_path / "out")


@pytest.mark.parametrize("form", TARS)
def test_the_same_export_is_the_same_file(engine, everything, tmp_path, form):
    for name in ("a", "b"):
        engine.export_images("dev", tmp_path / name, format=form)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_readers_of_a_stream_find_what_tells_of_the_rest_first(engine, everything, tmp_path):
    engine.export_images(NAME, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
        assert names[:2] == ["oci-layout", "index.json"]
        assert all((m.mtime, m.uid, m.gid, m.uname, m.mode) == (0, 0, 0, "", 0o644) for m in tar)
    top, *children = (
        names.index(blob_name(one.digest)) for one in (everything, *everything.children)
    )
    assert top < min(children)


def test_a_tar_goes_to_an_open_file(engine, everything, tmp_path):
    out = io.BytesIO()
    done = engine.export_images(NAME, out)
    engine.export_images(NAME, tmp_path / "a.tar")
    assert out.getvalue() == (tmp_path / "a.tar").read_bytes()
    assert (done.path, done.format) == ("-", Format.TAR)


@pytest.mark.parametrize(
    ("sources", "tags", "expected"),
    [
        ([f"{NAME}:2.0"], None, {"2.0"}),
        ([NAME], "2.*", {"2.0"}),
        ([NAME], ["2.0"], {"2.0"}),
        ([f"{NAME}:1.2", f"{NAME}:2.0"], None, {"1.2", "2.0"}),
        ([NAME], None, {"1.2", "2.0"}),
    ],
)
def test_what_is_selected_goes_out_under_its_tags(
    engine, everything, tmp_path, sources, tags, expected
):
    engine.export_images(sources, tmp_path / "out", tags=tags)
    found = named(entries((tmp_path / "out/index.json").read_bytes()))
    assert {name for name in found if name and not name.startswith("sha256-")} == expected


@pytest.mark.parametrize("source", ["dev", "dev/team/**", ["dev/team/app", "dev/team/tool"]])
def test_several_repositories_are_called_in_full(engine, everything, tmp_path, source):
    tool = images.image(engine, "dev/team/tool", "1.2", seed="tool")
    referrer = images.referrer(engine, tool)
    engine.export_images(source, tmp_path / "out")
    found = named(entries((tmp_path / "out/index.json").read_bytes()))
    assert None not in found
    assert found["dev/team/tool:1.2"] == str(tool.digest)
    assert found[f"dev/team/tool@{referrer.digest}"] == str(referrer.digest)
    assert found["dev/team/app:1.2"] == str(everything.digest)


def test_an_image_that_is_named_by_its_digest_has_no_name(engine, everything, tmp_path):
    child = everything.children[1]
    done = engine.export_images(str(child.by_digest), tmp_path / "out")
    first = entries((tmp_path / "out/index.json").read_bytes())[0]
    assert (first["digest"], "annotations" in first) == (str(child.digest), False)
    assert done.items[0].source == str(child.by_digest)


def test_what_is_not_there_is_refused_before_anything_is_written(engine, everything, tmp_path):
    out = tmp_path / "out"
    for source, error in (
        ("dev/nothing", RepositoryUnknown),
        (f"{NAME}:9", ManifestUnknown),
        ("test", NothingSelected),
    ):
        with pytest.raises(error):
            engine.export_images(source, out)
    with pytest.raises(NothingSelected):
        engine.export_images(NAME, out, tags="9.*")
    with pytest.raises(TransferInvalid, match="no image"):
        engine.export_images([], out)
    with pytest.raises(TransferInvalid, match="no folder"):
        engine.export_images(NAME, tmp_path / "absent" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_writes_nothing(engine, everything, tmp_path):
    done = engine.export_images(NAME, tmp_path / "out", dry_run=True)
    assert list(tmp_path.iterdir()) == []
    assert engine.export_images(NAME, tmp_path / "out") == done


# --- folders that are there ---------------------------------------------------------------------


def test_an_export_goes_on_where_another_was_killed(engine, everything, tmp_path):
    """Blobs that are whole stay, others are written again; until its end there is no index."""
    out = tmp_path / "out"
    seen: list[int] = []

    def end(count: int) -> None:
        seen.append(count)
        if len(seen) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.export_images(NAME, out, progress=end)
    assert not (out / "index.json").exists()
    there = list((out / "blobs/sha256").iterdir())
    there[0].write_bytes(b"x" * there[0].stat().st_size)
    kept = {path: path.stat().st_mtime_ns for path in there[1:]}
    done = engine.export_images(NAME, out)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    require_layout(read_folder(out))
    assert done.kept.blobs + done.written.blobs == engine.export_images(NAME, out).kept.blobs
    assert {path.name for path in out.iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_the_same_export_again_changes_nothing(engine, everything, tmp_path):
    engine.export_images(NAME, tmp_path / "out")
    before = read_folder(tmp_path / "out")
    done = engine.export_images(NAME, tmp_path / "out")
    assert (done.changed, done.written.blobs) == (False, 0)
    assert read_folder(tmp_path / "out") == before


def test_a_layout_is_added_to_and_keeps_what_it_says(engine, everything, tmp_path):
    out = tmp_path / "out"
    engine.export_images(f"{NAME}:2.0", out)
    index = json.loads((out / "index.json").read_bytes())
    index["annotations"] = {"made": "elsewhere"}
    index["manifests"][0]["custom"] = {"kept": [1, 2]}
    (out / "index.json").write_text(json.dumps(index))
    (out / "readme").write_text("mine")
    engine.export_images(f"{NAME}:1.2", out)
    after = json.loads((out / "index.json").read_bytes())
    assert after["annotations"] == {"made": "elsewhere"}
    assert after["manifests"][0] == index["manifests"][0]
    assert {"1.2", "2.0"} <= named(after["manifests"]).keys()
    assert (out / "readme").read_text() == "mine"


def test_what_is_there_under_a_name_is_replaced_only_if_that_is_meant(engine, tmp_path):
    out = tmp_path / "out"
    images.image(engine, NAME, "1", seed="a")
    engine.export_images(NAME, out)
    before = read_folder(out)
    new = images.image(engine, NAME, "1", seed="b")
    with pytest.raises(ExportExists, match=f"{NAME}:1 as sha256"):
        engine.export_images(NAME, out)
    assert read_folder(out) == before
    engine.export_images(NAME, out, overwrite=True)
    assert named(entries((out / "index.json").read_bytes())) == {"1": str(new.digest)}

    tar = tmp_path / "a.tar"
    tar.write_bytes(b"mine")
    with pytest.raises(ExportExists):
        engine.export_images(NAME, tar)
    assert tar.read_bytes() == b"mine"
    engine.export_images(NAME, tar, overwrite=True)
    assert read_tar(tar)["index.json"]


def test_a_folder_of_other_things_is_left_alone(engine, everything, tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ExportExists, match=r"no OCI layout\. Name another place."):
        engine.export_images(NAME, tmp_path, overwrite=True)
    with pytest.raises(ExportExists, match="no folder"):
        engine.export_images(NAME, tmp_path / "mine")
    with pytest.raises(TransferInvalid, match="is a folder"):
        engine.export_images(NAME, tmp_path, format=Format.TAR)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(TransferInvalid, match="no file"):
            engine.export_images(NAME, path, format=Format.TAR, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "pipe"}


def test_a_link_to_a_file_stays_a_link(engine, everything, tmp_path):
    (tmp_path / "latest.tar").symlink_to("of-today.tar")
    engine.export_images(NAME, tmp_path / "latest.tar")
    assert (tmp_path / "latest.tar").is_symlink()
    assert read_tar(tmp_path / "of-today.tar")["index.json"]


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"{}",
        b'{"manifests": 7}',
        b'{"manifests": [7]}',
        b'{"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "1.2"}}]}',
        b'{"manifests": [{"digest": 7}]}',
        b'{"manifests": [{"digest": "a", "annotations": {"a": []}}]}',
        b'{"manifests": [], "lone": "\\ud800"}',
        b'{"manifests": [], "none": NaN}',
        b'{"manifests": [], "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"manifests": ' + b" " * Limits().archive_index_bytes_max + b"[]}",
    ],
    ids=lambda index: str(index[:60]),
)
def test_an_index_that_cannot_be_read_is_not_replaced(engine, everything, tmp_path, index):
    out = tmp_path / "out"
    engine.export_images(NAME, out)
    (out / "index.json").write_bytes(index)
    with pytest.raises(ExportExists, match=r"cannot be read as an index\. Name another place."):
        engine.export_images(NAME, out, overwrite=True)
    assert (out / "index.json").read_bytes() == index


def test_nobody_waits_for_an_index_that_is_a_pipe(engine, everything, tmp_path):
    out = tmp_path / "out"
    engine.export_images(NAME, out)
    (out / "index.json").unlink()
    os.mkfifo(out / "index.json")
    with pytest.raises(ExportExists, match="cannot be read"):
        engine.export_images(NAME, out)


def test_a_name_that_a_layout_has_twice_is_replaced_as_one(engine, tmp_path):
    """Readers refuse such, or take either."""
    out = tmp_path / "out"
    image = images.image(engine, NAME, "1", seed="a")
    engine.export_images(NAME, out)
    index = json.loads((out / "index.json").read_bytes())
    (entry,) = index["manifests"]
    stale = {**entry, "digest": f"sha256:{'0' * 64}"}
    for order in ([entry, stale], [stale, entry]):
        (out / "index.json").write_text(json.dumps({**index, "manifests": order}))
        with pytest.raises(ExportExists, match="as sha256:0000"):
            engine.export_images(NAME, out)
        engine.export_images(NAME, out, overwrite=True)
        (left,) = entries((out / "index.json").read_bytes())
        assert left["digest"] == str(image.digest)


def test_two_exports_do_not_write_to_one_folder_at_once(engine, everything, tmp_path):
    with FolderLayout(tmp_path / "out", Limits()), pytest.raises(StoreBusy, match="another export"):
        engine.export_images(NAME, tmp_path / "out")
    engine.export_images(NAME, tmp_path / "out")


def test_what_a_killed_export_was_writing_goes_with_the_next(engine, everything, tmp_path):
    out = tmp_path / "out"
    engine.export_images(NAME, out)
    (out / ".incoming.partial").write_bytes(b"half of a blob")
    assert not engine.export_images(NAME, out).changed
    assert not (out / ".incoming.partial").exists()


def test_two_exports_do_not_write_to_one_file_at_once(engine, everything, tmp_path):
    """The second would cut off what the first has written, and either would call it its own."""
    out = tmp_path / "out.tar"
    with NewFile(out) as file:
        file.write(b"begun")
        file.flush()
        with pytest.raises(StoreBusy, match="another export"):
            engine.export_images(NAME, out)
    assert out.read_bytes() == b"begun"
    engine.export_images(NAME, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tar"]


def test_a_file_is_its_writers_until_it_has_its_name(tmp_path, monkeypatch):
    out = tmp_path / "out.tar"
    really = Path.replace
    tried: list[str] = []

    def another(temporary: Path, path: Path) -> None:
        with pytest.raises(StoreBusy), NewFile(path):
            pass
        tried.append(path.name)
        really(temporary, path)

    monkeypatch.setattr(Path, "replace", another)
    with NewFile(out) as file:
        file.write(b"mine")
    assert (tried, out.read_bytes()) == (["out.tar"], b"mine")


def test_what_lies_where_a_file_is_begun_is_not_waited_for(engine, everything, tmp_path):
    os.mkfifo(tmp_path / ".out.tar.partial")
    reader = os.open(tmp_path / ".out.tar.partial", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(TransferInvalid, match="is no file"):
            engine.export_images(NAME, tmp_path / "out.tar")
    finally:
        os.close(reader)
    with pytest.raises(OSError, match="No such device"):
        engine.export_images(NAME, tmp_path / "out.tar")


def test_what_another_export_added_meanwhile_stays(store, blobs, engine, everything, tmp_path):
    """Between the look at the folder and the hold of it."""
    out = tmp_path / "out"
    plan = engine.plan_export(f"{NAME}:1.2", os.fspath(out))
    index = transfer.require_place(plan, overwrite=False, limits=Limits())
    engine.export_images(f"{NAME}:2.0", out)
    transfer.write_export(store, blobs, plan, index, lambda _: None, Limits())
    found = named(entries((out / "index.json").read_bytes()))
    assert {"1.2", "2.0"} <= found.keys()


# --- what cannot go out -------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Format.FOLDER, *TARS])
def test_a_damaged_blob_ends_the_export_and_is_named(filing, blobs, tmp_path, form):
    built = images.image(filing, NAME, "1", seed="a")
    victim = built.blobs[1]
    read = blobs.read

    def reading(locator: str, *rest: int | None):
        pieces = b"".join(read(locator, *rest))
        return iter([b"X" + pieces[1:]] if victim.hex in locator else [pieces])

    blobs.read = reading
    out = tmp_path / "out"
    with pytest.raises(BlobCorrupt, match=str(victim)):
        filing.export_images(NAME, out, format=form)
    if form is Format.FOLDER:
        assert not (out / "index.json").exists()
        assert not (out / blob_name(victim)).exists()
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_blob_whose_file_is_gone_ends_the_export_and_is_named(filing, blobs, tmp_path):
    built = images.image(filing, NAME, "1", seed="a")
    blob = filing.get_blob(built.name, built.blobs[1])
    blobs.remove(blob.locator)
    with pytest.raises(BlobCorrupt, match="missing"):
        filing.export_images(NAME, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_small_blob_whose_row_is_damaged_ends_the_export_and_is_named(unchecked, store, tmp_path):
    built = images.image(unchecked, NAME, "1", seed="a")
    victim = built.blobs[1]
    rows = store.read(lambda txn: [key for key, _ in txn.scan(Table.SMALL)])
    (row,) = (key for key in rows if key.endswith(victim.key))
    store.write(lambda txn: txn.put_many(Table.SMALL, [(row, b"damaged")]))
    with pytest.raises(BlobCorrupt, match=str(victim)):
        unchecked.export_images(NAME, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


def test_sparse_images_go_out_only_if_that_is_meant(engine, tmp_path):
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    built = images.image(engine, NAME, "1", absent=[b"absent"])
    with pytest.raises(SparseManifest) as raised:
        engine.export_images(NAME, tmp_path / "out")
    assert raised.value.missing == (str(built.foreign[0]),)
    assert list(tmp_path.iterdir()) == []
    done = engine.export_images(NAME, tmp_path / "out", allow_sparse=True)
    assert done.absent == built.foreign
    require_layout(read_folder(tmp_path / "out"))


def test_what_another_repository_of_the_export_has_is_not_absent(engine, tmp_path):
    engine.update_registry("dev", SettingsChange(allow_sparse=True), by="me")
    images.image(engine, "dev/a", "1", absent=[b"elsewhere"], foreign=[b"far away"])
    images.image(engine, "dev/b", "1", contents=[b"elsewhere", b"far away"])
    done = engine.export_images("dev", tmp_path / "out")
    assert (done.absent, done.foreign) == ((), ())


def test_what_is_asked_for_in_two_ways_is_listed_once(engine, everything, tmp_path):
    sbom = images.referrer(engine, everything, seed="asked for")
    images.image(engine, NAME, "3.0", seed="third")
    for sources in ([NAME, str(sbom.by_digest)], [f"{NAME}:1.2", f"{NAME}:1.2", NAME]):
        done = engine.export_images(sources, tmp_path / f"out{len(sources)}")
        listed = [(item.source, item.digest) for item in done.items]
        assert len(listed) == len(set(listed))
        assert sum(item.digest == sbom.digest for item in done.items) == 1


def test_foreign_layers_that_are_not_there_are_told(engine, tmp_path):
    built = images.image(engine, NAME, "1", foreign=[b"elsewhere"])
    done = engine.export_images(NAME, tmp_path / "out")
    assert (done.foreign, done.absent) == (built.foreign, ())
    assert not (tmp_path / "out" / blob_name(built.foreign[0])).exists()


def test_foreign_layers_that_are_there_go_out(engine, tmp_path):
    built = images.image(engine, NAME, "1", foreign=[b"here"])
    images.upload(engine, NAME, b"here")
    assert engine.export_images(NAME, tmp_path / "out").foreign == ()
    assert (tmp_path / "out" / blob_name(built.foreign[0])).read_bytes() == b"here"


def test_an_index_that_import_would_not_read_is_not_written(store, blobs, engine, tmp_path):
    images.image(engine, NAME, "1")
    limits = replace(Limits(), archive_index_bytes_max=100)
    small = Engine(store, blobs, limits=limits, clock=FakeClock())
    with pytest.raises(TransferInvalid, match="archive_index_bytes_max"):
        small.export_images(NAME, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_promotion_limits_is_refused_in_this_ones_name(store, blobs, everything, tmp_path):
    limits = replace(Limits(), closure_manifests_max=3)
    small = Engine(store, blobs, limits=limits, clock=FakeClock())
    with pytest.raises(TransferInvalid, match=r"export is refused.*closure_manifests_max"):
        small.export_images(NAME, tmp_path / "out")


def test_many_images_are_followed_in_parts(store, blobs, engine, tmp_path):
    shared = images.image(engine, NAME, "0", seed="0")
    images.referrer(engine, shared, tag="of-0")
    for number in range(1, 7):
        images.image(engine, NAME, str(number), seed=str(number))
    engine.export_images(NAME, tmp_path / "whole.tar")
    parts = Engine(store, blobs, limits=replace(Limits(), part_pairs_max=2), clock=FakeClock())
    parts.export_images(NAME, tmp_path / "parts.tar")
    assert (tmp_path / "whole.tar").read_bytes() == (tmp_path / "parts.tar").read_bytes()


def test_the_number_of_store_calls_does_not_grow_with_layers(engine, tmp_path, monkeypatch):
    built = images.image(engine, NAME, "1", layers=40)
    reads = 0
    read = engine._store.read

    def counting(operation):
        nonlocal reads
        reads += 1
        return read(operation)

    monkeypatch.setattr(engine._store, "read", counting)
    engine.export_images(Reference(built.name, "1"), tmp_path / "a", dry_run=True)
    assert reads == 1


def test_progress_counts_every_byte(engine, everything, tmp_path):
    done = engine.export_images(NAME, tmp_path / "a.tar", dry_run=True)
    plan = engine.plan_export(NAME, os.fspath(tmp_path / "a.tar"))
    told: list[int] = []
    engine.export_images(NAME, tmp_path / "a.tar", progress=told.append)
    assert sum(told) == plan.size
    assert plan.planned == done
