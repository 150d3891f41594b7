"""Connections: how a request may come in, how long it may take, and how a file goes out."""

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

import pytest

HOST = b"Host: t\r\n"
GET = b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"
SIZE = 20_000_000
CONTENT = bytes(number % 253 for number in range(1000)) * (SIZE // 1000)
RESET = struct.pack("ii", 1, 0)


def get(target, *lines):
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: t", *lines, "", ""]).encode()


def everything(client):
    """All that comes until the server closes."""
    received = bytearray()
    with suppress(ConnectionResetError):
        while piece := client.recv(1_000_000):
            received += piece
    return bytes(received)


def statuses(received):
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


class TestComingIn:
    @pytest.mark.parametrize("step", [1, 7])
    def test_a_request_may_come_in_pieces(self, server, repo, tools, step):
        digest = tools.digest_of(b"hello")
        post = (
            f"POST /v2/{repo}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: t\r\n"
            "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"
        ).encode()
        with server.connect() as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(post), step):
                client.sendall(post[start : start + step])
            assert server.answer(client).status == 201
        assert server.http.get(f"/v2/{repo}/blobs/{digest}").content == b"hello"

    def test_what_follows_a_body_in_chunks_is_no_header_of_the_request(self, server, repo, tools):
        """RFC 9110, 6.5.1: a trailer must not say what a header says."""
        location = server.start_upload(repo)
        patch = (
            f"PATCH {location} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\nContent-Range: 7-11\r\nX-Request-Id: trailer\r\n\r\n"
        ).encode()
        with server.connect() as client:
            client.sendall(patch + get("/v2/", "Connection: close"))
            received = everything(client)
        assert statuses(received) == [202, 200]
        assert b"\r\nrange: 0-4\r\n" in received
        assert b"trailer" not in received
        assert server.http.delete(location).status_code == 204

    @pytest.mark.parametrize("blank", [" ", "\t", " \t  "])
    def test_blanks_behind_a_value_are_no_part_of_it(self, server, repo, tools, blank):
        """RFC 9110, 5.5. They are between a value and its line end, and say nothing."""
        digest = tools.digest_of(b"hello")
        head = (
            f"POST /v2/{repo}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: t\r\n"
            f"Content-Length: 5{blank}\r\nExpect: 100-continue{blank}\r\n\r\n"
        ).encode()
        with server.connect() as client:
            client.sendall(head)
            assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"hello")
            assert server.answer(client, "POST").status == 201

    @pytest.mark.parametrize(
        "target", ["http://t/v2/", "http://other:80/v2/?a=b", "/v2/?a=http://t/"]
    )
    def test_a_target_may_have_a_host(self, server, target):
        """RFC 9112, 3.2.2."""
        assert server.raw(get(target)).status == 200

    @pytest.mark.parametrize("wanted", [b"", b"Connection: keep-alive\r\n"])
    def test_an_older_client_is_told_that_its_connection_ends(self, server, wanted):
        with server.connect() as client:
            client.sendall(b"GET /v2/ HTTP/1.0\r\n" + wanted + b"\r\n")
            received = everything(client)
        assert statuses(received) == [200]
        assert b"\r\nconnection: close\r\n" in received

    def test_who_asks_for_the_last_time_gets_no_more(self, server):
        with server.connect() as client:
            client.sendall(get("/v2/", "Connection: close") + GET)
            assert statuses(everything(client)) == [200]

    def test_who_has_sent_all_and_says_so_is_answered(self, server, repo, tools):
        """As `nc` does: one half of the connection is closed."""
        digest = tools.digest_of(b"hello")
        post = f"POST /v2/{repo}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: t\r\n"
        for request in (GET, post.encode() + b"Content-Length: 5\r\n\r\nhello"):
            with server.connect() as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                assert statuses(everything(client)) in ([200], [201])

    def test_who_sends_less_than_announced_and_says_so_is_told(self, server, repo):
        with server.connect() as client:
            put = f"PUT /v2/{repo}/manifests/1 HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n"
            client.sendall(put.encode() + b"{")
            client.shutdown(socket.SHUT_WR)
            server.refused(server.answer(client, "PUT"), 400, "SIZE_INVALID")
            assert client.recv(1) == b""

    def test_garbage_behind_a_request_is_no_answer_to_it(self, server):
        """Nor is anything answered before the request is."""
        with server.connect() as client:
            client.sendall(GET + b"GARBAGE\r\n\r\n")
            received = everything(client)
        assert statuses(received)[0] == 200
        assert len(statuses(received)) == 1

    def test_requests_without_end_before_the_first_answer_are_cut_off(self, server):
        with server.connect() as client:
            client.sendall(GET * 2000)
            received = statuses(everything(client))
        assert set(received) == {200}
        assert 30 < len(received) < 2000


