"""Whatever is asked, and however oddly: an answer of ours, and never a failure of ours."""

import http.client
import json
from contextlib import closing

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

CONTENT = (b"", b"{}", b'{"schemaVersion": 2, "manifests": []}', b"x" * 300_000)
ZEROES = "0" * 64
NAMES = (
    "dev/any",
    "prod/any/other",
    "dev/manifests/blobs",
    "nowhere/any",
    "dev",
    "dev/A",
    "dev//a",
)
TAGS = ("1", "a" * 129, "-x", "..", "%2e", "%00", "%ff", "a%2Fb", "", "+", f"sha256-{ZEROES}")
DIGESTS = (f"sha256:{ZEROES}", f"sha512:{ZEROES * 2}", "sha256:A", "md5:0", ":")
NUMBERS = ("0", "1", "-1", "9" * 30, "x", "%D9%A3")
ODDITIES = ("", "%", "%zz", "%ff", "a+b", "x" * 3000, "sha512")
RANGES = ("bytes=0-1", "bytes=-5", "bytes=5-1", "0-1", "5-9", "0-0")
VALUES = ("", "x", "*", '"', "\xff", "a" * 5000, f'W/"sha256:{ZEROES}"', "application/json")
FIELDS = (
    *("Range", "If-Range", "If-Match", "If-None-Match", "Content-Range", "Content-Type"),
    *("X-Request-Id", "Idempotency-Key", "Accept", "Content-Encoding", "Authorization"),
)
PARAMETERS = (
    "digest",
    "tag",
    "n",
    "last",
    "artifactType",
    "limit",
    "after",
    "mount",
    "from",
    "digest-algorithm",
    "x",
)
IMAGES = ("tags", "manifests", "referrers", "history")
METHODS = {
    "manifests": ("GET", "HEAD", "PUT", "DELETE"),
    "blobs": ("GET", "HEAD", "DELETE"),
    "session": ("GET", "HEAD", "PATCH", "PUT", "DELETE"),
    "lists": ("GET", "HEAD"),
    "posts": ("POST",),
}


@pytest.fixture(scope="module")
def known(server):
    """Digests that are there, of blobs and manifests; any of which a request may delete."""
    for name in NAMES[:3]:
        image = server.push_image(name, "1")
        digests = [server.push_blob(name, content) for content in CONTENT]
    return (*digests, image.digest)


class Requests:
    """Draws requests, some of which go on with what others began."""

    def __init__(self, data, known):
        self.draw = data.draw
        self.digests = st.sampled_from((*known, *DIGESTS))
        self.sessions = []

    def one(self, *choices):
        return self.draw(st.sampled_from(choices))

    def query(self):
        texts = self.digests | st.sampled_from((*TAGS, *NAMES, *NUMBERS, *ODDITIES))
        pair = st.tuples(st.sampled_from(PARAMETERS), texts)
        pairs = self.draw(st.lists(pair, max_size=3))
        return "?" * bool(pairs) + "&".join(f"{name}={text}" for name, text in pairs)

    def target(self):
        kind, name = self.one(*METHODS), self.one(*NAMES)
        paths = {
            "manifests": f"/v2/{name}/manifests/{self.draw(self.digests | st.sampled_from(TAGS))}",
            "blobs": f"/v2/{name}/blobs/{self.draw(self.digests)}",
            "session": self.one(f"/v2/{name}/blobs/uploads/x", *self.sessions),
            "posts": self.one(f"/v2/{name}/blobs/uploads/", "/api/v1/promotions"),
            "lists": self.one(
                *(f"/v2/{name}/tags/list", "/v2/_catalog", "/v2/", "/api/v1/promotions"),
                *(f"/api/v1/{noun}/{name}" for noun in ("tags", "repositories", "history")),
                f"/api/v1/{self.one(*IMAGES)}/{name}:{self.one(*TAGS)}",
                f"/api/v1/{self.one(*IMAGES)}/{name}@{self.draw(self.digests)}",
                f"/api/v1/where/{self.draw(self.digests)}",
                f"/v2/{name}/referrers/{self.draw(self.digests)}",
            ),
        }
        return self.one(*METHODS[kind]), paths[kind] + self.query()

    def headers(self):
        field = st.tuples(st.sampled_from(FIELDS), st.sampled_from((*RANGES, *VALUES)))
        return self.draw(st.lists(field, max_size=2))


def ask(server, method, target, headers, body, *, is_chunked):
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, text in headers:
            connection.putheader(name, text.encode("latin-1"))
        coding = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", len(body))
        connection.putheader(*coding)
        connection.endheaders([body] if is_chunked else body, encode_chunked=is_chunked)
        with connection.getresponse() as response:
            return response.status, response.headers, response.read()


def judge(method, target, status, headers, body):
    assert status < 500
    assert headers["X-Request-Id"]
    if method == "HEAD" or status in {204, 304}:
        assert body == b""
        return
    assert headers["Content-Length"] == str(len(body))
    if status >= 400:
        told = json.loads(body)
        if target.startswith("/api"):
            assert (told["status"], bool(told["detail"])) == (status, True)
        else:
            assert all(entry["code"] and entry["message"] for entry in told["errors"])
    for name in ("Location", "Link"):
        assert headers.get(name, "/v2/").lstrip("<").startswith(("/v2/", "/api/v1/"))
        assert headers.get(name, "").isascii()


# Six requests can be read as they are; to make them fewer would take minutes.
@settings(phases=[Phase.reuse, Phase.generate])
@given(data=st.data())
def test_it_has_an_answer(server, known, data):
    requests = Requests(data, known)
    try:
        for _ in range(data.draw(st.integers(1, 6))):
            method, target = requests.target()
            headers, body = requests.headers(), requests.one(*CONTENT)
            status, found, answer = ask(
                server, method, target, headers, body, is_chunked=data.draw(st.booleans())
            )
            judge(method, target, status, found, answer)
            if method == "POST" and status == 202:
                requests.sessions.append(found["Location"])
    finally:
        for session in requests.sessions:
            server.http.delete(session)
    assert server.http.get("/v2/").status_code == 200
