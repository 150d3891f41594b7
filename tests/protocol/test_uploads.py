"""Uploads: sessions, chunks, mounts, and what they refuse."""

from concurrent.futures import ThreadPoolExecutor

import pytest

ABSENT = "sha256:" + "0" * 64
CONTENT = bytes(number * 11 % 253 for number in range(30_000))


def patch(server, location, data, span=None):
    headers = {} if span is None else {"Content-Range": span}
    return server.http.patch(location, content=data, headers=headers)


def commit(server, location, digest, data=b"", **headers):
    return server.http.put(location, params={"digest": digest}, content=data, headers=headers)


class TestWhole:
    def test_one_post_does_it(self, server, repo, tools):
        """E24."""
        digest = tools.digest_of(CONTENT)
        answer = server.http.post(
            f"/v2/{repo}/blobs/uploads/", params={"digest": digest}, content=CONTENT
        )
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/v2/{repo}/blobs/{digest}"
        assert answer.headers["docker-content-digest"] == digest
        assert server.http.get(answer.headers["location"]).content == CONTENT

    @pytest.mark.parametrize("size", [10, 3_000_000])
    def test_one_post_of_other_content_leaves_nothing(self, server, repo, size):
        """E24."""
        answer = server.http.post(
            f"/v2/{repo}/blobs/uploads/", params={"digest": ABSENT}, content=b"x" * size
        )
        server.refused(answer, 400, "DIGEST_INVALID")
        assert server.sessions() == []
        assert server.blob_files(ABSENT) == []
        server.refused(server.http.get(f"/v2/{repo}/blobs/{ABSENT}"), 404, "NAME_UNKNOWN")

    @pytest.mark.parametrize(
        ("span", "status", "code"),
        [("5-29999", 400, "SIZE_INVALID"), ("5-30004", 416, "BLOB_UPLOAD_INVALID")],
    )
    def test_one_post_is_the_whole_and_no_other_part(self, server, repo, tools, span, status, code):
        """Nothing is left, also of what would have been right without the header."""
        target = f"/v2/{repo}/blobs/uploads/?digest={tools.digest_of(CONTENT)}"
        answer = server.http.post(target, content=CONTENT, headers={"Content-Range": span})
        server.refused(answer, status, code)
        assert server.sessions() == []
        whole = {"Content-Range": f"0-{len(CONTENT) - 1}"}
        assert server.http.post(target, content=CONTENT, headers=whole).status_code == 201

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_post_then_put_does_it(self, server, repo, tools, slash):
        answer = server.http.post(f"/v2/{repo}/blobs/uploads{slash}")
        assert answer.status_code == 202
        location = answer.headers["location"]
        assert commit(server, location, tools.digest_of(CONTENT), CONTENT).status_code == 201

    def test_put_of_other_content_leaves_nothing(self, server, repo):
        location = server.start_upload(repo)
        server.refused(commit(server, location, ABSENT, CONTENT), 400, "DIGEST_INVALID")
        assert server.sessions() == []
        server.refused(server.http.get(location), 404, "BLOB_UPLOAD_UNKNOWN")

    @pytest.mark.parametrize("announced", ["?digest-algorithm=sha512", ""])
    def test_a_blob_may_be_named_by_sha512(self, server, repo, tools, announced):
        """E37: announced or not."""
        location = server.start_upload(repo, announced)
        digest = tools.digest_of(CONTENT + announced.encode(), "sha512")
        answer = commit(server, location, digest, CONTENT + announced.encode())
        assert answer.status_code == 201
        assert server.http.get(f"/v2/{repo}/blobs/{digest}").status_code == 200

    @pytest.mark.parametrize("digest", ["sha256:" + "A" * 64, "sha256:abc", "nonsense", ""])
    def test_a_malformed_digest_is_400_and_the_session_goes_on(self, server, repo, tools, digest):
        """E37."""
        location = server.start_upload(repo)
        server.refused(commit(server, location, digest, CONTENT), 400, "DIGEST_INVALID")
        server.refused(server.http.put(location, content=CONTENT), 400, "BLOB_UPLOAD_INVALID")
        assert commit(server, location, tools.digest_of(CONTENT), CONTENT).status_code == 201
        unknown = {"digest-algorithm": "md5"}
        for query in (
            {"digest": digest},
            {"mount": "x" + digest},
            unknown,
            unknown | {"digest": tools.digest_of(b"")},
            unknown | {"mount": ABSENT},
        ):
            answer = server.http.post(f"/v2/{repo}/blobs/uploads/", params=query)
            server.refused(answer, 400, "DIGEST_INVALID")


