"""Whatever is done to an archive, import refuses it or brings it in; it never fails otherwise."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock import seals
from liftlock.blobs.memory import MemoryBlobStore
from liftlock.engine import Engine
from liftlock.errors import LiftlockError
from liftlock.metadata.memory import MemoryMetadataStore
from liftlock.testing.archives import Files, Layout, compressed, docker_files, tar_of, write_folder
from liftlock.testing.clock import FakeClock

Bytes = Callable[[bytes], bytes]


@cache
def oci_files() -> Files:
    layout = Layout()
    top = layout.enter(layout.index([layout.manifest("a"), layout.manifest("b")]), "1")
    layout.enter(layout.manifest("sbom", subject=top))
    layout.enter(layout.manifest("signed"), top["digest"].replace(":", "-") + ".sig")
    return layout.files


ARCHIVES = {"oci": oci_files(), "docker": docker_files("app:1")}


@st.composite
def changes(draw: st.DrawFn) -> Bytes:
    """Something done to bytes: at a place a byte changed, some left out, put in or doubled."""
    at = draw(st.floats(0, 1, exclude_max=True))
    what = draw(st.sampled_from(["change", "remove", "insert", "double", "cut", "zero"]))
    count = draw(st.sampled_from([1, 2, 7, 12, 100, 512, 1024]))
    new = draw(st.binary(min_size=1, max_size=20))

    def change(data: bytes) -> bytes:
        start = int(len(data) * at)
        end = start + count
        return {
            "change": data[:start] + new + data[start + len(new) :],
            "remove": data[:start] + data[end:],
            "insert": data[:start] + new + data[start:],
            "double": data[:end] + data[start:],
            "cut": data[:start],
            "zero": data[:start] + bytes(count) + data[end:],
        }[what]

    return change


def require_harmless(path: Path) -> None:
    """Import what lies there; nothing but a refusal or an import may come of it."""
    blobs = MemoryBlobStore(clock=FakeClock())
    with Engine(MemoryMetadataStore(FakeClock(), seals.seal), blobs, clock=FakeClock()) as engine:
        engine.create_registry("dev", by="tests")
        try:
            engine.import_images(path, "dev/app", by="tests", overwrite=True)
        except LiftlockError:
            for repository in engine.list_repositories("dev").entries:
                assert (repository.usage.tags, repository.usage.manifests) == (0, 0)
        assert list(blobs.iter_sessions()) == []
        assert list(engine.check(content=True)) == []


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.zst"])
@given(change=changes(), inside=st.booleans())
def test_a_tar_that_was_changed_does_no_harm(kind: str, form: str, change: Bytes, inside: bool):  # noqa: FBT001
    plain = tar_of(ARCHIVES[kind])
    data = compressed(change(plain), form) if inside else change(compressed(plain, form))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        require_harmless(path)


@pytest.mark.parametrize("kind", ARCHIVES)
@given(change=changes(), at=st.integers(0, 1000))
def test_headers_that_were_changed_do_no_harm(kind: str, change: Bytes, at: int):
    """With their checksums right, so that they are read."""
    data = bytearray(tar_of(ARCHIVES[kind]))
    starts = [member.offset for member in _members(bytes(data))]
    start = starts[at % len(starts)]
    header = bytearray(change(bytes(data[start : start + 512]))[:512].ljust(512, b"\0"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[start : start + 512] = header
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        require_harmless(path)


@given(change=changes(), at=st.integers(0, 1000))
def test_a_folder_that_was_changed_does_no_harm(change: Bytes, at: int):
    files = dict(ARCHIVES["oci"])
    name = sorted(files)[at % len(files)]
    files[name] = change(files[name])
    with tempfile.TemporaryDirectory() as folder:
        require_harmless(write_folder(Path(folder), files))


@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["path", "size", "linkpath", "mtime", "uid", "GNU.sparse.major", "x"]),
            st.text(max_size=30) | st.integers().map(str),
        ),
        max_size=4,
    ),
    kind=st.sampled_from([tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE]),
    change=changes(),
)
def test_extended_headers_do_no_harm(records: list[tuple[str, str]], kind: bytes, change: Bytes):
    body = b"".join(
        b"%d %s" % (len(said) + 3, said)
        for said in (f"{key}={value}\n".encode("utf-8", "replace") for key, value in records)
    )
    body = change(body) if len(body) > 10 else body
    header = tarfile.TarInfo("pax")
    header.type, header.size = kind, len(body)
    packed = header.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(packed + tar_of(ARCHIVES["oci"]))
        require_harmless(path)


def _members(data: bytes) -> list[tarfile.TarInfo]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            return tar.getmembers()
