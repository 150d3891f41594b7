"""HEAD is GET without its body, wherever there is a GET (RFC 9110, 9.3.2; E2)."""

import pytest

ABSENT = "sha256:" + "0" * 64
ONES_OWN = {"date", "x-request-id", "connection"}

FOUND = {
    "the base": "/v2/",
    "the catalog": "/v2/_catalog?n=1",
    "tags": "/v2/{repo}/tags/list?n=1",
    "a manifest by tag": "/v2/{repo}/manifests/1",
    "a manifest by digest": "/v2/{repo}/manifests/{digest}",
    "a blob": "/v2/{repo}/blobs/{config}",
    "an empty blob": "/v2/{repo}/blobs/{empty}",
    "referrers": "/v2/{repo}/referrers/{digest}?n=1&artifactType=application/x.a",
    "a session": "{session}",
    "promotions": "/api/v1/promotions",
    "registries": "/api/v1/registries?limit=1",
    "a registry": "/api/v1/registries/dev",
    "repositories": "/api/v1/registries/dev/repositories?limit=1",
    "a repository": "/api/v1/repositories/{repo}",
    "tags, ours": "/api/v1/tags/{repo}?limit=1",
    "a tag, ours": "/api/v1/tags/{repo}:1",
    "an image as a tree": "/api/v1/manifests/{repo}:1",
    "referrers, ours": "/api/v1/referrers/{repo}:1?limit=1&artifact_type=application/x.a",
    "history": "/api/v1/history/{repo}?limit=1",
    "places": "/api/v1/where/{config}?limit=1",
    "totals": "/api/v1/stats",
    "a description": "/api/v1/openapi.json",
    "a page": "/api",
}
REFUSED = {
    "no endpoint": "/nothing",
    "no registry": "/v2/nowhere/app/tags/list",
    "no repository": "/v2/dev/nothing/here/manifests/1",
    "no manifest": "/v2/{repo}/manifests/2",
    "no blob": "/v2/{repo}/blobs/{absent}",
    "no session": "/v2/{repo}/blobs/uploads/x",
    "no promotion": "/api/v1/promotions/999999999",
    "no name": "/v2/dev/Upper/tags/list",
    "no digest": "/v2/{repo}/blobs/sha256:abc",
    "no count": "/v2/{repo}/tags/list?n=x",
    "no parameter": "/api/v1/tags/{repo}?limits=1",
    "too long": "/v2/" + "x" * 9000,
    "no such method": "/v2/{repo}/blobs/uploads/",
}


@pytest.fixture
def places(server, repo):
    """An image with tags and referrers enough for a Link, and an open session."""
    image = server.push_image(repo, "1", layer=b"")
    server.put(repo, "2-too", image.body)
    subject = {"mediaType": "a/b", "digest": image.digest, "size": 1}
    for number in "12":
        more = {"artifactType": "application/x.a", "annotations": {"number": number}}
        server.push_image(repo, subject=subject, **more)
    server.push_image(f"{repo}/other", "1")
    session = server.start_upload(repo)
    server.http.patch(session, content=b"some")
    yield {
        "repo": repo,
        "digest": image.digest,
        "config": image.config,
        "empty": image.layers[0],
        "absent": ABSENT,
        "session": session,
    }
    assert server.http.delete(session).status_code == 204


def common(headers):
    return {name: text for name, text in headers.items() if name not in ONES_OWN}


@pytest.mark.parametrize("target", FOUND.values(), ids=FOUND)
def test_what_is_found_has_the_same_headers(server, places, target):
    got, head = (ask(target.format(**places)) for ask in (server.get, server.head))
    assert got.status in {200, 204}
    assert (head.status, head.body) == (got.status, b"")
    assert common(head.headers) == common(got.headers)
    assert ("link" in head.headers) == ("=1" in target)


@pytest.mark.parametrize("target", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_has_them_too(server, places, target):
    got, head = (ask(target.format(**places)) for ask in (server.get, server.head))
    assert 400 <= got.status < 500
    assert (head.status, head.body) == (got.status, b"")
    if got.status != 405:  # the sentence names the method
        assert common(head.headers) == common(got.headers)
    assert head.headers["x-request-id"]