class TestChunks:
    @pytest.mark.parametrize("last_with_put", [True, False])
    def test_chunks_in_order_become_the_blob(self, server, repo, tools, last_with_put):
        """E25."""
        location, digest = server.start_upload(repo), tools.digest_of(CONTENT)
        for start in range(0, 30_000, 10_000):
            stop = start + 10_000
            if last_with_put and stop == 30_000:
                break
            answer = patch(server, location, CONTENT[start:stop], f"{start}-{stop - 1}")
            assert answer.status_code == 202
            assert answer.headers["range"] == f"0-{stop - 1}"
            assert answer.headers["docker-upload-uuid"] in answer.headers["location"]
            location = answer.headers["location"]
        if last_with_put:
            spanned = {"Content-Range": "20000-29999"}
            answer = commit(server, location, digest, CONTENT[20_000:], **spanned)
        else:
            answer = commit(server, location, digest)
        assert answer.status_code == 201
        assert server.http.get(answer.headers["location"]).content == CONTENT

    @pytest.mark.parametrize("span", ["10001-20000", "9999-19998", "0-9999"])
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_chunk_out_of_order_is_416_and_the_session_goes_on(
        self, server, repo, tools, span, method
    ):
        """E26 (PATCH) and E27 (PUT): gap, overlap, from 0 again."""
        location, digest = server.start_upload(repo), tools.digest_of(CONTENT)
        patch(server, location, CONTENT[:10_000], "0-9999")
        if method == "PATCH":
            answer = patch(server, location, b"x" * 10_000, span)
        else:
            headers = {"Content-Range": span}
            answer = commit(server, location, digest, b"x" * 10_000, **headers)
        server.refused(answer, 416, "BLOB_UPLOAD_INVALID")
        assert answer.headers["range"] == "0-9999"
        assert answer.headers["location"] == location
        status = server.http.get(location)
        assert (status.status_code, status.headers["range"]) == (204, "0-9999")
        assert patch(server, location, CONTENT[10_000:], "10000-29999").status_code == 202
        assert commit(server, location, digest).status_code == 201

    @pytest.mark.parametrize(
        ("span", "code"),
        [
            ("0-9", "SIZE_INVALID"),
            ("0-99999", "SIZE_INVALID"),
            ("10-5", "BLOB_UPLOAD_INVALID"),
            ("nonsense", "BLOB_UPLOAD_INVALID"),
            ("0-", "BLOB_UPLOAD_INVALID"),
            ("-5", "BLOB_UPLOAD_INVALID"),
            ("bytes 0-99/100", "BLOB_UPLOAD_INVALID"),
            ("0-" + "9" * 5000, "BLOB_UPLOAD_INVALID"),
        ],
    )
    def test_headers_that_disagree_are_400_and_nothing_is_taken(self, server, repo, span, code):
        """E27."""
        location = server.start_upload(repo)
        server.refused(patch(server, location, b"x" * 100, span), 400, code)
        server.refused(
            commit(server, location, ABSENT, b"x" * 100, **{"Content-Range": span}), 400, code
        )
        assert server.http.get(location).headers["range"] == "0-0"
        assert server.http.delete(location).status_code == 204

    @pytest.mark.parametrize("pieces", [1, 3, 700])
    def test_a_stream_without_a_length_is_appended(self, server, repo, tools, pieces):
        """E28: chunked transfer encoding, no Content-Range, as docker does."""
        location = server.start_upload(repo)
        content = CONTENT * 40
        step = len(content) // pieces
        answer = server.http.patch(
            location, content=(content[at : at + step] for at in range(0, len(content), step))
        )
        assert answer.status_code == 202
        assert answer.headers["range"] == f"0-{len(content) - 1}"
        assert commit(server, location, tools.digest_of(content)).status_code == 201

    def test_a_stream_cannot_say_where_it_ends(self, server, repo, tools):
        """Content-Range beside chunked coding: nothing would tell a stream cut off from a whole."""
        location, digest = server.start_upload(repo), tools.digest_of(CONTENT)
        headers = {"Content-Range": f"0-{len(CONTENT) - 1}"}
        for method, query in (("PATCH", {}), ("PUT", {"digest": digest})):
            answer = server.http.request(
                method, location, params=query, headers=headers, content=iter([CONTENT])
            )
            (entry,) = server.refused(answer, 400, "SIZE_INVALID")
            assert "Content-Length must be given" in entry["message"]
            assert server.http.get(location).headers["range"] == "0-0"
        assert commit(server, location, digest, CONTENT).status_code == 201

    def test_two_chunks_at_once_never_mix(self, server, repo, tools):
        """E32."""
        location = server.start_upload(repo)
        content = CONTENT * 100
        with ThreadPoolExecutor(2) as both:
            span = f"0-{len(content) - 1}"
            answers = list(both.map(lambda _: patch(server, location, content, span), range(2)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] == 202
        assert statuses[1] in {409, 416}
        assert commit(server, location, tools.digest_of(content)).status_code == 201

    def test_a_busy_session_is_409(self, server, repo):
        """E32, for certain: the first request holds the session while the second asks."""
        location = server.start_upload(repo)
        head = f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 2100000\r\n\r\n"
        with server.connect() as first:
            first.sendall(head.encode() + b"x" * 2_000_000)
            while server.http.get(location).headers["range"] == "0-0":
                pass
            answer = patch(server, location, b"y")
            server.refused(answer, 409, "BLOB_UPLOAD_INVALID")
            server.refused(server.http.delete(location), 409, "BLOB_UPLOAD_INVALID")
            first.sendall(b"x" * 100_000)
            assert server.answer(first).status == 202
        assert server.http.delete(location).status_code == 204

    def test_two_uploads_of_one_blob_both_succeed(self, server, repo, tools):
        """E33: one file is left."""
        digest = tools.digest_of(CONTENT + b"!")
        locations = [server.start_upload(repo) for _ in range(8)]
        with ThreadPoolExecutor(8) as all_at_once:
            answers = list(
                all_at_once.map(lambda at: commit(server, at, digest, CONTENT + b"!"), locations)
            )
        assert {answer.status_code for answer in answers} == {201}
        assert len(server.blob_files(digest)) == 1
        assert server.http.get(f"/v2/{repo}/blobs/{digest}").content == CONTENT + b"!"


class TestSessions:
    def test_an_empty_session_tells_where_it_stands_and_can_be_cancelled(self, server, repo):
        """E30."""
        location = server.start_upload(repo)
        status = server.http.get(location)
        assert (status.status_code, status.headers["range"]) == (204, "0-0")
        assert status.headers["location"] == location
        assert location.endswith(status.headers["docker-upload-uuid"])
        assert server.http.delete(location).status_code == 204
        for method in ("GET", "PATCH", "DELETE"):
            server.refused(server.http.request(method, location), 404, "BLOB_UPLOAD_UNKNOWN")
        server.refused(commit(server, location, ABSENT), 404, "BLOB_UPLOAD_UNKNOWN")

    def test_a_body_where_none_is_wanted_is_nobodys_business(self, server, repo):
        """Of a GET, a POST that opens a session, a DELETE; the connection goes on."""
        length = f"Host: t\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode()
        with server.connect() as client:

            def ask(method, target):
                client.sendall(f"{method} {target} HTTP/1.1\r\n".encode() + length + CONTENT)
                return server.answer(client, method)

            started = ask("POST", f"/v2/{repo}/blobs/uploads/")
            location = started.headers["location"]
            assert (started.status, started.headers["range"]) == (202, "0-0")
            assert ask("GET", location).headers["range"] == "0-0"
            assert ask("DELETE", location).status == 204
            image = server.push_image(repo, "1")
            for target in ("manifests/1", f"manifests/{image.digest}", f"blobs/{image.config}"):
                assert ask("GET", f"/v2/{repo}/{target}").status == 200
                assert ask("DELETE", f"/v2/{repo}/{target}").status == 202
                assert ask("HEAD", f"/v2/{repo}/{target}").status == 404

    def test_a_session_belongs_to_its_repository(self, server, repo):
        """E31, the other repository."""
        location = server.start_upload(repo)
        server.push_blob(f"{repo}/other", b"x")
        foreign = location.replace(repo, f"{repo}/other")
        for method in ("GET", "PATCH", "DELETE"):
            server.refused(server.http.request(method, foreign), 404, "BLOB_UPLOAD_UNKNOWN")
        server.refused(commit(server, foreign, ABSENT), 404, "BLOB_UPLOAD_UNKNOWN")
        assert server.http.delete(location).status_code == 204

    @pytest.mark.parametrize("session", ["x", "..", "%2e%2e", "a" * 300, "%00", "x%0ay", "%e9"])
    def test_a_session_id_that_never_was_is_404(self, server, repo, session):
        target = f"/v2/{repo}/blobs/uploads/{session}"
        if session == "%e9":
            server.refused(server.get(target), 400, "NAME_INVALID")
        else:
            server.refused(server.get(target), 404, "BLOB_UPLOAD_UNKNOWN")


class TestMounts:
    def mount(self, server, repo, digest, source=None):
        query = {"mount": digest} | ({"from": source} if source else {})
        return server.http.post(f"/v2/{repo}/blobs/uploads/", params=query)

    def test_a_readable_blob_is_mounted(self, server, repo):
        """E34."""
        digest = server.push_blob(repo, CONTENT)
        answer = self.mount(server, f"{repo}/target", digest, repo)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/v2/{repo}/target/blobs/{digest}"
        assert server.http.get(answer.headers["location"]).content == CONTENT

    def test_what_cannot_be_mounted_opens_a_session(self, server, repo):
        """E34: an absent blob, repository, registry and a name that is none look alike."""
        server.push_blob(repo, CONTENT)
        known = server.push_blob(f"{repo}/secret", b"secret")
        sources = (repo, f"{repo}/absent", "nowhere/app", "alpine", "Not A Name", None)
        for source in sources:
            answer = self.mount(server, f"{repo}/target", known, source)
            assert answer.status_code == 202, source
            assert answer.headers["range"] == "0-0"
            assert server.http.delete(answer.headers["location"]).status_code == 204

    def test_without_a_source_only_what_the_repository_has_is_mounted(self, server, repo):
        digest = server.push_blob(repo, CONTENT)
        assert self.mount(server, repo, digest).status_code == 201