ENDLESS = {
    "a target": (b"GET /v2/", b"x"),
    "a name": (b"GET /v2/ HTTP/1.1\r\n", b"X"),
    "a value": (b"GET /v2/ HTTP/1.1\r\nX: ", b"x"),
    "fields": (b"GET /v2/ HTTP/1.1\r\n", b"X: y\r\n"),
    "line ends": (b"", b"\r\n"),
}


@pytest.mark.parametrize(("begun", "more"), ENDLESS.values(), ids=ENDLESS)
def test_a_header_without_end_is_refused(server, begun, more):
    """In many segments, none of which is too long."""
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(begun)
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(600):
                client.sendall(more * (600 // len(more)))
        answer = server.answer(client)
    assert answer.status == 431
    assert (answer.body, answer.headers["connection"]) == (b"", "close")


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"X: y\r\n" * 1000, b"0\r\nX: " + b"y" * 6000, b"5;" + b"x" * 6000],
    ids=["trailers", "a trailer", "an extension"],
)
def test_what_is_between_chunks_has_an_end(server, repo, endless):
    """And what came without it is not taken for whole."""
    more = endless[-6:] * 1000
    head = f"PUT /v2/{repo}/manifests/1 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.connect() as client:
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(head.encode() + b"2\r\n{}\r\n" + endless)
            for _ in range(100):
                client.sendall(more)
        with suppress(ConnectionResetError):
            server.refused(server.answer(client, "PUT"), 400, "SIZE_INVALID")
    server.refused(server.http.get(f"/v2/{repo}/manifests/1"), 404, "NAME_UNKNOWN")


class TestTime:
    """A header must be there within a second."""

    def test_half_a_header_is_answered_408(self, hasty):
        with hasty.connect() as client:
            client.sendall(b"GET /v2/ HTTP/1.1\r\nHo")
            assert statuses(everything(client)) == [408]

    @pytest.mark.parametrize("before", [b"", GET])
    def test_no_header_is_answered_by_an_end(self, hasty, before):
        """An answer to nothing could be taken for one to the next request."""
        with hasty.connect() as client:
            client.sendall(before)
            assert statuses(everything(client)) == [200] * bool(before)

    def test_each_request_has_the_whole_time(self, hasty):
        with hasty.connect() as client:
            for _ in range(3):
                client.sendall(GET[:20])
                with suppress(TimeoutError):
                    client.settimeout(0.6)
                    assert client.recv(1, socket.MSG_PEEK) == b"", "it has answered"
                    pytest.fail("it has closed")
                client.settimeout(10)
                client.sendall(GET[20:])
                assert hasty.answer(client).status == 200


class TestFiles:
    @pytest.fixture
    def blob(self, server, repo):
        return f"/v2/{repo}/blobs/{server.push_blob(repo, CONTENT)}"

    def test_a_connection_goes_on_after_a_file(self, server, blob):
        with server.connect() as client:
            for _ in range(3):
                client.sendall(get(blob))
                assert server.answer(client).body == CONTENT
                client.sendall(GET)
                assert server.answer(client).body == b"{}"

    def test_files_and_others_are_sent_in_order(self, server, blob):
        """Asked for at once, by a client that reads more slowly than the server could send."""
        head = get(blob).replace(b"GET", b"HEAD", 1)
        part, last = get(blob, "Range: bytes=5-"), get("/v2/", "Connection: close")
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(get(blob) + GET + head + part + get(blob) + last)
            received = bytearray()
            while piece := client.recv(65536):
                received += piece
                threading.Event().wait(0.0005)
        answers = [
            answer.split(b"\r\n\r\n", 1) for answer in bytes(received).split(b"HTTP/1.1 ")[1:]
        ]
        assert [head[:3] for head, _ in answers] == [b"200", b"200", b"200", b"206", b"200", b"200"]
        bodies = [CONTENT, b"{}", b"", CONTENT[5:], CONTENT, b"{}"]
        assert [body for _, body in answers] == bodies

    @pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
    def test_a_reader_that_vanishes_leaves_no_descriptor(self, own_server, repo, tools, is_reset):
        target = f"/v2/{repo}/blobs/{own_server.push_blob(repo, CONTENT)}"
        worker = own_server.worker()
        before = descriptors(worker)
        for _ in range(20):
            client = own_server.connect()
            client.sendall(get(target) + GET)
            assert client.recv(1000)
            if is_reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        assert tools.becomes(lambda: descriptors(worker) <= before, wanted=True)
        assert own_server.http.get(target).content == CONTENT

    def test_a_reader_that_takes_little_is_served_to_the_end(self, hasty, repo):
        """It takes less in `idle_seconds` than makes the kernel ask for more; but it does take."""
        target = f"/v2/{repo}/blobs/{hasty.push_blob(repo, CONTENT)}"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.settimeout(10)
            client.connect(("127.0.0.1", hasty.port))
            client.sendall(get(target, "Connection: close"))
            received = bytearray()
            for _ in range(15):
                received += client.recv(100_000)
                threading.Event().wait(0.1)
            received += everything(client)
        assert bytes(received).partition(b"\r\n\r\n")[2] == CONTENT


def descriptors(pid):
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
