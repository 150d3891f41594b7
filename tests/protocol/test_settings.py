"""What a registry's settings mean over HTTP, also while they change under a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from liftlock.model import SettingsChange


@contextmanager
def changed(server, registry: str, **settings: bool) -> Iterator[None]:
    """Settings of a registry for some time; the other tests share it."""
    server.engine.update_registry(registry, SettingsChange(**settings), by="tests")
    yield
    back = {name: not value for name, value in settings.items()}
    server.engine.update_registry(registry, SettingsChange(**back), by="tests")


@pytest.mark.parametrize("what", ["manifests/1", "manifests/{}", "blobs/{}", "manifests/nope"])
def test_where_deleting_is_not_allowed_it_is_405_whatever_is_there(server, repo, what):
    """E23."""
    image = server.push_image(repo, "1")
    path = f"/v2/{repo}/{what}".format(
        image.digest if what.startswith("manifests") else image.config
    )
    with changed(server, "dev", allow_delete=False):
        for target in (path, path.replace(repo, "dev/nope")):
            answer = server.http.delete(target)
            (entry,) = server.refused(answer, 405, "UNSUPPORTED")
            assert "allow_delete" in entry["message"]
            puts = ", PUT" if what.startswith("manifests") else ""
            assert answer.headers["allow"] == f"GET, HEAD{puts}"
        server.refused(server.http.delete(path.replace("dev", "nope")), 404, "NAME_UNKNOWN")
        assert server.http.get(f"/v2/{repo}/manifests/1").status_code == 200


def sparse(server, tools, repo: str):
    """The bytes of an index of two, of which the repository has the first."""
    there = server.push_image(repo, tools.digest_of(b"there")[7:20])
    elsewhere = server.push_image(repo.replace("dev/", "prod/") + "/elsewhere", "1", layer=b"other")
    entries = [
        {"mediaType": tools.OCI_MANIFEST, "digest": image.digest, "size": len(image.body)}
        for image in (there, elsewhere)
    ]
    document = {"schemaVersion": 2, "mediaType": tools.OCI_INDEX, "manifests": entries}
    return json.dumps(document).encode(), elsewhere


def test_a_sparse_index_is_taken_where_it_is_allowed(server, tools, repo):
    """E9 for those that do not; contract 5 for those that do."""
    body, absent = sparse(server, tools, repo)
    (entry,) = server.refused(
        server.put(repo, "1", body, tools.OCI_INDEX), 404, "MANIFEST_BLOB_UNKNOWN"
    )
    assert entry["detail"] == {"digest": absent.digest}
    with changed(server, "dev", allow_sparse=True):
        assert server.put(repo, "1", body, tools.OCI_INDEX).status_code == 201
    assert server.http.get(f"/v2/{repo}/manifests/1").content == body
    missing = f"/v2/{repo}/manifests/{absent.digest}"
    for method in ("GET", "HEAD", "DELETE"):
        assert server.http.request(method, missing).status_code == 404
    server.refused(server.http.get(missing), 404, "MANIFEST_UNKNOWN")
    server.push_image(repo, "late", layer=b"other")
    assert server.http.get(missing).content == absent.body
    server.refused(server.http.delete(missing), 405, "UNSUPPORTED")  # E22


@pytest.mark.parametrize("where", ["config", "layer"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_sparse_image_is_taken_where_it_is_allowed(server, tools, repo, where, by):
    """Its blobs are 404 until they are there, whatever other repositories have (contract 5)."""
    config, layer = json.dumps({"by": by, "where": where}).encode(), f"{where} {by}".encode()
    absent, content = (
        {"config": config, "layer": layer}[where],
        layer if where == "config" else config,
    )
    elsewhere = server.push_blob("prod/elsewhere", absent)
    server.push_blob(repo, content)
    digests = [tools.digest_of(each) for each in (config, layer)]
    body = tools.manifest(digests[0], [(digests[1], len(layer))])
    place = "sparse" if by == "tag" else tools.digest_of(body)
    (entry,) = server.refused(server.put(repo, place, body), 404, "MANIFEST_BLOB_UNKNOWN")
    assert entry["detail"] == {"digest": elsewhere}
    with changed(server, "dev", allow_sparse=True):
        assert server.put(repo, place, body).status_code == 201
    assert server.http.get(f"/v2/{repo}/manifests/{place}").content == body
    missing = f"/v2/{repo}/blobs/{elsewhere}"
    for method in ("GET", "HEAD", "DELETE"):
        assert server.http.request(method, missing).status_code == 404
    mount = f"/v2/{repo}/blobs/uploads/?mount={elsewhere}&from=prod/elsewhere"
    assert server.http.post(mount).status_code == 201
    assert server.http.get(missing).content == absent
    server.refused(server.http.delete(missing), 405, "UNSUPPORTED")


def test_a_sparse_promotion_is_a_problem_until_it_is_meant_and_allowed(server, tools, repo):
    body, absent = sparse(server, tools, repo)
    target = repo.replace("dev/", "prod/")
    with changed(server, "dev", allow_sparse=True):
        assert server.put(repo, "1", body, tools.OCI_INDEX).status_code == 201
    problem = server.problem(server.promote(f"{repo}:1", target), 409, "sparse-manifest")
    rules = {violation["rule"]: violation for violation in problem["violations"]}
    assert rules.keys() == {"sparse-manifest", "sparse-refused"}
    for violation in rules.values():
        assert violation["object"] == target
        assert violation["missing"] == [absent.digest]
        assert violation["facts"] == {"target": target, "more": False} | (
            {"registry": "prod"} if violation["rule"] == "sparse-refused" else {}
        )
        assert absent.digest in violation["detail"]
    assert '"allow_sparse": true' in rules["sparse-manifest"]["remedy"]
    meant = server.promote(f"{repo}:1", target, allow_sparse=True)
    server.problem(meant, 409, "sparse-refused")
    with changed(server, "prod", allow_sparse=True):
        answer = server.promote(f"{repo}:1", target, allow_sparse=True)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["absent"], answer.json()["absent_more"]) == ([absent.digest], False)
    assert server.http.get(f"/v2/{target}/manifests/{absent.digest}").status_code == 404


def test_a_purge_where_deleting_is_not_allowed_is_a_problem(server, repo):
    server.push_image(repo, "1")
    target = repo.replace("dev/", "prod/")
    with changed(server, "dev", allow_delete=False):
        purging = server.promote(f"{repo}:1", target, mode="move", purge=True)
        problem = server.problem(purging, 409, "purge-refused")
        assert problem["violations"][0]["object"] == "dev"
        assert server.promote(f"{repo}:1", target, mode="move").status_code == 201
