"""Manifests: pushed, pulled byte for byte, refused with reasons, deleted."""

import json

import pytest

ABSENT = "sha256:" + "0" * 64


class TestPull:
    def test_head_gives_the_headers_of_get_and_no_body(self, server, repo, tools):
        """E2: over a raw socket, so that nothing between hides a body."""
        image = server.push_image(repo, "1")
        for reference in ("1", image.digest):
            target = f"/v2/{repo}/manifests/{reference}"
            head, got = server.head(target), server.get(target)
            assert head.status == got.status == 200
            for headers in (head.headers, got.headers):
                headers.pop("date")
                headers.pop("x-request-id")
                headers.pop("connection", None)
            assert head.headers == got.headers
            assert (head.body, got.body) == (b"", image.body)
            assert got.headers["content-length"] == str(len(image.body))
            assert got.headers["content-type"] == tools.OCI_MANIFEST
            assert got.headers["docker-content-digest"] == image.digest

    def test_what_is_absent_is_404_and_says_what(self, server, repo):
        """E3."""
        server.refused(server.http.get(f"/v2/{repo}/manifests/1"), 404, "NAME_UNKNOWN")
        server.push_image(repo, "1")
        server.refused(server.http.get(f"/v2/{repo}/manifests/2"), 404, "MANIFEST_UNKNOWN")
        server.refused(server.http.get(f"/v2/{repo}/manifests/{ABSENT}"), 404, "MANIFEST_UNKNOWN")
        head = server.head(f"/v2/{repo}/manifests/2")
        assert (head.status, head.body) == (404, b"")

    def test_accept_changes_nothing(self, server, repo, tools):
        """E4."""
        image = server.push_image(repo)
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": tools.OCI_INDEX,
                "manifests": [
                    {
                        "mediaType": tools.OCI_MANIFEST,
                        "digest": image.digest,
                        "size": len(image.body),
                    }
                ],
            }
        ).encode()
        assert server.put(repo, "1", index, tools.OCI_INDEX).status_code == 201
        accept = "application/vnd.docker.distribution.manifest.v2+json"
        answer = server.http.get(f"/v2/{repo}/manifests/1", headers={"Accept": accept})
        assert answer.content == index
        assert answer.headers["content-type"] == tools.OCI_INDEX

    def test_who_has_it_gets_304(self, server, repo):
        image = server.push_image(repo, "1")
        etag = server.http.get(f"/v2/{repo}/manifests/1").headers["etag"]
        assert etag == f'"{image.digest}"'
        for method in ("GET", "HEAD"):
            answer = server.get(
                f"/v2/{repo}/manifests/1", method=method, headers={"If-None-Match": f'"x", {etag}'}
            )
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["docker-content-digest"] == image.digest
        other = server.http.get(f"/v2/{repo}/manifests/1", headers={"If-None-Match": '"x"'})
        assert other.status_code == 200

    def test_who_says_so_in_several_lines_gets_it_too(self, server, repo):
        """RFC 9110, 5.3: lines of one name are one list. Only the first was read."""
        image = server.push_image(repo, "1")
        for target in (f"manifests/{image.digest}", f"blobs/{image.config}"):
            etag = f'"{target.partition("/")[2]}"'
            lines = [("If-None-Match", '"x"'), ("If-None-Match", etag)]
            answer = server.http.get(f"/v2/{repo}/{target}", headers=lines)
            assert (answer.status_code, answer.content) == (304, b"")


