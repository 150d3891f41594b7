"""Clients that vanish, stall or lie about lengths: nothing half is ever taken for whole."""

import socket
import struct
import time
from contextlib import suppress

import pytest

ABSENT = "sha256:" + "0" * 64
SIZE = 1_000_000
CONTENT = bytes(number % 241 for number in range(SIZE))
PART = SIZE * 2 // 5

CRASH = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset, as a killed client's kernel may


def stands_at(server, location, size, tools):
    """Wait until the session has taken in what was sent before its client went."""
    deadline = time.monotonic() + tools.WAIT_SECONDS
    while time.monotonic() < deadline:
        if server.http.get(location).headers["range"] == f"0-{size - 1}":
            return
        time.sleep(0.01)
    raise AssertionError(server.http.get(location).headers["range"])


def head(method, target, *lines):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: t", *lines, "", ""]).encode()


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_came_before_the_client_vanished_is_kept(server, repo, tools, method, chunked):
    """E29: and the upload goes on from there, to the right digest."""
    location, digest = server.start_upload(repo), tools.digest_of(CONTENT)
    target = location if method == "PATCH" else f"{location}?digest={digest}"
    with server.connect() as client:
        if chunked:
            client.sendall(head(method, target, "Transfer-Encoding: chunked"))
            client.sendall(b"%x\r\n" % SIZE + CONTENT[:PART])
        else:
            client.sendall(head(method, target, f"Content-Length: {SIZE}") + CONTENT[:PART])
    stands_at(server, location, PART, tools)
    server.refused(server.http.get(f"/v2/{repo}/blobs/{digest}"), 404, "NAME_UNKNOWN")
    rest = server.http.patch(
        location, content=CONTENT[PART:], headers={"Content-Range": f"{PART}-{SIZE - 1}"}
    )
    assert rest.status_code == 202
    answer = server.http.put(location, params={"digest": digest})
    assert answer.status_code == 201
    assert server.http.get(f"/v2/{repo}/blobs/{digest}").content == CONTENT


def test_a_reset_connection_leaves_a_session_that_goes_on(server, repo, tools):
    """E29: a reset may take bytes with it that were on their way; the session knows."""
    location, digest = server.start_upload(repo), tools.digest_of(CONTENT)
    client = server.connect()
    client.sendall(head("PATCH", location, f"Content-Length: {SIZE}") + CONTENT[:PART])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CRASH)
    client.close()
    deadline = time.monotonic() + tools.WAIT_SECONDS
    while time.monotonic() < deadline:
        stood = server.http.get(location).headers["range"]
        size = 0 if stood == "0-0" else int(stood[2:]) + 1
        rest = server.http.patch(
            location, content=CONTENT[size:], headers={"Content-Range": f"{size}-{SIZE - 1}"}
        )
        if rest.status_code == 202:
            break
        assert rest.status_code in {409, 416}  # the broken request was still being written
    assert server.http.put(location, params={"digest": digest}).status_code == 201


@pytest.mark.parametrize("lacking", [1, PART, SIZE - 1])
def test_a_post_cut_off_leaves_nothing(server, repo, tools, lacking):
    """Not even if what came has the digest that was asked for; no other test pushes that."""
    content = repo.encode() + CONTENT
    sent = content[:-lacking]
    digest = tools.digest_of(sent)
    target = f"/v2/{repo}/blobs/uploads/?digest={digest}"
    with server.connect() as client:
        client.sendall(head("POST", target, f"Content-Length: {len(content)}") + sent)
        client.shutdown(socket.SHUT_WR)
        client.recv(10_000)
    server.refused(server.http.get(f"/v2/{repo}/blobs/{digest}"), 404, "NAME_UNKNOWN")
    assert server.blob_files(digest) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_manifest_cut_off_is_not_taken(server, repo, tools, chunked):
    """Even if what came would have been a whole manifest."""
    body = tools.manifest(server.push_blob(repo, b"{}"), [])
    target = f"/v2/{repo}/manifests/1"
    with server.connect() as client:
        if chunked:
            client.sendall(head("PUT", target, "Transfer-Encoding: chunked"))
            client.sendall(b"%x\r\n%s\r\n" % (len(body), body))
        else:
            client.sendall(head("PUT", target, f"Content-Length: {len(body) + 1}") + body)
        client.shutdown(socket.SHUT_WR)
        client.recv(10_000)
    server.refused(server.http.get(target), 404, "MANIFEST_UNKNOWN")


