"""What is no HTTP, or not clear: refused or cut off, and nothing is left of it."""

import socket
import struct
from contextlib import contextmanager, suppress

import pytest

HOST = b"Host: t\r\n"
GET = b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n"
ABSENT = "sha256:" + "0" * 64
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset

NO_HTTP = {
    "a word": b"GARBAGE\r\n\r\n",
    "no version": b"GET /v2/\r\n" + HOST + b"\r\n",
    "an unknown version": b"GET /v2/ HTTP/9.9\r\n" + HOST + b"\r\n",
    "a method that is none": b"G@T /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the path": b"GET /v2/ x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a NUL in the path": b"GET /v2/\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method that nobody knows": b"BREW /v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT t:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a version from before headers": b"GET /v2/ HTTP/0.9\r\n" + HOST + b"\r\n",
    "a version that is not on the wire": b"GET /v2/ HTTP/2.0\r\n" + HOST + b"\r\n",
    "lines that end without CR": b"GET /v2/ HTTP/1.1\nHost: t\n\n",
    "a header that ends without CR": b"GET /v2/ HTTP/1.1\r\nHost: t\nX: a\r\n\r\n",
    "a query that is not encoded": b"GET /v2/_catalog?n=\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path without a slash": b"GET v2/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path in UTF-8": "GET /v2/é HTTP/1.1\r\n".encode() + HOST + b"\r\n",
    "a path that is not encoded": b"GET /v2/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a header without a colon": b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Header\r\n\r\n",
    "a blank before the colon": b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
    "a blank before the header": b"GET /v2/ HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n",
    "a folded header": b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a NUL in a header": b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "a bare CR in a header": b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}

BODY = b'{"schemaVersion": 2, "manifests": []}'
CHUNKS = b"25\r\n" + BODY + b"\r\n0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NO_BODY = {
    "two lengths": (b"Content-Length: 37\r\nContent-Length: 38\r\n", BODY + b"x"),
    "lengths in a list": (b"Content-Length: 37, 37\r\n", BODY),
    "a negative length": (b"Content-Length: -37\r\n", BODY),
    "a length with a sign": (b"Content-Length: +37\r\n", BODY),
    "a length in hex": (b"Content-Length: 0x25\r\n", BODY),
    "a length without end": (b"Content-Length: " + b"9" * 30 + b"\r\n", BODY),
    "an unknown coding": (b"Transfer-Encoding: xchunked\r\n", BODY),
    "chunks that are packed": (b"Transfer-Encoding: gzip\r\n", BODY),
    "chunks that are packed again": (b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "chunks twice": (CHUNKED + CHUNKED, CHUNKS),
    "a length beside chunks": (
        b"Content-Length: 3\r\n" + CHUNKED,
        b"25\r\n" + BODY + b"\r\n0\r\n\r\n",
    ),
    "chunks beside a length": (CHUNKED + b"Content-Length: 37\r\n", BODY),
    "packed chunks": (b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    "a chunk of no size": (CHUNKED, b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk of words": (CHUNKED, b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk with a sign": (CHUNKED, b"-25\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk with 0x": (CHUNKED, b"0x25\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk without end": (CHUNKED, b"f" * 17 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk that is longer": (CHUNKED, b"24\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk that is not ended": (CHUNKED, b"25\r\n" + BODY + b"x\r\n0\r\n\r\n"),
}


def stored(server):
    """Every file of blobs and sessions."""
    return {
        path
        for folder in ("blobs", "uploads")
        for path in (server.root / folder).rglob("*")
        if path.is_file()
    }


@contextmanager
def unharmed(server):
    """Afterwards no file is there that was not, and the next client is served."""
    before = stored(server)
    yield
    assert server.raw(GET).status == 200
    assert stored(server) == before


def everything(server, request):
    """Send it; return all that comes until the server closes, which it must."""
    received = b""
    with server.connect() as client, suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(request)
        while piece := client.recv(65536):
            received += piece
    return received


def refused(received):
    """One answer of the kind 4xx, or none."""
    assert received.count(b"HTTP/1.1 ") <= 1
    return received == b"" or received.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("request_", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_and_cut_off(server, request_):
    with unharmed(server):
        assert refused(everything(server, request_))


@pytest.mark.parametrize(("headers", "body"), NO_BODY.values(), ids=NO_BODY)
@pytest.mark.parametrize("target", ["manifests/1", "blobs/uploads/?digest="])
def test_a_body_of_which_nobody_knows_the_end_is_not_taken(
    server, repo, tools, headers, body, target
):
    """Neither a manifest nor a blob, even if what came is what was named."""
    method = b"POST" if target.startswith("blobs") else b"PUT"
    whole = f"/v2/{repo}/{target}{tools.digest_of(BODY) if method == b'POST' else ''}".encode()
    with unharmed(server):
        received = everything(
            server, b"%s %s HTTP/1.1\r\n%s%s\r\n%s" % (method, whole, HOST, headers, body)
        )
        assert received
        assert refused(received)
    server.refused(server.http.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: t\r\nHost: u\r\n", b"Host: t\r\nHost: t\r\n"], ids=["0", "2", "same"]
)
def test_a_request_has_one_host(server, hosts):
    """RFC 9112, 3.2."""
    with unharmed(server):
        answer = server.raw(b"GET /v2/ HTTP/1.1\r\n" + hosts + b"\r\n")
        (entry,) = server.refused(answer, 400, "UNSUPPORTED")
        assert "Host" in entry["message"] or "host" in entry["message"]
        assert answer.headers["connection"] == "close"


ONE_OF = {
    "Content-Type": ("application/vnd.oci.image.manifest.v1+json", "application/json"),
    "Content-Range": ("0-4", "5-9"),
    "Range": ("bytes=0-1", "bytes=1-2"),
    "If-Range": ('"a"', '"b"'),
    "Authorization": ("Basic YTph", "Basic Yjpi"),
    "Expect": ("100-continue", "200-ok"),
}


@pytest.mark.parametrize("header", ONE_OF)
def test_a_header_that_says_two_things_is_refused(server, repo, header):
    """None of them is picked: a proxy in front may have picked the other."""
    location = server.start_upload(repo)
    first, second = ONE_OF[header]
    head = f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n"
    double = f"{head}{header}: {first}\r\n{header}: {second}\r\n\r\n"
    with unharmed(server):
        answer = server.raw(double.encode() + b"hello")
        (entry,) = server.refused(answer, 400, "UNSUPPORTED")
        assert header.lower() in entry["message"]
        assert server.http.get(location).headers["range"] == "0-0"
    same = f"{head}{header}: {first}\r\n{header}: {first}\r\n\r\n"
    assert server.raw(same.encode() + b"hello").status == 202
    assert server.http.get(location).headers["range"] == "0-4"
    assert server.http.delete(location).status_code == 204


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("POST", "blobs/uploads/?digest=sha256:{a}&digest=sha256:{b}", "digest"),
        ("POST", "blobs/uploads/?mount=sha256:{a}&mount=sha256:{b}", "mount"),
        ("POST", "blobs/uploads/?mount=sha256:{a}&from=dev/a&from=dev/b", "from"),
        ("POST", "blobs/uploads/?digest-algorithm=sha256&digest-algorithm=sha512", "algorithm"),
        ("GET", "tags/list?n=1&n=2", "n"),
        ("GET", "tags/list?last=a&last=b", "last"),
        ("GET", "referrers/sha256:{a}?artifactType=a&artifactType=b", "artifactType"),
    ],
)
def test_a_query_that_says_two_things_is_refused(server, repo, method, target, name):
    server.push_image(repo, "1")
    path = f"/v2/{repo}/{target.format(a='a' * 64, b='b' * 64)}"
    with unharmed(server):
        (entry,) = server.refused(server.get(path, method=method), 400, "UNSUPPORTED")
        assert name in entry["message"]


def test_a_query_of_ours_below_api_says_one_thing(server):
    for query in ("after=1&after=2", "limit=1&limit=1", "before=1"):
        server.problem(server.get(f"/api/v1/promotions?{query}"), 400, "parameter-invalid")


def test_an_older_client_is_served_and_its_connection_ends(server):
    for hosts in (b"", HOST):
        received = everything(server, b"GET /v2/ HTTP/1.0\r\n" + hosts + b"\r\n")
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"\r\n\r\n{}")


def test_an_upgrade_is_not_made_and_what_follows_is_no_request(server, repo, tools):
    """Its body is a body, and not a request that a proxy in front has not seen."""
    upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\n"
    for framing, body in (
        (f"Content-Length: {len(GET)}", GET),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET), GET)),
    ):
        target = f"/v2/{repo}/blobs/uploads/?digest={tools.digest_of(GET)}"
        head = f"POST {target} HTTP/1.1\r\nHost: t\r\n{upgrade}{framing}\r\n\r\n".encode()
        for cut in (len(head), len(head) + 5):  # what a proxy sends at once, and later
            with server.connect() as client:
                client.sendall((head + body)[:cut])
                client.sendall((head + body)[cut:])
                assert server.answer(client).status == 201
                assert client.recv(1) == b""


def test_an_upgrade_is_not_made(server):
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert server.raw(b"GET /v2/ HTTP/1.1\r\n" + HOST + upgrade + b"\r\n").status == 200
    socketed = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    assert server.raw(b"GET /v2/ HTTP/1.1\r\n" + HOST + socketed + b"\r\n").status == 200


def test_requests_sent_at_once_are_answered_in_order(server, repo, tools):
    """Each with its body, and the refused ones too."""
    digest = tools.digest_of(b"hello")
    location = server.start_upload(repo)
    paths = [
        f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
        f"PUT {location}?digest={digest} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n",
        f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nagain",
        f"GET /v2/{repo}/blobs/{digest} HTTP/1.1\r\nHost: t\r\n\r\n",
        f"DELETE /v2/{repo}/blobs/{digest} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
    ]
    received = everything(server, "".join(paths).encode())
    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"202", b"201", b"404", b"200", b"202"]


PUT = b"PUT /v2/dev/a/manifests/1 HTTP/1.1\r\nHost: t\r\n"
VANISHING = {
    "in the request line": b"GET /v2/dev",
    "in the header": PUT + b"Content-Le",
    "before the body": PUT + b"Content-Length: 9\r\n\r\n",
    "in the body": PUT + b"Content-Length: 9\r\n\r\n{",
    "in a chunk": PUT + CHUNKED + b"\r\n9\r\n{",
    "in a blob": (
        f"POST /v2/dev/a/blobs/uploads/?digest={ABSENT} HTTP/1.1\r\n"
        "Host: t\r\nContent-Length: 9\r\n\r\nx"
    ).encode(),
    "before its answer": GET,
}


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("sent", VANISHING.values(), ids=VANISHING)
def test_a_client_that_vanishes_leaves_nothing(server, tools, sent, is_reset):
    """Many of them, so that a connection, a thread or a file that stayed would be missed."""
    before = stored(server)
    for _ in range(20):
        client = server.connect()
        client.sendall(sent)
        if is_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
    assert server.raw(GET).status == 200
    assert tools.becomes(lambda: stored(server), before)
    server.refused(server.http.get("/v2/dev/a/tags/list"), 404, "NAME_UNKNOWN")
