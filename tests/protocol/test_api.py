"""Our own API: registries, repositories, tags, manifests, referrers, history, and what there is."""

from __future__ import annotations

import json
from itertools import count

import pytest

ABSENT = "sha256:" + "0" * 64
V1 = "/api/v1"
_numbers = count(1)


@pytest.fixture
def registry(server):
    """A registry of this test alone."""
    name = f"own{next(_numbers)}-{server.workers}"
    answer = server.http.post(f"{V1}/registries", json={"name": name})
    assert answer.status_code == 201, answer.text
    return name


def listed(server, path, noun, **query):
    """Read a list page by page; each but the last leads to the next, by `next` and by `Link`."""
    entries, target = [], f"{V1}/{path}"
    answer = server.http.get(target, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        entries += page[noun]
        link = answer.links.get("next", {}).get("url")
        assert (link is None) == (page["next"] is None)
        if link is None:
            return entries
        by_hand = server.http.get(target, params=query | {"after": page["next"]})
        answer = server.http.get(link)
        assert answer.json() == by_hand.json()


class TestRegistries:
    def test_one_is_made_shown_changed_and_deleted(self, server):
        name = f"made{next(_numbers)}-{server.workers}"
        wanted = {"name": name, "settings": {"allow_sparse": True}, "comment": "a new one"}
        made = server.http.post(f"{V1}/registries", json=wanted)
        assert made.status_code == 201, made.text
        path = made.headers["location"]
        assert path == f"{V1}/registries/{name}"
        assert server.http.get(path).json() == made.json()
        assert made.json()["settings"] == {"allow_sparse": True, "allow_delete": True}
        change = {"settings": {"allow_delete": False}, "comment": "no more"}
        for _ in range(2):
            changed = server.http.patch(path, json=change)
            assert changed.status_code == 200, changed.text
            assert changed.json()["settings"] == {"allow_sparse": True, "allow_delete": False}
        assert server.http.delete(path, params={"comment": "over"}).status_code == 204
        server.problem(server.http.get(path), 404, "registry-unknown")
        server.problem(server.http.delete(path), 404, "registry-unknown")
        told = listed(server, f"history/{name}", "history", limit=1)
        kinds = [(entry["kind"], entry["comment"]) for entry in told]
        assert kinds == [("delete", "over"), ("configure", "no more"), ("create", "a new one")]

    def test_one_that_is_there_is_409(self, server, registry):
        again = server.http.post(f"{V1}/registries", json={"name": registry})
        problem = server.problem(again, 409, "name-taken")
        assert problem["violations"][0]["object"] == registry

    def test_one_with_repositories_goes_only_by_force(self, server, registry):
        server.push_image(f"{registry}/app", "1")
        path = f"{V1}/registries/{registry}"
        problem = server.problem(server.http.delete(path), 409, "registry-not-empty")
        assert "force=true" in problem["violations"][0]["remedy"]
        server.http.patch(path, json={"settings": {"allow_delete": False}})
        refused = server.http.delete(path, params={"force": "true"})
        server.problem(refused, 405, "unsupported")
        assert refused.headers["allow"] == "GET, HEAD, PATCH"
        server.http.patch(path, json={"settings": {"allow_delete": True}})
        assert server.http.delete(path, params={"force": "true"}).status_code == 204
        assert server.http.get(f"{V1}/repositories/{registry}/app").status_code == 404

    def test_all_that_is_wrong_is_told(self, server, registry):
        """Each with the field that it is about, and what to do."""
        body = {"settings": {"allow_spars": True, "allow_delete": None}, "comment": 3, "x": 1}
        answer = server.http.patch(f"{V1}/registries/{registry}", json=body)
        problem = server.problem(answer, 422, "document-invalid")
        found = {violation["object"]: violation for violation in problem["violations"]}
        assert found.keys() == {"allow_spars", "allow_delete", "comment", "x"}
        assert all(violation["remedy"] for violation in found.values())
        assert "true or false" in found["allow_delete"]["detail"]
        body = {"name": "UP", "comment": "x" * 1001}
        problem = server.problem(
            server.http.post(f"{V1}/registries", json=body), 422, "name-invalid"
        )
        rules = {violation["rule"] for violation in problem["violations"]}
        assert rules == {"name-invalid", "text-invalid"}

    @pytest.mark.parametrize(
        ("content", "status", "rule"),
        [
            (b"", 400, None),
            (b"{", 400, None),
            (b"[]", 422, "document-invalid"),
            (b"{}", 422, "document-invalid"),
            (b'{"name":"a","name":"b"}', 400, None),
            (b'{"name":"a","settings":[]}', 422, "document-invalid"),
            (b'{"name":"a","settings":null}', 422, "document-invalid"),
        ],
    )
    def test_what_is_no_registry_is_refused(self, server, content, status, rule):
        server.problem(server.http.post(f"{V1}/registries", content=content), status, rule)

    def test_a_field_that_should_be_an_object_is_named(self, server, registry):
        answer = server.http.patch(f"{V1}/registries/{registry}", json={"settings": None})
        (violation,) = server.problem(answer, 422, "document-invalid")["violations"]
        assert (violation["object"], violation["facts"]) == ("settings", {"field": "settings"})

    def test_a_key_twice_among_very_many_is_found_at_once(self, server):
        keys = ",".join(f'"{number}":1' for number in range(200_000))
        content = f'{{{keys},"199999":1}}'.encode()
        answer = server.http.post(f"{V1}/registries", content=content)
        assert "'199999' comes twice" in server.problem(answer, 400)["detail"]

    def test_no_body_is_said_to_be_none(self, server):
        answer = server.http.post(f"{V1}/registries")
        assert server.problem(answer, 400)["detail"] == "There is no body; send a JSON object."

    def test_a_change_of_nothing_is_no_event(self, server, registry):
        path = f"{V1}/registries/{registry}"
        for body in ({}, {"settings": {}}, {"settings": {"allow_sparse": False}}):
            assert server.http.patch(path, json=body).status_code == 200
        assert len(listed(server, f"history/{registry}", "history")) == 1

    def test_they_are_listed_by_name(self, server, registry):
        names = [each["name"] for each in listed(server, "registries", "registries", limit=2)]
        assert names == sorted(names)
        assert {registry, "dev", "prod"} <= set(names)
        beyond = listed(server, "registries", "registries", after=registry)
        assert [each["name"] for each in beyond] == [name for name in names if name > registry]


class TestRepositories:
    def test_they_are_listed_shown_and_deleted(self, server, registry):
        for name in ("b/c", "a", "b"):
            server.push_image(f"{registry}/{name}", "1")
        path = f"registries/{registry}/repositories"
        entries = listed(server, path, "repositories", limit=1)
        names = [entry["name"] for entry in entries]
        assert names == [f"{registry}/a", f"{registry}/b", f"{registry}/b/c"]
        assert listed(server, path, "repositories", after=f"{registry}/a") == entries[1:]
        assert listed(server, path, "repositories", after="a/z") == entries
        assert listed(server, path, "repositories", after="z/a") == []
        shown = server.http.get(f"{V1}/repositories/{registry}/b/c")
        assert shown.json() == entries[2]
        assert shown.json()["usage"]["tags"] == 1
        gone = server.http.delete(f"{V1}/repositories/{registry}/b/c", params={"comment": "old"})
        assert gone.status_code == 204
        server.problem(
            server.http.get(f"{V1}/repositories/{registry}/b/c"), 404, "repository-unknown"
        )
        told = listed(server, f"history/{registry}/b/c", "history")
        assert (told[0]["kind"], told[0]["comment"]) == ("delete", "old")

    def test_names_may_be_encoded_as_generated_clients_do(self, server, repo):
        server.push_image(repo, "1")
        plain = server.get(f"{V1}/tags/{repo}:1")
        encoded = server.get(f"{V1}/tags/{repo.replace('/', '%2F')}%3A1")
        assert (plain.status, plain.body) == (200, encoded.body)


class TestTags:
    def test_they_are_listed_and_shown(self, server, repo):
        image = server.push_image(repo, "b")
        for tag in ("a", "c", "B"):
            server.put(repo, tag, image.body)
        entries = listed(server, f"tags/{repo}", "tags", limit=3)
        assert [entry["tag"] for entry in entries] == ["B", "a", "b", "c"]
        assert entries[1] == {"name": f"{repo}:a", "tag": "a", "digest": image.digest}
        shown = server.http.get(f"{V1}/tags/{repo}:a")
        assert shown.json() == entries[1]
        assert shown.headers["etag"] == f'"{image.digest}"'
        known = {"If-None-Match": shown.headers["etag"]}
        assert server.http.get(f"{V1}/tags/{repo}:a", headers=known).status_code == 304

    def test_one_is_deleted_where_it_was_seen(self, server, repo):
        image = server.push_image(repo, "1")
        path = f"{V1}/tags/{repo}:1"
        stale = server.http.delete(path, headers={"If-Match": f'"{ABSENT}"'})
        problem = server.problem(stale, 412, "tag-moved")
        assert problem["violations"][0]["facts"]["found"] == image.digest
        asked = {"params": {"comment": "wrong"}, "headers": {"If-Match": f'"{image.digest}"'}}
        gone = server.http.delete(path, **asked)
        assert gone.status_code == 200
        assert gone.json() == {"name": f"{repo}:1", "tag": "1", "digest": image.digest}
        server.problem(server.http.delete(path), 404, "manifest-unknown")
        # What the answer says is enough to take it back.
        answer = server.promote(f"{repo}@{gone.json()['digest']}", f"{repo}:1")
        assert answer.status_code == 201, answer.text
        assert server.http.get(path).json() == gone.json()

    @pytest.mark.parametrize("tag", ["", ".x", "a:b", "x" * 129, "a@b"])
    def test_what_can_be_no_tag_is_422(self, server, repo, tag):
        server.problem(server.get(f"{V1}/tags/{repo}:{tag}"), 422, "name-invalid")


class TestManifests:
    @pytest.fixture
    def index(self, server, repo, tools):
        """An index of two platforms, signed."""
        entries = []
        for number, platform in enumerate(("amd64", "arm64")):
            image = server.push_image(repo, f"x{number}", layer=b"%d" % number)
            described = {"os": "linux", "architecture": platform}
            entries.append(
                {
                    "mediaType": tools.OCI_MANIFEST,
                    "digest": image.digest,
                    "size": len(image.body),
                    "platform": described,
                }
            )
        body = json.dumps(
            {"schemaVersion": 2, "mediaType": tools.OCI_INDEX, "manifests": entries}
        ).encode()
        assert server.put(repo, "1", body, tools.OCI_INDEX).status_code == 201
        subject = {
            "mediaType": tools.OCI_INDEX,
            "digest": tools.digest_of(body),
            "size": len(body),
        }
        signature = "application/vnd.dev.sigstore.bundle.v0.3+json"
        for kind in (signature, "application/spdx+json"):
            server.push_image(repo, subject=subject, artifactType=kind, layer=kind.encode())
        return tools.digest_of(body)

    def test_one_is_shown_as_a_tree(self, server, repo, index):
        answer = server.http.get(f"{V1}/manifests/{repo}:1")
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert shown["digest"] == index
        assert [child["platform"] for child in shown["children"]] == ["linux/amd64", "linux/arm64"]
        assert [len(child["blobs"]) for child in shown["children"]] == [2, 2]
        purposes = {each["purpose"] for each in shown["attachments"]}
        assert purposes == {"signature", "sbom"}
        assert shown["is_signed"] is True
        assert server.http.get(f"{V1}/manifests/{repo}@{index}").json() == shown

    def test_what_refers_to_one_is_listed(self, server, repo, index):
        for reference in (f"{repo}:1", f"{repo}@{index}", f"{repo}:1@{index}"):
            entries = listed(server, f"referrers/{reference}", "referrers", limit=1)
            assert len(entries) == 2
        query = {"artifact_type": "application/spdx+json", "limit": 1}
        (entry,) = listed(server, f"referrers/{repo}:1", "referrers", **query)
        assert entry["name"] == f"{repo}@{entry['digest']}"
        assert listed(server, f"referrers/{repo}@{ABSENT}", "referrers") == []
        unknown = server.http.get(f"{V1}/referrers/{repo}/nope@{index}")
        server.problem(unknown, 404, "repository-unknown")
        nowhere = server.http.get(f"{V1}/referrers/{repo}:nope")
        server.problem(nowhere, 404, "manifest-unknown")

    def test_one_is_deleted_by_its_digest_alone(self, server, repo, index):
        for reference in (f"{repo}:1", f"{repo}:1@{index}", repo):
            refused = server.http.delete(f"{V1}/manifests/{reference}")
            server.problem(refused, 422, "name-invalid")
        (child, _) = server.http.get(f"{V1}/manifests/{repo}:1").json()["children"]
        needed = server.http.delete(f"{V1}/manifests/{repo}@{child['digest']}")
        server.problem(needed, 405, "unsupported")
        assert needed.headers["allow"] == "GET, HEAD"
        path = f"{V1}/manifests/{repo}@{index}"
        stale = server.http.delete(path, headers={"If-None-Match": "*"})
        server.problem(stale, 412, "tag-moved")
        assert server.http.delete(path, params={"comment": "bad"}).status_code == 204
        server.problem(server.http.get(f"{V1}/tags/{repo}:1"), 404, "manifest-unknown")
        told = listed(server, f"history/{repo}:1", "history")
        assert (told[0]["action"], told[0]["comment"]) == ("deleted", "bad")

    def test_a_repository_is_no_manifest(self, server, repo, index):
        server.problem(server.http.get(f"{V1}/manifests/{repo}"), 422, "name-invalid")


class TestStore:
    def test_history_is_of_images_repositories_and_registries(self, server, repo):
        image = server.push_image(repo, "1")
        server.put(repo, "2", image.body)
        assert server.promote(f"{repo}:1", "prod").status_code == 201
        told = listed(server, f"history/{repo}:1", "history", limit=1)
        assert [entry["action"] for entry in told] == ["taken", "created"]
        assert told[0]["other"] == f"{repo.replace('dev/', 'prod/')}:1"
        assert len(listed(server, f"history/{repo}", "history")) > len(told)
        assert listed(server, f"history/{repo}@{image.digest}", "history")
        assert listed(server, "history/prod", "history", limit=1)
        server.problem(server.http.get(f"{V1}/history/nope"), 404, "registry-unknown")
        server.problem(server.http.get(f"{V1}/history/{repo}:nope"), 404, "manifest-unknown")

    def test_content_is_where_it_is(self, server, repo):
        image = server.push_image(repo, "1", layer=repo.encode())
        assert server.promote(f"{repo}:1", "prod").status_code == 201
        target = repo.replace("dev/", "prod/")
        found = listed(server, f"where/{image.digest}", "repositories", limit=1)
        assert [(each["repository"], each["kind"], each["tags"]) for each in found] == [
            (repo, "manifest", ["1"]),
            (target, "manifest", ["1"]),
        ]
        blobs = listed(server, f"where/{image.layers[0]}", "repositories")
        assert [each["parents"] for each in blobs] == [[image.digest]] * 2
        assert listed(server, f"where/{ABSENT}", "repositories") == []
        server.problem(server.http.get(f"{V1}/where/sha256:a"), 422, "digest-invalid")

    def test_totals_are_of_what_there_is(self, server, registry):
        before = server.http.get(f"{V1}/stats").json()
        layer = registry.encode() * 1000
        for name in ("a", "b"):
            server.push_image(f"{registry}/{name}", "1", layer=layer)
        after = server.http.get(f"{V1}/stats").json()
        assert after["repositories"] == before["repositories"] + 2
        assert after["tags"] == before["tags"] + 2
        assert after["bytes_stored"] - before["bytes_stored"] in {len(layer), len(layer) + 2}
        assert after["bytes_logical"] - before["bytes_logical"] == 2 * len(layer) + 4
        ratio = after["bytes_logical"] / after["bytes_stored"]
        assert after["dedup_ratio"] == pytest.approx(ratio)


class TestQueries:
    @pytest.mark.parametrize(
        ("path", "query", "told"),
        [
            ("registries", "limits=1", "did you mean `limit`?"),
            ("registries", "limit=1&limit=1", "more than once"),
            ("registries", "limit=0", "from 1 to 1000"),
            ("registries", "limit=x", "from 1 to 1000"),
            ("registries", "after=UP", "must fit"),
            ("registries", "after=a%0a", "must fit"),
            ("referrers/dev/a@" + ABSENT, "artifact_type=a%ff", "not UTF-8"),
            ("promotions", "after=1%0a", "must fit"),
            ("promotions", "n=1", "takes `limit`, `after`"),
            ("promotions", "after=01", "must fit"),
            ("stats", "x=1", "takes none"),
            ("registries/dev", "limit", "takes none"),
            ("referrers/dev/a@" + ABSENT, "after=zz", "must fit"),
        ],
    )
    def test_what_a_query_cannot_be_is_told(self, server, path, query, told):
        problem = server.problem(server.http.get(f"{V1}/{path}?{query}"), 400, "parameter-invalid")
        (violation,) = problem["violations"]
        assert told in violation["detail"]
        assert violation["object"] == query.partition("=")[0]
        assert violation["remedy"]

    def test_all_that_is_wrong_with_a_query_is_told(self, server):
        answer = server.http.get(f"{V1}/registries?limit=x&after=UP&y=1&y=2")
        problem = server.problem(answer, 400, "parameter-invalid")
        names = [violation["object"] for violation in problem["violations"]]
        assert names == ["limit", "after", "y"]

    def test_a_flag_that_is_not_meant_deletes_nothing(self, server, registry):
        server.push_image(f"{registry}/app", "1")
        for query in ("force=1", "force=True", "force", "Force=true", "force=true&force=true"):
            answer = server.http.delete(f"{V1}/registries/{registry}?{query}")
            server.problem(answer, 400, "parameter-invalid")
        assert server.http.get(f"{V1}/tags/{registry}/app:1").status_code == 200

    def test_a_place_that_no_page_named_is_400(self, server, repo):
        image = server.push_image(repo, "1")
        path = f"{V1}/referrers/{repo}@{image.digest}"
        answer = server.http.get(path, params={"after": "ab" * 81})
        assert answer.status_code == 200

    def test_a_plus_in_a_query_is_a_plus(self, server, repo):
        image = server.push_image(repo, "1")
        subject = {"mediaType": "a/b", "digest": image.digest, "size": 1}
        server.push_image(repo, subject=subject, artifactType="application/spdx+json")
        path = f"{V1}/referrers/{repo}:1?artifact_type=application/spdx+json"
        assert len(server.http.get(path).json()["referrers"]) == 1


class TestConditions:
    @pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
    def test_one_that_would_not_be_judged_is_refused(self, server, registry, header):
        path = f"{V1}/registries/{registry}"
        answers = [
            server.http.delete(path, headers={header: "*"}),
            server.http.patch(path, json={}, headers={header: "*"}),
            server.http.post(f"{V1}/promotions", json={"items": []}, headers={header: "*"}),
        ]
        for answer in answers:
            assert header in server.problem(answer, 400)["detail"]
        assert server.http.get(path).status_code == 200

    def test_one_that_cannot_be_read_is_refused(self, server, repo):
        image = server.push_image(repo, "1")
        answer = server.http.delete(f"{V1}/tags/{repo}:1", headers={"If-Match": image.digest})
        server.problem(answer, 400)
        assert server.http.get(f"{V1}/tags/{repo}:1").status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("registries", "GET, HEAD, POST"),
        ("registries/dev", "DELETE, GET, HEAD, PATCH"),
        ("registries/dev/repositories", "GET, HEAD"),
        ("tags/dev/a", "GET, HEAD"),
        ("tags/dev/a:1", "DELETE, GET, HEAD"),
        ("promotions/1/undo", "POST"),
        ("stats", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "MKCOL"])
def test_what_a_path_does_not_take_is_405(server, path, allowed, method):
    answer = server.get(f"{V1}/{path}", method=method)
    server.problem(answer, 405)
    assert answer.headers["allow"] == allowed