class TestPush:
    def test_parameters_of_the_content_type_are_ignored(self, server, repo, tools):
        """E5."""
        image = server.push_image(repo)
        answer = server.put(repo, "1", image.body, tools.OCI_MANIFEST + "; charset=utf-8")
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/v2/{repo}/manifests/{image.digest}"
        assert answer.headers["docker-content-digest"] == image.digest
        pulled = server.http.get(f"/v2/{repo}/manifests/1")
        assert pulled.headers["content-type"] == tools.OCI_MANIFEST

    def test_another_body_than_the_digest_is_refused(self, server, repo):
        """E6."""
        image = server.push_image(repo, "1")
        for digest in (ABSENT, "sha512:" + "0" * 128):
            server.refused(server.put(repo, digest, image.body), 400, "DIGEST_INVALID")
            server.refused(
                server.http.get(f"/v2/{repo}/manifests/{digest}"), 404, "MANIFEST_UNKNOWN"
            )

    @pytest.mark.parametrize(
        "digest", ["sha256:" + "A" * 64, "sha256:abc", "md5:" + "0" * 32, "sha256:", ":"]
    )
    def test_a_malformed_digest_is_400(self, server, repo, digest):
        """E37, E14."""
        for method in ("GET", "PUT", "DELETE"):
            answer = server.http.request(method, f"/v2/{repo}/manifests/{digest}")
            server.refused(answer, 400, "DIGEST_INVALID")

    def test_a_media_type_that_differs_from_the_header_is_refused(self, server, repo, tools):
        """E7."""
        image = server.push_image(repo, "1")
        answer = server.put(repo, "2", image.body, tools.OCI_INDEX)
        server.refused(answer, 400, "MANIFEST_INVALID")
        server.refused(server.http.get(f"/v2/{repo}/manifests/2"), 404, "MANIFEST_UNKNOWN")

    def test_bytes_come_back_as_they_were_sent(self, server, repo, tools):
        """E8: white space, key order, a double unknown field, a newline at the end."""
        image = server.push_image(repo)
        body = (
            b'\n{ "x-a": 1, "layers" :\t[], "x-a": 2,\r\n "config": {"size": 2, "digest": "'
            + image.config.encode()
            + b'", "mediaType": "'
            + tools.CONFIG.encode()
            + b'"}, "schemaVersion": 2, "n": 1.0e0, "u": "\\u00e4"}\n\n'
        )
        assert server.put(repo, "1", body).status_code == 201
        for reference in ("1", tools.digest_of(body)):
            assert server.http.get(f"/v2/{repo}/manifests/{reference}").content == body

    def test_everything_that_is_missing_is_named(self, server, repo, tools):
        """E9."""
        image = server.push_image(repo, "1")
        missing = [f"sha256:{digit * 64}" for digit in "123"]
        body = tools.manifest(image.config, [(digest, 1) for digest in missing])
        entries = server.refused(server.put(repo, "1", body), 404, "MANIFEST_BLOB_UNKNOWN")
        assert sorted(entry["detail"]["digest"] for entry in entries) == missing
        assert server.http.get(f"/v2/{repo}/manifests/1").content == image.body

    def test_a_missing_child_is_named(self, server, repo, tools):
        """E9: and the tag stays where it is."""
        image = server.push_image(repo, "1")
        child = {"mediaType": tools.OCI_MANIFEST, "digest": ABSENT, "size": 1}
        body = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
        entries = server.refused(
            server.put(repo, "1", body, tools.OCI_INDEX), 404, "MANIFEST_BLOB_UNKNOWN"
        )
        assert [entry["detail"]["digest"] for entry in entries] == [ABSENT]
        assert server.http.get(f"/v2/{repo}/manifests/1").content == image.body

    def test_a_manifest_of_nearly_4_mib_is_taken(self, server, repo):
        """E10."""
        annotations = {f"key-{number}": "x" * 10_000 for number in range(390)}
        image = server.push_image(repo, "1", annotations=annotations)
        assert len(image.body) > 3_900_000
        assert server.http.get(f"/v2/{repo}/manifests/1").content == image.body

    @pytest.mark.parametrize("announced", [True, False])
    def test_over_the_limit_is_413_and_the_connection_goes_on(self, server, repo, announced):
        """E10."""
        body = b" " * (4 * 1024 * 1024 + 1)
        head = f"PUT /v2/{repo}/manifests/1 HTTP/1.1\r\nHost: t\r\n"
        with server.connect() as connection:
            if announced:
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            else:
                connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            entry = server.refused(server.answer(connection), 413, "MANIFEST_INVALID")[0]
            assert "manifest_bytes_max" in entry["message"]
            connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: t\r\n\r\n")
            assert server.answer(connection).status == 200

    def test_lean_manifests_are_taken(self, server, repo, tools):
        """E11: no layers; a layer twice; an empty layer."""
        image = server.push_image(repo, layer=b"")
        empty, config = image.layers[0], image.config
        for layers in ([], [(config, 2), (config, 2)], [(empty, 0)]):
            body = tools.manifest(config, layers)
            assert server.put(repo, "1", body).status_code == 201
            assert server.http.get(f"/v2/{repo}/manifests/1").content == body
        assert server.http.get(f"/v2/{repo}/blobs/{empty}").content == b""

    def test_layers_from_elsewhere_may_be_absent(self, server, repo, tools):
        """E12."""
        image = server.push_image(repo)
        foreign = {
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": ABSENT,
            "size": 7,
            "urls": ["https://example.com/layer"],
        }
        plain = json.loads(tools.manifest(image.config, []))
        body = json.dumps(plain | {"layers": [foreign]}).encode()
        assert server.put(repo, "1", body).status_code == 201
        server.refused(server.http.get(f"/v2/{repo}/blobs/{ABSENT}"), 404, "BLOB_UNKNOWN")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe{}",
            b'{"schemaVersion": 2, "x": "\xc3"}',
            b'{"schemaVersion": 1}',
            b'{"schemaVersion": 2, "schemaVersion": 2, "layers": []}',
            b'{"schemaVersion": 2, "layers": [], "manifests": []}',
            b'{"schemaVersion": 2, "config": 7, "layers": []}',
            b'{"schemaVersion": 2, "layers": {}}',
            b'{"schemaVersion": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"schemaVersion": 2, "x": NaN}',
            b'{"schemaVersion": ' + b"9" * 5000 + b"}",
            b'{"schemaVersion": 2, "mediaType": "x\\r\\nSet-Cookie: a", "layers": []}',
            b'{"schemaVersion": 2, "mediaType": "\xe6\x97\xa5", "layers": []}',
            b'{"schemaVersion": 2, "mediaType": "\\ud800", "layers": []}',
        ],
        ids=lambda body: body[:24].decode("latin-1"),
    )
    def test_what_is_no_manifest_is_refused(self, server, repo, body):
        """Whatever Content-Type it is sent with, and without any."""
        server.refused(server.put(repo, "1", body), 400, "MANIFEST_INVALID")
        untyped = server.http.put(f"/v2/{repo}/manifests/1", content=body)
        server.refused(untyped, 400, "MANIFEST_INVALID")
        server.refused(server.http.get(f"/v2/{repo}/manifests/1"), 404, "NAME_UNKNOWN")

    @pytest.mark.parametrize(("levels", "status"), [(64, 201), (65, 400)])
    def test_json_has_a_depth(self, server, repo, tools, levels, status):
        deep = json.loads("[" * (levels - 1) + "]" * (levels - 1))
        body = tools.manifest(server.push_blob(repo, b"{}"), [], deep=deep)
        answer = server.put(repo, "1", body)
        assert answer.status_code == status
        if status == 400:
            (entry,) = server.refused(answer, 400, "MANIFEST_INVALID")
            assert "64 levels (json_depth_max)" in entry["message"]

    @pytest.mark.parametrize(
        ("media_type", "status"),
        [
            ("application/vnd.oci.artifact.manifest.v1+json", 201),
            ("application/x.unknown+json", 201),
            ("application/vnd.oci.image.manifest.v1+json", 400),
            ("application/vnd.docker.distribution.manifest.list.v2+json", 400),
        ],
    )
    def test_only_images_and_indexes_must_say_their_version(
        self, server, repo, tools, media_type, status
    ):
        blob = {"mediaType": "a/b", "digest": server.push_blob(repo, b"{}"), "size": 2}
        body = json.dumps({"mediaType": media_type, "blobs": [blob]}).encode()
        answer = server.put(repo, "1", body, media_type)
        assert answer.status_code == status
        if status == 400:
            server.refused(answer, 400, "MANIFEST_INVALID")
        else:
            server.refused(
                server.http.delete(f"/v2/{repo}/blobs/{blob['digest']}"), 405, "UNSUPPORTED"
            )

    def test_any_type_is_taken_and_comes_back(self, server, repo, tools):
        """E43: Docker's, an index of indexes of both, an artifact, and one that nobody knows."""
        config = {"mediaType": "a/b", "digest": server.push_blob(repo, b"{}"), "size": 2}
        docker = "application/vnd.docker.distribution.manifest"
        image = {"config": config, "layers": [config]}
        pushed = []

        def push(media_type, **fields):
            document = {"schemaVersion": 2, "mediaType": media_type, **fields}
            body = json.dumps(document).encode()
            digest = tools.digest_of(body, "sha256" if len(pushed) % 2 else "sha512")
            assert server.put(repo, digest, body, media_type).status_code == 201
            pushed.append((media_type, digest, body))
            return {"mediaType": media_type, "digest": digest, "size": len(body)}

        both = [push(f"{docker}.v2+json", **image), push(tools.OCI_MANIFEST, **image)]
        inner = [
            push(f"{docker}.list.v2+json", manifests=both),
            push(tools.OCI_INDEX, manifests=both),
        ]
        push(tools.OCI_INDEX, manifests=[push(tools.OCI_INDEX, manifests=inner), *both])
        push(tools.OCI_MANIFEST, **image, artifactType="application/x.artifact", subject=both[0])
        push("application/x.unknown+json", whatever={"it": ["is"]})
        for media_type, digest, body in pushed:
            got = server.http.get(f"/v2/{repo}/manifests/{digest}")
            assert (got.content, got.headers["content-type"]) == (body, media_type)
        for child in (*both, *inner):
            refused = server.http.delete(f"/v2/{repo}/manifests/{child['digest']}")
            server.refused(refused, 405, "UNSUPPORTED")

    @pytest.mark.parametrize("digest", ["sha256:" + "Z" * 64, "nonsense", "", "sha256:" + "A" * 64])
    def test_a_bad_digest_inside_is_refused(self, server, repo, tools, digest):
        server.refused(server.put(repo, "1", tools.manifest(digest, [])), 400, "MANIFEST_INVALID")

    def test_a_manifest_without_a_content_type_is_read_by_its_own(self, server, repo, tools):
        image = server.push_image(repo)
        answer = server.http.put(f"/v2/{repo}/manifests/1", content=image.body)
        assert answer.status_code == 201
        pulled = server.http.get(f"/v2/{repo}/manifests/1")
        assert pulled.headers["content-type"] == tools.OCI_MANIFEST

    def test_a_manifest_may_be_named_by_sha512(self, server, repo, tools):
        """E37."""
        body = tools.manifest(server.push_blob(repo, b"{}"), [])
        digest = tools.digest_of(body, "sha512")
        answer = server.put(repo, digest, body)
        assert answer.status_code == 201
        assert answer.headers["docker-content-digest"] == digest
        pulled = server.http.get(f"/v2/{repo}/manifests/{digest}")
        assert pulled.content == body


