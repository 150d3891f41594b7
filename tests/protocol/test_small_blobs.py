"""Blobs that are rows, over HTTP: told apart from files by nothing."""

import pytest

from liftlock.config import KIB

SIZES = [0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1]


@pytest.fixture(params=["sha256", "sha512"])
def algorithm(request):
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_they_are_read_in_every_way(server, repo, tools, size, algorithm):
    content = bytes(number * 7 % 251 for number in range(size))
    digest = tools.digest_of(content, algorithm)
    location = server.start_upload(repo)  # which does not announce the algorithm
    answer = server.http.put(location, params={"digest": digest}, content=content)
    assert answer.status_code == 201
    where = answer.headers["location"]
    assert len(server.blob_files(digest)) == (size >= 16 * KIB)
    whole = server.http.get(where)
    head = server.http.head(where)
    for found in (whole, head):
        assert found.status_code == 200
        assert found.headers["content-length"] == str(size)
        assert found.headers["content-type"] == "application/octet-stream"
        assert found.headers["accept-ranges"] == "bytes"
        assert found.headers["etag"] == f'"{digest}"'
        assert found.headers["docker-content-digest"] == digest
    assert (whole.content, head.content) == (content, b"")
    same = server.http.get(where, headers={"If-None-Match": f'"{digest}"'})
    assert (same.status_code, same.content) == (304, b"")
    part = server.http.get(where, headers={"Range": "bytes=1-4"})
    if size > 1:
        assert (part.status_code, part.content) == (206, content[1:5])
        assert part.headers["content-range"] == f"bytes 1-4/{size}"
        assert server.http.get(where, headers={"Range": "bytes=-3"}).content == content[-3:]
    else:
        assert part.status_code == 416
        assert part.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("size", [0, 10])
def test_who_has_no_grant_reads_none(server, repo, tools, size):
    """E31: the row is there, for others."""
    content = b"x" * size
    digest = tools.digest_of(content)
    server.http.post(f"/v2/{repo}/blobs/uploads/", params={"digest": digest}, content=content)
    other = f"{repo}-other"
    server.refused(server.http.get(f"/v2/{other}/blobs/{digest}"), 404, "NAME_UNKNOWN")
    mine = tools.digest_of(b"mine")
    server.http.post(f"/v2/{other}/blobs/uploads/", params={"digest": mine}, content=b"mine")
    for answer in (
        server.http.get(f"/v2/{other}/blobs/{digest}"),
        server.http.get(f"/v2/{other}/blobs/{digest}", headers={"Range": "bytes=0-1"}),
        server.http.get(f"/v2/{other}/blobs/{digest}", headers={"If-None-Match": "*"}),
    ):
        server.refused(answer, 404, "BLOB_UNKNOWN")
    mounted = server.http.post(
        f"/v2/{other}/blobs/uploads/", params={"mount": digest, "from": repo}
    )
    assert mounted.status_code == 201
    assert server.http.get(f"/v2/{other}/blobs/{digest}").content == content