def test_a_client_that_leaves_a_download_does_no_harm(server, repo):
    content = CONTENT * 20
    target = f"/v2/{repo}/blobs/{server.push_blob(repo, content)}"
    for lines in ([], ["Range: bytes=1-"]):
        for _ in range(5):
            with server.connect() as client:
                client.sendall(head("GET", target, *lines))
                assert client.recv(1000)
    assert server.http.get(target).content == content


class TestSlow:
    def test_a_stalled_upload_is_dropped_and_its_session_goes_on(self, hasty, repo, tools):
        """408, the connection ends, and what was received stays."""
        location, digest = hasty.start_upload(repo), tools.digest_of(CONTENT)
        with hasty.connect() as client:
            client.sendall(head("PATCH", location, f"Content-Length: {SIZE}") + CONTENT[:PART])
            answer = hasty.answer(client)
            entry = hasty.refused(answer, 408, "SIZE_INVALID")[0]
            assert "0.5 s" in entry["message"]
            assert answer.headers["connection"] == "close"
            assert client.recv(1) == b""
        assert hasty.http.get(location).headers["range"] == f"0-{PART - 1}"
        answer = hasty.http.put(location, params={"digest": digest}, content=CONTENT[PART:])
        assert answer.status_code == 201

    def test_a_byte_now_and_then_is_no_progress(self, hasty, repo):
        """E76: the connection ends, and the session can go on."""
        location = hasty.start_upload(repo)
        with hasty.connect() as client:
            client.sendall(head("PATCH", location, "Content-Length: 1000"))
            started = time.monotonic()
            client.settimeout(0.05)
            received = b""
            while not received:
                assert time.monotonic() - started < 5
                client.sendall(b"x")
                try:
                    received = client.recv(10_000)
                except TimeoutError:
                    continue
            assert received.startswith(b"HTTP/1.1 408")
        assert hasty.http.delete(location).status_code == 204

    def test_a_slow_upload_that_makes_progress_is_let_be(self, hasty, repo, tools):
        location, content = hasty.start_upload(repo), CONTENT[:60_000]
        with hasty.connect() as client:
            target = f"{location}?digest={tools.digest_of(content)}"
            client.sendall(head("PUT", target, "Content-Length: 60000"))
            for start in range(0, 60_000, 12_000):
                client.sendall(content[start : start + 12_000])
                time.sleep(0.2)  # longer than the idle time in all, shorter each
            assert hasty.answer(client).status == 201

    @pytest.mark.parametrize("target", ["manifests/1", "blobs/uploads/?digest=" + ABSENT])
    def test_a_stalled_push_leaves_nothing(self, hasty, repo, target):
        method = "PUT" if target.startswith("manifests") else "POST"
        with hasty.connect() as client:
            client.sendall(head(method, f"/v2/{repo}/{target}", "Content-Length: 100") + b"{")
            hasty.refused(hasty.answer(client), 408, "SIZE_INVALID")
        hasty.refused(hasty.http.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")

    def test_a_stalled_header_ends_the_connection(self, hasty):
        with hasty.connect() as client:
            client.sendall(b"GET /v2/ HTTP/1.1\r\nHost:")
            assert not client.recv(10_000).startswith(b"HTTP/1.1 200")

    def test_a_header_that_comes_byte_by_byte_ends_the_connection(self, hasty):
        """It is always in time for the next byte, and never done."""
        started = time.monotonic()
        with hasty.connect() as client, suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: ")
            client.settimeout(0.1)
            while time.monotonic() - started < 5:
                client.sendall(b"t")
                with suppress(TimeoutError):
                    received = client.recv(10_000)
                    assert not received.startswith(b"HTTP/1.1 200")
                    if not received:
                        break
        assert time.monotonic() - started < 5

    def test_a_connection_that_asks_nothing_is_closed(self, hasty):
        """Before its first request, and after it."""
        with hasty.connect() as client:
            client.sendall(head("GET", "/v2/"))
            assert hasty.answer(client).status == 200
            assert client.recv(1) == b""

    @pytest.mark.parametrize("lines", [["Range: bytes=1-"], []])
    def test_a_reader_that_takes_nothing_is_dropped(self, hasty, repo, lines):
        """Neither threads nor memory nor connections can be held by not reading."""
        content = CONTENT * 30
        target = f"/v2/{repo}/blobs/{hasty.push_blob(repo, content)}"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", hasty.port))
            client.sendall(head("GET", target, *lines))
            time.sleep(1.5)
            received = 0
            with suppress(ConnectionResetError):
                while piece := client.recv(1_000_000):
                    received += len(piece)
        assert received < len(content)


class TestRefusedBodies:
    def test_a_refused_body_within_bounds_leaves_the_connection_usable(self, hasty):
        with hasty.connect() as client:
            body = b"x" * 60_000
            client.sendall(
                head("PUT", "/v2/nowhere/a/manifests/1", f"Content-Length: {len(body)}") + body
            )
            assert hasty.answer(client).status in {400, 404}
            client.sendall(head("GET", "/v2/"))
            assert hasty.answer(client).status == 200

    def test_a_refused_body_beyond_them_closes_the_connection(self, hasty):
        with hasty.connect() as client:
            client.sendall(head("PATCH", "/v2/Dev/a/blobs/uploads/x", "Content-Length: 9999999"))
            answer = hasty.answer(client)
            hasty.refused(answer, 400, "NAME_INVALID")
            assert answer.headers["connection"] == "close"
            assert client.recv(1) == b""

    def test_a_refused_body_is_not_waited_for_for_long(self, hasty):
        """It may bring enough not to be stalled; that gains it no more time."""
        with hasty.connect() as client:
            client.sendall(head("PATCH", "/v2/Dev/a/blobs/uploads/x", "Content-Length: 60000"))
            client.settimeout(0.2)
            for _ in range(10):
                client.sendall(b"x" * 5000)
                with suppress(TimeoutError):
                    client.recv(1, socket.MSG_PEEK)
                    break
            else:
                pytest.fail("it took all of the body")
            answer = hasty.answer(client)
            hasty.refused(answer, 400, "NAME_INVALID")
            assert answer.headers["connection"] == "close"

    def test_who_waits_to_be_asked_for_a_body_is_refused_without_it(self, hasty):
        with hasty.connect() as client:
            lines = ("Content-Length: 100", "Expect: 100-continue")
            client.sendall(head("PATCH", "/v2/Dev/a/blobs/uploads/x", *lines))
            hasty.refused(hasty.answer(client), 400, "NAME_INVALID")

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    @pytest.mark.parametrize("wrong", ["session", "repository", "place", "length"])
    def test_who_waits_need_not_send_what_nobody_wants(self, hasty, repo, tools, method, wrong):
        """E42, but for users. It was asked for the first piece of a body that had no session."""
        location = hasty.start_upload(repo)
        query = f"?digest={tools.digest_of(CONTENT)}" if method == "PUT" else ""
        target, length, at, status, code = {
            "session": (f"{location}x", SIZE, 0, 404, "BLOB_UPLOAD_UNKNOWN"),
            "repository": (location.replace(repo, "dev/x"), SIZE, 0, 404, "BLOB_UPLOAD_UNKNOWN"),
            "place": (location, SIZE, 5, 416, "BLOB_UPLOAD_INVALID"),
            "length": (location, 2**40 + 1, 0, 400, "SIZE_INVALID"),
        }[wrong]
        spanned = f"Content-Range: {at}-{at + length - 1}"
        lines = (f"Content-Length: {length}", spanned, "Expect: 100-continue")
        with hasty.connect() as client:
            client.sendall(head(method, target + query, *lines))
            assert client.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 %d" % status
            answer = hasty.answer(client)
        hasty.refused(answer, status, code)
        assert answer.headers.get("range") == ("0-0" if wrong == "place" else None)
        assert hasty.http.get(location).headers["range"] == "0-0"
        assert hasty.http.delete(location).status_code == 204

    def test_a_body_longer_than_a_blob_may_be_is_not_waited_for(self, hasty, repo):
        """In one request, and without the courtesy of asking first."""
        with hasty.connect() as client:
            target = f"/v2/{repo}/blobs/uploads/?digest={ABSENT}"
            client.sendall(head("POST", target, f"Content-Length: {2**40 + 1}"))
            (entry,) = hasty.refused(hasty.answer(client), 400, "SIZE_INVALID")
            assert "blob_bytes_max" in entry["message"]

    def test_who_waits_and_is_welcome_is_asked(self, hasty, repo, tools):
        location = hasty.start_upload(repo)
        with hasty.connect() as client:
            lines = ("Content-Length: 5", "Expect: 100-continue")
            target = f"{location}?digest={tools.digest_of(b'hello')}"
            client.sendall(head("PUT", target, *lines))
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            client.sendall(b"hello")
            assert hasty.answer(client).status == 201