class TestDelete:
    def test_a_tag_goes_alone(self, server, repo):
        """E21."""
        image = server.push_image(repo, "1")
        assert server.put(repo, "2", image.body).status_code == 201
        assert server.http.delete(f"/v2/{repo}/manifests/1").status_code == 202
        server.refused(server.http.get(f"/v2/{repo}/manifests/1"), 404, "MANIFEST_UNKNOWN")
        for reference in ("2", image.digest):
            assert server.http.get(f"/v2/{repo}/manifests/{reference}").content == image.body

    def test_a_digest_goes_with_all_its_tags(self, server, repo):
        """E22."""
        image = server.push_image(repo, "1")
        assert server.put(repo, "2", image.body).status_code == 201
        assert server.http.delete(f"/v2/{repo}/manifests/{image.digest}").status_code == 202
        for reference in ("1", "2", image.digest):
            answer = server.http.get(f"/v2/{repo}/manifests/{reference}")
            server.refused(answer, 404, "MANIFEST_UNKNOWN")
        again = server.http.delete(f"/v2/{repo}/manifests/{image.digest}")
        server.refused(again, 404, "MANIFEST_UNKNOWN")

    def test_what_an_index_needs_stays(self, server, repo, tools):
        """E22: the parent is named."""
        image = server.push_image(repo)
        child = {
            "mediaType": tools.OCI_MANIFEST,
            "digest": image.digest,
            "size": len(image.body),
        }
        body = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
        assert server.put(repo, "1", body, tools.OCI_INDEX).status_code == 201
        answer = server.http.delete(f"/v2/{repo}/manifests/{image.digest}")
        entry = server.refused(answer, 405, "UNSUPPORTED")[0]
        assert tools.digest_of(body) in entry["message"]
        assert "allow" in answer.headers
        assert server.http.get(f"/v2/{repo}/manifests/{image.digest}").status_code == 200
