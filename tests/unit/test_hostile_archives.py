"""Archives that want to harm: each is refused with what is wrong, and nothing of it is left."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from liftlock import Limits
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import ArchiveInvalid, LiftlockError, TransferInvalid
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.oci.digest import Digest
from liftlock.testing.archives import (
    Files,
    Layout,
    blob_name,
    compressed,
    docker_files,
    link_to,
    tar_of,
    write_folder,
)
from liftlock.testing.clock import FakeClock
from liftlock.transfer import dockerreading

FORMS = ("tar", "tar.gz", "tar.zst")
BLOCK = 512


@pytest.fixture
def layout() -> Layout:
    made = Layout()
    made.image("1", "a")
    return made


@pytest.fixture
def refused(engine: Engine, blobs: MemoryBlobStore, tmp_path: Path) -> Callable[..., str]:
    """Import bytes (or what lies at a path) and return why it was refused."""

    def refuse(archive: bytes | Path, to: str = "dev/app") -> str:
        path = archive
        if isinstance(archive, bytes):
            path = tmp_path / "archive.tar"
            path.write_bytes(archive)
        before = sorted(stored.locator for stored in blobs.iter_blobs())
        with pytest.raises(ArchiveInvalid) as raised:
            engine.import_images(path, to, by="me")
        assert list(blobs.iter_sessions()) == []
        assert sorted(stored.locator for stored in blobs.iter_blobs()) == before
        assert engine.list_repositories("dev").entries == ()
        return str(raised.value)

    return refuse


def limited(store: MemoryMetadataStore, blobs: MemoryBlobStore, limits: Limits) -> Engine:
    return Engine(store, blobs, limits=limits, clock=FakeClock())


def with_member(files: Mapping[str, bytes], member: tarfile.TarInfo, content: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, body in files.items():
            plain = tarfile.TarInfo(name)
            plain.size = len(body)
            tar.addfile(plain, io.BytesIO(body))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


# --- names and kinds of members -----------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/passwd", "absolute"),
        ("//etc/passwd", "absolute"),
        ("../outside", "leads out"),
        ("blobs/../../outside", "leads out"),
        ("blobs/sha256/..", "leads out"),
        ("line\nbreak", "characters"),
        ("\x1b[31m", "characters"),
        ("\udcff", "characters"),
    ],
)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
def test_a_name_that_leads_elsewhere_is_refused(refused, layout, form, kind, name, why):
    member = link_to(name, "", kind)
    header = member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    assert why in refused(compressed(header + tar_of(layout.files), form))


def refresh_checksum(packed: bytearray, header: int) -> None:
    packed[header + 148 : header + 156] = b" " * 8
    total = sum(packed[header : header + BLOCK])
    packed[header + 148 : header + 156] = b"%06o\0 " % total


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (link_to("l", "/etc/passwd"), "leads out"),
        (link_to("l", "../../etc/passwd"), "leads out"),
        (link_to("a/l", "../../x"), "leads out"),
        (link_to("l", "../x", tarfile.LNKTYPE), "leads out"),
        (link_to("p", "", tarfile.FIFOTYPE), "no plain file"),
        (link_to("c", "", tarfile.CHRTYPE), "no plain file"),
        (link_to("b", "", tarfile.BLKTYPE), "no plain file"),
        (link_to("s", "", b"Z"), "no plain file"),
        (link_to("s", "", tarfile.GNUTYPE_SPARSE), "sparse"),
    ],
)
def test_what_is_no_plain_file_is_refused(refused, layout, member, why):
    assert why in refused(tar_of(layout.files | {"hostile": member}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_no_blob_of_a_layout_is_a_link(refused, layout, kind):
    name = next(name for name in layout.blobs if b"layer" in layout.blobs[name])
    files = layout.files
    files["elsewhere"] = files.pop(name)
    target = "../../elsewhere" if kind == tarfile.SYMTYPE else "elsewhere"
    assert "is a link" in refused(tar_of(files | {name: link_to(name, target, kind)}))


def test_a_member_that_is_there_twice_is_refused(refused, layout):
    assert "twice" in refused(with_member(layout.files, tarfile.TarInfo("index.json"), b"{}"))
    assert "twice" in refused(with_member(layout.files, tarfile.TarInfo("./index.json"), b"{}"))


def test_links_of_a_docker_archive_that_go_round_are_refused(refused):
    files = docker_files("app:1")
    name = next(name for name in files if name.endswith("layer.tar"))
    del files[name]
    circle = {name: link_to(name, "../b"), "b": link_to("b", name)}
    assert "leads to no file" in refused(tar_of(files | circle))


# --- sizes, ends, compression -------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_an_archive_that_is_cut_off_is_refused(refused, layout, form, share):
    # Not in the zeros at the end of a plain one, of which one block is enough.
    whole = compressed(tar_of(layout.files).rstrip(b"\0"), form)
    refused(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_that_is_cut_off_between_two_members_is_refused(refused, layout, form):
    plain = tar_of(layout.files)
    last = plain.rstrip(b"\0")
    end = -(-len(last) // BLOCK) * BLOCK
    assert "no end" in refused(compressed(plain[:end], form))


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_after_the_end_is_refused(refused, layout, form):
    assert "after its end" in refused(compressed(tar_of(layout.files) + b"more", form))


@pytest.mark.parametrize("form", FORMS[1:])
def test_what_comes_after_the_compressed_data_is_refused(refused, layout, form):
    assert "compression" in refused(tar_of(layout.files, form) + b"more")


def test_endless_zeros_after_the_end_are_refused(refused, layout):
    zeros = bytes(Limits().archive_padding_bytes_max + 20 * BLOCK)
    assert "archive_padding_bytes_max" in refused(tar_of(layout.files) + zeros)
    assert "archive_padding_bytes_max" in refused(gzip.compress(tar_of(layout.files) + zeros))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12])
def test_a_header_that_lies_about_its_size_is_refused(refused, layout, form, size):
    packed = bytearray(tar_of(layout.files))
    at = packed.index(b"blobs/")
    packed[at + 124 : at + 136] = size
    refresh_checksum(packed, at)
    refused(compressed(bytes(packed), form))


def test_a_bomb_is_refused_before_it_goes_off(engine, store, blobs, tmp_path):
    """A member that nothing needs gives a thousand times its bytes."""
    free = 4 * 1024 * 1024
    limits = replace(Limits(), archive_expansion_free_bytes=free)
    layout = Layout()
    layout.image("1", "a")
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(tar_of(layout.files | {"unneeded": bytes(3 * free)}, "tar.gz"))
    with pytest.raises(ArchiveInvalid, match="archive_expansion_max"):
        limited(store, blobs, limits).import_images(path, "dev/app", by="me")
    path.write_bytes(tar_of(layout.files | {"unneeded": os.urandom(3 * free)}, "tar.gz"))
    limited(store, blobs, limits).import_images(path, "dev/app", by="me")


@pytest.mark.parametrize(
    ("begin", "name"), [(b"BZh9", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip")]
)
def test_other_compressions_are_named(refused, begin, name):
    assert name in refused(begin + bytes(2000))


@pytest.mark.parametrize("content", [b"", b"x" * 5000, bytes(511), bytes(20_000)])
def test_what_is_no_tar_is_refused(refused, content):
    refused(content)


# --- extended headers ---------------------------------------------------------------------------


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    header = tarfile.TarInfo("pax")
    header.type, header.size = kind, len(records)
    return header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % BLOCK)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size += 1
    return str(size).encode() + body


@pytest.mark.parametrize(
    "records",
    [
        b"1" * 100_000 + b" hdrcharset=x\n",
        b"2 " * 50_000 + b"=",
        b"9" * 400 + b" path=x\n",
        b"0 path=x\n",
        b"7 path\n",
        b"-5 path=x\n",
        record("size", "9" * 5000),
        record("size", "-1"),
        record("size", "1e9"),
        record("hdrcharset", "BINARY"),
        record("GNU.sparse.map", "0,1"),
        record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0"),
        b"".join(record(f"k{number}", "v") for number in range(2000)),
        record("path", "../x"),
        record("path", "/x"),
        record("path", "x" * 300_000),
    ],
    ids=range(16),
)
def test_extended_headers_that_make_no_sense_are_refused(refused, layout, records):
    """Among them such as cost `tarfile` the square of their length, in time or in memory."""
    refused(pax(records) + tar_of(layout.files))
    refused(gzip.compress(pax(records) + tar_of(layout.files)))


@pytest.mark.parametrize("key", ["path", "size", "linkpath"])
def test_a_header_for_all_members_names_none(refused, layout, key):
    refused(pax(record(key, "1"), tarfile.XGLTYPE) + tar_of(layout.files))


def test_headers_upon_headers_are_refused(refused, layout):
    assert "headers" in refused(pax(record("comment", "x")) * 200 + tar_of(layout.files))
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2
    name = long.tobuf(tarfile.GNU_FORMAT) + b"x\0" + bytes(BLOCK - 2)
    assert "headers" in refused(name * 200 + tar_of(layout.files))


def test_a_long_name_of_gigabytes_is_not_read(refused, layout):
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 6_000_000_000
    assert "archive_header_bytes_max" in refused(
        long.tobuf(tarfile.GNU_FORMAT) + tar_of(layout.files)
    )


def test_what_harmless_headers_say_is_passed_over(engine, layout, tmp_path):
    comment = pax(record("comment", "made by a tool"), tarfile.XGLTYPE)
    path = tmp_path / "a.tar"
    path.write_bytes(comment + pax(record("mtime", "1.5")) + tar_of(layout.files))
    assert engine.import_images(path, "dev/app", by="me").changed


# --- what the layout says -----------------------------------------------------------------------


def changed_json(files: Files, name: str, change: Callable[[dict], object]) -> Files:
    document = json.loads(files[name])
    change(document)
    return files | {name: json.dumps(document).encode()}


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index["manifests"][0].update(digest="sha256:" + "0" * 64),
        lambda index: index["manifests"][0].update(digest="md5:" + "0" * 32),
        lambda index: index["manifests"][0].update(digest="../../etc/passwd"),
        lambda index: index["manifests"][0].update(digest=7),
        lambda index: index["manifests"][0].update(size=1),
        lambda index: index["manifests"][0].update(size=-1),
        lambda index: index["manifests"][0].update(size=2**70),
        lambda index: index["manifests"][0].pop("size"),
        lambda index: index.update(manifests=[]),
        lambda index: index.update(manifests=7),
        lambda index: index.pop("manifests"),
        lambda index: index["manifests"][0].update(
            mediaType="application/vnd.oci.image.index.v1+json"
        ),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("form", FORMS)
def test_an_index_that_says_what_is_not_so_is_refused(refused, layout, form, change):
    refused(tar_of(changed_json(layout.files, "index.json", change), form))


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff",
        b'{"manifests": [], "manifests": []}',
        b'{"manifests":' + b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"manifests": [' + b"{}," * 1000 + b"{}]}",
    ],
    ids=range(9),
)
def test_an_index_that_is_none_is_refused(refused, layout, index):
    refused(tar_of(layout.files | {"index.json": index}))


@pytest.mark.parametrize(
    "marker", [b"", b"{}", b"[]", b'{"imageLayoutVersion":"2.0.0"}', b'{"imageLayoutVersion":1}']
)
def test_a_layout_of_another_version_is_refused(refused, layout, marker):
    refused(tar_of(layout.files | {"oci-layout": marker}))


def test_a_layout_without_its_files_is_refused(refused, layout):
    files = layout.files
    assert "not finished" in refused(tar_of({n: b for n, b in files.items() if n != "index.json"}))
    assert "oci-layout" in refused(tar_of({n: b for n, b in files.items() if n != "oci-layout"}))
    assert "docker archive" in refused(tar_of({"readme": b"hello"}))


def test_indexes_that_nest_too_deeply_are_refused(refused, layout):
    inner = layout.manifest("deep")
    for _ in range(Limits().closure_nesting_max + 1):
        inner = layout.index([inner])
    layout.enter(inner, "deep")
    assert "closure_nesting_max" in refused(tar_of(layout.files))


def test_manifests_that_differ_about_a_blobs_size_are_refused(refused, layout):
    digest, size = Digest.of(b"layer of a"), len(b"layer of a")
    lie = {"mediaType": "x/y", "digest": str(digest), "size": size + 1}
    layout.enter(layout.manifest("b", layers=[lie]), "b")
    assert f"{size + 1} bytes" in refused(tar_of(layout.files))


def test_a_descriptor_that_lies_about_a_blobs_size_is_refused(refused):
    layout = Layout()
    lie = {"mediaType": "x/y", "digest": str(Digest.of(b"abc")), "size": 5}
    layout.blobs[blob_name(Digest.of(b"abc"))] = b"abc"
    layout.enter(layout.manifest("b", layers=[lie]), "b")
    assert "should have 5" in refused(tar_of(layout.files))


@pytest.mark.parametrize("form", FORMS)
def test_a_manifest_whose_bytes_are_others_is_refused(refused, layout, form):
    name = blob_name(Digest.parse(layout.entries[0]["digest"]))
    body = layout.blobs[name]
    layout.blobs[name] = body.replace(b"amd", b"arm") if b"amd" in body else body[:-1] + b" "
    assert "what it has as" in refused(tar_of(layout.files, form))


def test_one_index_in_many_repositories_is_refused_before_it_fills_the_memory(
    store, blobs, tmp_path
):
    """Repositories times images: both are few bytes in the archive."""
    limit = 300
    small = limited(store, blobs, replace(Limits(), transaction_records_max=limit))
    small.create_registry("dev", by="tests")
    layout = Layout()
    children = [layout.manifest(f"{number}") for number in range(50)]
    index = layout.index(children)
    for number in range(100):
        layout.enter(index, f"dev/app{number}:1")
    path = tmp_path / "archive.tar"
    path.write_bytes(tar_of(layout.files))
    with pytest.raises(TransferInvalid, match=f"more than {limit} places"):
        small.import_images(path, "dev", by="me")


def test_folders_count_as_members(store, blobs, layout, tmp_path):
    """Nothing is kept of them, but compressed they are next to nothing, and take time."""
    path = tmp_path / "a.tar"
    folders = {f"{number}/": link_to(f"{number}", "", tarfile.DIRTYPE) for number in range(20)}
    path.write_bytes(tar_of(layout.files | folders))
    limits = replace(Limits(), archive_members_max=10)
    with pytest.raises(ArchiveInvalid, match="archive_members_max"):
        limited(store, blobs, limits).import_images(path, "dev/app", by="me")


def test_limits_of_an_archive_have_names(engine, store, blobs, layout, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(layout.files))
    for name in (
        "archive_members_max",
        "archive_index_bytes_max",
        "archive_manifests_bytes_max",
        "archive_header_bytes_max",
        "manifest_bytes_max",
        "blob_bytes_max",
    ):
        limits = replace(Limits(), **{name: 1})
        with pytest.raises(ArchiveInvalid, match=name):
            limited(store, blobs, limits).import_images(path, "dev/app", by="me")


# --- blobs: found out on their way in -----------------------------------------------------------


@pytest.mark.parametrize("form", [*FORMS, "folder"])
@pytest.mark.parametrize("size", [20, 400_000])
def test_a_blob_whose_bytes_are_others_ends_the_import(engine, blobs, tmp_path, form, size):
    """What came before it may be held; of the image nothing is seen, and no session is left."""
    layout = Layout()
    content = os.urandom(size)
    layout.image("1", contents=[content])
    name = blob_name(Digest.of(content))
    files = layout.files | {name: content[:-1] + bytes((content[-1] ^ 1,))}
    path = tmp_path / form
    if form == "folder":
        write_folder(path, files)
    else:
        path.write_bytes(tar_of(files, form))
    with pytest.raises(ArchiveInvalid, match=str(Digest.of(content))):
        engine.import_images(path, "dev/app", by="me")
    assert list(blobs.iter_sessions()) == []
    for repository in engine.list_repositories("dev").entries:
        assert (repository.usage.tags, repository.usage.manifests) == (0, 0)


# --- folders ------------------------------------------------------------------------------------


def test_a_folder_with_links_is_refused(refused, layout, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"layer of a")
    name = blob_name(Digest.of(b"layer of a"))
    root = write_folder(tmp_path / "layout", layout.files)
    (root / name).unlink()
    (root / name).symlink_to(outside)
    assert "link" in refused(root)
    (root / name).unlink()
    (root / "blobs" / "sha256").rename(tmp_path / "moved")
    (root / "blobs" / "sha256").symlink_to(tmp_path / "moved")
    assert "link" in refused(root)
    (root / "index.json").unlink()
    (root / "index.json").symlink_to("/etc/passwd")
    assert "link" in refused(root)


def test_a_folder_with_what_is_no_file_is_refused(refused, layout, tmp_path):
    name = blob_name(Digest.of(b"layer of a"))
    root = write_folder(tmp_path / "layout", layout.files)
    (root / name).unlink()
    os.mkfifo(root / name)
    assert "no plain file" in refused(root)
    (root / name).unlink()
    (root / name).mkdir()
    assert "no plain file" in refused(root)
    (root / name).rmdir()
    here = Path.cwd()
    os.chdir(root / "blobs" / "sha256")  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(Path(name).name)
            assert "no plain file" in refused(root)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("becomes", ["gone", "shorter", "a folder", "a pipe", "a link"])
def test_a_folder_that_changes_while_it_is_read_is_refused(engine, blobs, tmp_path, becomes):
    layout = Layout()
    content = os.urandom(400_000)
    layout.image("1", contents=[content])
    path = write_folder(tmp_path / "changing", layout.files)
    blob = path / blob_name(Digest.of(content))
    with engine.planned_import(path, "dev/app", by="me") as plan:
        blob.unlink()
        match becomes:
            case "shorter":
                blob.write_bytes(content[:-1])
            case "a folder":
                blob.mkdir()
            case "a pipe":
                os.mkfifo(blob)
            case "a link":
                blob.symlink_to("/dev/zero")
        with pytest.raises(ArchiveInvalid, match=Digest.of(content).hex):
            engine.execute_import(plan)
    assert list(blobs.iter_sessions()) == []


def test_what_is_neither_file_nor_folder_is_refused(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "neither" in refused(tmp_path / "pipe")
    assert "neither" in refused(Path("/dev/zero"))


# --- docker archives ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listed",
    [
        b"{}",
        b"[]",
        b"[{}]",
        b"null",
        b'[{"Config": 1, "Layers": []}]',
        b'[{"Config": "../x", "Layers": []}]',
        b'[{"Config": "/etc/passwd", "Layers": []}]',
        b'[{"Config": "absent", "Layers": []}]',
        b"[" * 100_000,
    ],
    ids=range(9),
)
def test_a_list_of_images_that_is_none_is_refused(refused, listed):
    refused(tar_of(docker_files("app:1") | {"manifest.json": listed}))


def test_a_config_that_does_not_fit_its_layers_is_refused(refused):
    files = docker_files("app:1")
    fewer = changed_list(files, lambda image: image["Layers"].pop())
    assert "lists 1" in refused(tar_of(fewer))
    named = changed_list(files, lambda image: image["Layers"].append("absent"))
    assert "lacks layer" in refused(tar_of(named))
    (config,) = [name for name in files if name.endswith(".json") and name != "manifest.json"]
    assert "what it has as config" in refused(tar_of(files | {config: b"{}"}))
    bare = {name: body for name, body in files.items() if not name.endswith("layer.tar")}
    assert "lacks layer" in refused(tar_of(bare))


def changed_list(files: Files, change: Callable[[dict], object]) -> Files:
    listed = json.loads(files["manifest.json"])
    change(listed[0])
    return files | {"manifest.json": json.dumps(listed).encode()}


def test_configs_that_differ_about_a_layer_are_refused(refused):
    """The layer is read once, for one of them: the other would wait for it for ever."""
    files = docker_files("app:1")
    (image,) = json.loads(files["manifest.json"])
    config = json.loads(files[image["Config"]])
    for at in (0, -1):
        other = json.loads(json.dumps(config))
        other["rootfs"]["diff_ids"][at] = f"sha256:{'0' * 64}"
        listed = [image, {**image, "Config": "other", "RepoTags": ["app:2"]}]
        for order in (listed, listed[::-1]):
            changed = {"other": other, "manifest.json": order}
            bodies = {name: json.dumps(body).encode() for name, body in changed.items()}
            assert "its configs say of" in refused(tar_of(files | bodies), to="dev")


def test_a_layer_that_is_too_large_is_refused_before_it_is_read(store, blobs, tmp_path):
    small = limited(store, blobs, replace(Limits(), blob_bytes_max=1000))
    small.create_registry("dev", by="tests")
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(docker_files("app:1", layers=[bytes(2000)])))
    with pytest.raises(ArchiveInvalid, match="blob_bytes_max"):
        small.import_images(path, "dev", by="me")


def test_a_config_that_is_listed_many_times_is_read_once(refused, monkeypatch):
    files = docker_files("app:1")
    (image,) = json.loads(files["manifest.json"])
    image["Layers"].pop()
    really = dockerreading._read_config
    read: list[str] = []

    def counted(archive, file, body, names):
        read.append(file.name)
        return really(archive, file, body, names)

    monkeypatch.setattr(dockerreading, "_read_config", counted)
    listed = json.dumps([image] * 1000).encode()
    assert "lists 1" in refused(tar_of(files | {"manifest.json": listed}))
    assert read == [image["Config"]]


def test_a_layer_that_its_config_does_not_know_ends_the_import(engine, tmp_path):
    files = docker_files("app:1")
    name = next(name for name in files if name.endswith("layer.tar"))
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(files | {name: b"ONE"}))
    with pytest.raises(ArchiveInvalid, match="the content is"):
        engine.import_images(path, "dev/app", by="me")


def test_every_refusal_is_a_sentence(refused, layout):
    said = refused(b"\x1b[31m" * 1000)
    assert said.endswith("No image of it was brought in.")
    assert issubclass(ArchiveInvalid, LiftlockError)
