"""What holds for every endpoint: names, methods, headers, the envelope."""

import json

import pytest

ABSENT = "sha256:" + "0" * 64


def test_the_base_says_that_this_is_a_registry(server):
    answer = server.http.get("/v2/")
    assert answer.status_code == 200
    assert answer.json() == {}
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert server.http.get("/v2").status_code == 200


def test_the_base_is_the_same_to_head(server):
    answer = server.get("/v2/", method="HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "2", b"")


@pytest.mark.parametrize("target", ["/", "/v1/", "/v2/dev/x/nothing/here", "/favicon.ico"])
def test_what_is_no_endpoint_is_404(server, target):
    server.refused(server.http.get(target), 404, "NAME_UNKNOWN")


def test_every_answer_bears_a_request_id(server):
    """One's own is kept if it is harmless; else the server makes one, each time another."""
    first, second = (server.http.get("/v2/").headers["x-request-id"] for _ in range(2))
    assert first != second
    sane = server.http.get("/v2/", headers={"X-Request-Id": "ci-7:build.42"})
    assert sane.headers["x-request-id"] == "ci-7:build.42"
    for odd in ("x" * 129, "two words", "<script>"):
        odder = server.get("/v2/", headers={"X-Request-Id": odd})
        assert odder.headers["x-request-id"] != odd


def test_a_foreign_namespace_is_ignored(server, repo):
    """E38: nothing is looked up, nothing dialled."""
    image = server.push_image(repo, "1")
    for namespace in ("docker.io", "http://169.254.169.254"):
        answer = server.http.get(f"/v2/{repo}/manifests/1", params={"ns": namespace})
        assert answer.content == image.body
        blob = server.http.get(f"/v2/{repo}/blobs/{image.config}", params={"ns": namespace})
        assert blob.content == b"{}"


@pytest.mark.parametrize("namespace", ["docker.io", "http://169.254.169.254", "a&ns=b", "%00"])
def test_nor_does_it_matter_anywhere_else(server, repo, namespace):
    """E38."""
    image, session = server.push_image(repo, "1"), server.start_upload(repo)
    for target in ("tags/list", f"referrers/{image.digest}", f"manifests/{image.digest}"):
        plain = server.get(f"/v2/{repo}/{target}")
        named = server.get(f"/v2/{repo}/{target}?ns={namespace}")
        assert (named.status, named.body) == (200, plain.body)
    for target in ("", "_catalog"):
        assert server.get(f"/v2/{target}?ns={namespace}").status == 200
    for method, status in (("GET", 204), ("PATCH", 202), ("DELETE", 204)):
        assert server.get(f"{session}?ns={namespace}", method=method).status == status


@pytest.mark.parametrize(
    ("method", "tail", "allowed"),
    [
        ("POST", "manifests/1", "DELETE, GET, HEAD, PUT"),
        ("PATCH", f"blobs/{ABSENT}", "DELETE, GET, HEAD"),
        ("DELETE", "tags/list", "GET, HEAD"),
        ("PUT", "blobs/uploads/", "POST"),
        ("POST", "blobs/uploads/x", "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", f"referrers/{ABSENT}", "GET, HEAD"),
        ("TRACE", "tags/list", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_supported_is_405(server, method, tail, allowed):
    """E23: not 404, and what is supported is told."""
    answer = server.get(f"/v2/dev/x/{tail}", method=method)
    server.refused(answer, 405, "UNSUPPORTED")
    assert answer.headers["allow"] == allowed


def test_long_header_fields_are_431_and_the_connection_goes_on(server):
    fields = [f"X-Filler-{number}: {'x' * 8000}" for number in range(9)]
    with server.connect() as client:
        for lines, status in ((fields[:7], 200), (fields, 431), ([], 200)):
            head = "\r\n".join(["GET /v2/ HTTP/1.1", "Host: t", *lines, "", ""])
            client.sendall(head.encode())
            answer = server.answer(client)
            assert answer.status == status
            if status != 200:
                server.refused(answer, status, "SIZE_INVALID")


BEYOND = {
    "100 header fields": (b"/v2/", b"X: y\r\n" * 99, 200),
    "101 header fields": (b"/v2/", b"X: y\r\n" * 100, 431),
    "a head that does not fit": (b"/v2/" + b"x" * 1_000_000, b"", 431),
}


@pytest.mark.parametrize(("target", "fields", "status"), BEYOND.values(), ids=BEYOND)
def test_what_is_far_beyond_is_answered_by_the_server_below(server, target, fields, status):
    """Without our headers, without a body, and the connection ends: so says the reference."""
    answer = server.raw(b"GET %s HTTP/1.1\r\nHost: t\r\n%s\r\n" % (target, fields))
    assert answer.status == status
    assert ("x-request-id" in answer.headers) == (status == 200)
    if status != 200:
        assert (answer.body, answer.headers["connection"]) == (b"", "close")


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["dev/Upper", "dev/a__b_", "dev/-a", "dev/a..b", "dev//a", "dev/a.", "../a", "dev/%C3%A4"],
    )
    def test_a_name_against_the_grammar_is_400(self, server, name):
        """E20."""
        answer = server.get(f"/v2/{name}/tags/list".encode().decode("latin-1"))
        server.refused(answer, 400, "NAME_INVALID")

    @pytest.mark.parametrize("name", ["a__b", "a--b", "a.b", "a-b_c", "a/b/c", "a---b"])
    def test_a_name_within_the_grammar_is_taken(self, server, repo, name):
        """E20."""
        server.push_image(f"{repo}/{name}", "1")

    def test_a_name_of_255_characters_is_taken_and_of_256_is_not(self, server, repo):
        """E20."""
        longest = f"{repo}/".ljust(255, "x")
        server.push_image(longest, "1")
        listed = server.http.get(f"/v2/{longest}/tags/list")
        assert listed.json() == {"name": longest, "tags": ["1"]}
        server.refused(server.http.get(f"/v2/{longest}x/tags/list"), 400, "NAME_INVALID")

    def test_a_name_of_nouns_is_a_name_like_any(self, server, repo):
        """A path is read from the right."""
        for name in ("blobs/uploads", "tags/list", "manifests/latest", "referrers"):
            image = server.push_image(f"{repo}/{name}", "list")
            answer = server.http.get(f"/v2/{repo}/{name}/manifests/list")
            assert answer.content == image.body
            tags = server.http.get(f"/v2/{repo}/{name}/tags/list").json()["tags"]
            assert tags == ["list"]

    def test_a_name_of_one_component_is_404_and_told_why(self, server):
        entry = server.refused(server.http.get("/v2/alpine/tags/list"), 404, "NAME_UNKNOWN")[0]
        assert "names are <registry>/<repository>" in entry["message"]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_an_unknown_registry_is_404_and_the_remedy_named(self, server, method):
        tail = "tags/list" if method == "GET" else "blobs/uploads/"
        answer = server.http.request(method, f"/v2/nowhere/app/{tail}")
        entry = server.refused(answer, 404, "NAME_UNKNOWN")[0]
        assert "liftlock registry create nowhere" in entry["message"]

    @pytest.mark.parametrize(
        "target",
        [
            "/v2/dev%2Fapp/tags/list",
            "/v2/dev/app%2Fmanifests%2F1",
            "/v2/dev/a/manifests/1%2f2",
            "/v2/dev/%ff%fe/tags/list",
            "/v2/dev/a%00b/tags/list",
            "/v2/dev/%252e/tags/list",
            "/v2/dev/app/manifests/%zz",
        ],
    )
    def test_percent_encoding_cannot_smuggle_another_path(self, server, target):
        answer = server.get(target)
        assert answer.status in {400, 404}
        assert "errors" in json.loads(answer.body)

    def test_percent_encoding_is_decoded_once(self, server, repo):
        image = server.push_image(repo, "v1")
        encoded = image.digest.replace(":", "%3A")
        assert server.get(f"/v2/{repo}/manifests/{encoded}").body == image.body
        assert server.get(f"/v2/{repo}/manifests/%76%31").body == image.body

    def test_a_target_over_the_limit_is_414(self, server):
        for length in (9000, 200_000):
            target = f"/v2/dev/{'x' * length}/tags/list"
            server.refused(server.get(target), 414, "NAME_INVALID")


class TestTagNames:
    @pytest.mark.parametrize("tag", ["a" * 128, "_x", "1.0-rc_1", "A"])
    def test_a_tag_within_the_grammar_is_taken(self, server, repo, tag):
        """E20."""
        server.push_image(repo, tag)

    @pytest.mark.parametrize("tag", ["a" * 129, ".x", "-x", "a+b", "ä"])
    def test_a_tag_against_the_grammar_cannot_be_set_and_is_not_there(self, server, repo, tag):
        """E20. Reading one was 400, where the specification's suite wants to hear 404."""
        server.push_image(repo)
        target = f"/v2/{repo}/manifests/{tag}"
        server.refused(server.http.put(target), 400, "NAME_INVALID")
        for method in ("GET", "DELETE"):
            answer = server.http.request(method, target)
            server.refused(answer, 404, "MANIFEST_UNKNOWN")
        assert "is not a valid name" in answer.json()["errors"][0]["message"]
        assert server.http.head(target).status_code == 404

    def test_a_repository_against_the_grammar_is_400_whatever_the_tag(self, server):
        for method in ("GET", "DELETE"):
            answer = server.http.request(method, "/v2/dev/App/manifests/.x")
            server.refused(answer, 400, "NAME_INVALID")
