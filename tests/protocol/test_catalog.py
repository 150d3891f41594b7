"""The catalog, which the specification dropped and clients still ask for."""

import pytest


def test_the_catalog_pages_through_all_registries(server, repo):
    names = [f"dev/{repo[4:]}/{name}" for name in ("a", "a-b", "a/b", "z")]
    names += [f"prod/{repo[4:]}/x"]
    for name in names:
        server.push_blob(name, b"x")
    target, seen = "/v2/_catalog?n=2", []
    while target:
        answer = server.http.get(target)
        page = answer.json()["repositories"]
        assert 0 < len(page) <= 2
        seen += page
        target = answer.links.get("next", {}).get("url")
    assert len(seen) == len(set(seen))
    assert [name for name in seen if f"/{repo[4:]}/" in name] == names
    whole = server.http.get("/v2/_catalog")
    assert whole.json()["repositories"] == seen
    assert "link" not in whole.headers


def test_the_place_to_go_on_from_need_not_exist(server, repo):
    server.push_blob(repo, b"x")
    for last in ("cev/zzz", "dev", f"dev/{repo[4:-1]}", "a" * 5000):
        found = server.http.get("/v2/_catalog", params={"last": last}).json()["repositories"]
        assert repo in found
    for last in ("zzz", "dev/\U0001f600/x", "prod/zz"):
        found = server.http.get("/v2/_catalog", params={"last": last}).json()["repositories"]
        assert repo not in found


def test_names_come_registry_by_registry(server, repo):
    """Not by the bytes of the whole name, in which a dash comes before a slash."""
    server.engine.create_registry("dev-x", by="tests")
    names = [f"{repo}/a-z", f"{repo}/a/z", f"{repo}/b", "dev-x/a", "prod/b"]
    for name in names:
        server.push_blob(name, b"x")
    for query in ("", "?n=1", "?n=3"):
        target, seen = f"/v2/_catalog{query}", []
        while target:
            answer = server.http.get(target)
            seen += answer.json()["repositories"]
            target = answer.links.get("next", {}).get("url")
        assert [name for name in seen if name in names] == names


@pytest.mark.parametrize("n", ["x", "-1"])
def test_what_is_no_count_is_400(server, n):
    server.refused(server.http.get("/v2/_catalog", params={"n": n}), 400, "UNSUPPORTED")


def test_none_are_none(server):
    answer = server.http.get("/v2/_catalog?n=0")
    assert answer.json() == {"repositories": []}
    assert "link" not in answer.headers
