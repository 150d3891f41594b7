"""The package oras: artifacts, and what is attached to them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import require_package

pytestmark = pytest.mark.clients

AT_ONCE = 12


@pytest.fixture
def client(server):
    made = client_of(server)
    yield made
    made.session.close()


def client_of(server):
    require_package("oras")
    return require_package("oras.client").OrasClient(hostname=server.host, insecure=True)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "notes.txt").write_text("the water is low")
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "canal.svg").write_text("<svg/>")
    return [f"{tmp_path}/notes.txt:text/plain", f"{tmp_path}/charts"]


def push(client, name, files, **options):
    return client.push(target=name, files=files, disable_path_validation=True, **options)


def test_files_and_folders_come_back(client, server, files, tmp_path):
    name = server.name("dev/artifact:1")
    answer = push(client, name, files, manifest_annotations={"level": "3"})
    assert answer.headers["Docker-Content-Digest"] == server.digest("dev/artifact", "1")
    client.pull(target=name, outdir=str(tmp_path / "back"))
    assert (tmp_path / "back" / "notes.txt").read_text() == "the water is low"
    assert (tmp_path / "back" / "charts" / "canal.svg").read_text() == "<svg/>"
    manifest = client.get_manifest(name)
    assert manifest["annotations"] == {"level": "3"}
    assert manifest["layers"][0]["mediaType"] == "text/plain"


def test_a_large_file_goes_in_chunks(client, server, tmp_path):
    """Numbered chunks, the last of which is shorter."""
    content = os.urandom(2_500_000)
    (tmp_path / "large").write_bytes(content)
    name = server.name("dev/chunked:1")
    push(client, name, [f"{tmp_path}/large"], do_chunked=True, chunk_size=1_000_000)
    client.pull(target=name, outdir=str(tmp_path / "back"))
    assert (tmp_path / "back" / "large").read_bytes() == content


def test_tags_are_listed_and_deleted(client, server, files):
    name = server.name("dev/tagged")
    for tag in ("a", "b", "c"):
        push(client, f"{name}:{tag}", files, manifest_annotations={"tag": tag})
    assert client.get_tags(name) == ["a", "b", "c"]
    assert client.get_tags(name, N=2) == ["a", "b"]
    assert client.delete_tags(name, tags=["b", "absent"]) == ["b"]
    assert client.get_tags(name) == ["a", "c"]


def test_none_of_many_attached_at_once_is_lost(client, server, skopeo, index, tmp_path):
    """Every referrer is listed, whoever else pushed one at the time."""
    layout, subject = index
    skopeo.push(f"{layout.root}:1", server.name("dev/attached:1"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [
            pool.submit(attach, server, f"dev/attached:note-{number}", subject, tmp_path)
            for number in range(AT_ONCE)
        ]
        pushed = {future.result() for future in futures}
    assert len(pushed) == AT_ONCE
    assert referrers(client, server, "dev/attached", subject) == pushed


def test_what_is_attached_comes_along_in_a_promotion(client, server, skopeo, index, tmp_path):
    """E45: a referrer of the index, one of an image of it, and a referrer of a referrer."""
    layout, top = index
    skopeo.push(f"{layout.root}:1", server.name("dev/signed:1"))
    child = server.manifest("dev/signed", "1")["manifests"][0]["digest"]
    bill = attach(server, "dev/signed:bill", top, tmp_path)
    signatures = {
        subject: attach(server, f"dev/signed:signature-{number}", subject, tmp_path)
        for number, subject in enumerate((child, bill))
    }
    server.promote("dev/signed:1", "prod/signed:1")
    assert referrers(client, server, "prod/signed", top) == {bill}
    for subject, signature in signatures.items():
        assert referrers(client, server, "prod/signed", subject) == {signature}
    assert server.tags("prod/signed") == ["1"]


def attach(server, name, subject, folder):
    """Attach a file to the manifest `subject`, with a client of one's own; return its digest."""
    client = client_of(server)
    repository, _, tag = name.partition(":")
    address = f"http://{server.host}/v2/{repository}/manifests/{subject}"
    seen = client.do_request(address, "HEAD").headers
    descriptor = require_package("oras.oci").Subject(
        seen["Content-Type"], subject, int(seen["Content-Length"])
    )
    note = folder / tag
    note.write_text(name)
    answer = push(client, server.name(name), [note], subject=descriptor)
    client.session.close()
    assert answer.headers["OCI-Subject"] == subject
    return answer.headers["Docker-Content-Digest"]


def referrers(client, server, repository, subject):
    address = f"http://{server.host}/v2/{repository}/referrers/{subject}"
    return {one["digest"] for one in client.do_request(address).json()["manifests"]}
