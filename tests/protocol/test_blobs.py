"""Blobs: downloads whole and in part, deletes, isolation."""

import hashlib

import pytest

ABSENT = "sha256:" + "0" * 64
SIZE = 3000
CONTENT = bytes(number * 7 % 251 for number in range(SIZE))


@pytest.fixture
def blob(server, repo):
    return f"/v2/{repo}/blobs/{server.push_blob(repo, CONTENT)}"


class TestWhole:
    def test_a_blob_comes_back_with_its_headers(self, server, blob):
        answer = server.http.get(blob)
        digest = blob.rsplit("/", 1)[1]
        assert answer.content == CONTENT
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers["etag"] == f'"{digest}"'
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-length"] == str(SIZE)

    def test_head_gives_the_headers_of_get_and_no_body(self, server, blob):
        """E2, for blobs; a Range means nothing to HEAD (RFC 9110)."""
        head, got = server.head(blob, Range="bytes=1-2"), server.get(blob)
        for headers in (head.headers, got.headers):
            headers.pop("date")
            headers.pop("x-request-id")
            headers.pop("connection", None)
        assert head.headers == got.headers
        assert (head.status, head.body) == (200, b"")
        assert (got.status, got.body) == (200, CONTENT)

    @pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 9_000_000])
    def test_any_size_comes_back_byte_for_byte(self, server, repo, size):
        content = hashlib.shake_128(b"seed").digest(size)
        digest = server.push_blob(repo, content)
        target = f"/v2/{repo}/blobs/{digest}"
        assert server.http.get(target).content == content
        if size > 1:
            part = server.http.get(target, headers={"Range": f"bytes=1-{size - 2}"})
            assert part.content == content[1:-1]

    def test_who_has_it_gets_304(self, server, blob):
        etag = server.http.get(blob).headers["etag"]
        answer = server.http.get(blob, headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")

    def test_what_is_absent_is_404(self, server, repo):
        """E3."""
        server.push_blob(repo, CONTENT)
        server.refused(server.http.get(f"/v2/{repo}/blobs/{ABSENT}"), 404, "BLOB_UNKNOWN")
        head = server.head(f"/v2/{repo}/blobs/{ABSENT}")
        assert (head.status, head.body) == (404, b"")

    def test_a_malformed_digest_is_400(self, server, repo):
        """E37."""
        for digest in ("sha256:" + "A" * 64, "sha256:abc", "latest", "sha1:" + "0" * 40):
            answer = server.http.get(f"/v2/{repo}/blobs/{digest}")
            server.refused(answer, 400, "DIGEST_INVALID")

    def test_knowing_a_digest_gives_nothing_elsewhere(self, server, repo, blob):
        digest = blob.rsplit("/", 1)[1]
        server.push_blob(f"{repo}/other", b"another")
        answer = server.http.get(f"/v2/{repo}/other/blobs/{digest}")
        server.refused(answer, 404, "BLOB_UNKNOWN")

    def test_a_manifest_is_no_blob_and_a_blob_no_manifest(self, server, repo, tools):
        """E39."""
        image = server.push_image(repo)
        head = server.get(f"/v2/{repo}/blobs/{image.digest}", method="HEAD")
        assert head.status == 404
        looks_like_one = tools.manifest(image.config, [(image.config, 2)])
        digest = server.push_blob(repo, looks_like_one)
        answer = server.http.get(f"/v2/{repo}/manifests/{digest}")
        server.refused(answer, 404, "MANIFEST_UNKNOWN")


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            ("bytes=500-1499", 500, 1500),
            ("bytes=500-", 500, SIZE),
            ("bytes=-500", SIZE - 500, SIZE),
            ("bytes=2000-999999", 2000, SIZE),
            ("bytes=0-0", 0, 1),
            ("bytes=-999999", 0, SIZE),
            (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
            ("Bytes=1-2", 1, 3),
        ],
    )
    def test_one_range_is_206(self, server, blob, asked, start, stop):
        """E36."""
        answer = server.http.get(blob, headers={"Range": asked})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.content == CONTENT[start:stop]

    @pytest.mark.parametrize("asked", ["bytes=500-0", f"bytes={SIZE}-", "bytes=99999-", "bytes=-0"])
    def test_a_range_outside_is_416(self, server, blob, asked):
        """E36."""
        answer = server.http.get(blob, headers={"Range": asked})
        server.refused(answer, 416, "SIZE_INVALID")
        assert answer.headers["content-range"] == f"bytes */{SIZE}"

    @pytest.mark.parametrize(
        "asked",
        [
            "bytes=0-1,5-6",
            "bytes=-",
            "bytes",
            "lines=1-2",
            "bytes=a-b",
            "bytes=1-2-3",
            "",
            "bytes=" + "9" * 5000 + "-",
        ],
    )
    def test_several_or_unreadable_ranges_get_the_whole(self, server, blob, asked):
        """E36."""
        answer = server.http.get(blob, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, CONTENT)

    def test_if_range_decides_whether_the_range_counts(self, server, blob):
        """E36: only the blob's own strong tag does."""
        etag = server.http.get(blob).headers["etag"]
        for validator, status in (
            (etag, 206),
            ('"other"', 200),
            (f"W/{etag}", 200),
            ("Wed, 21 Oct 2026 07:28:00 GMT", 200),
        ):
            answer = server.http.get(blob, headers={"Range": "bytes=1-2", "If-Range": validator})
            assert answer.status_code == status

    def test_an_empty_blob_has_no_ranges(self, server, repo):
        target = f"/v2/{repo}/blobs/{server.push_blob(repo, b'')}"
        answer = server.http.get(target, headers={"Range": "bytes=0-"})
        server.refused(answer, 416, "SIZE_INVALID")
        assert server.http.get(target, headers={"Range": "bytes=-5"}).status_code == 200


class TestDelete:
    def test_a_blob_that_nothing_needs_goes(self, server, blob):
        assert server.http.delete(blob).status_code == 202
        server.refused(server.http.get(blob), 404, "BLOB_UNKNOWN")
        server.refused(server.http.delete(blob), 404, "BLOB_UNKNOWN")

    def test_a_blob_that_a_manifest_needs_stays(self, server, repo):
        image = server.push_image(repo)
        answer = server.http.delete(f"/v2/{repo}/blobs/{image.config}")
        server.refused(answer, 405, "UNSUPPORTED")
        assert server.http.get(f"/v2/{repo}/blobs/{image.config}").content == b"{}"


class TestDamage:
    @pytest.mark.parametrize("damage", ["missing", "shorter"])
    def test_a_damaged_file_is_404_until_it_is_pushed_again(self, hasty, repo, damage):
        content = damage.encode() * 5000  # more than a row has
        digest = hasty.push_blob(repo, content)
        (file,) = hasty.blob_files(digest)
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(content[:-1])
        target = f"/v2/{repo}/blobs/{digest}"
        hasty.refused(hasty.http.get(target), 404, "BLOB_UNKNOWN")
        assert hasty.get(target, method="HEAD").status == 404
        hasty.push_blob(repo, content)
        assert hasty.http.get(target).content == content
