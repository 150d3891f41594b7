"""Lists of tags (E19)."""

import pytest

from liftlock import Digest, Limits, Reference, RepositoryName

TAGS = ["1.0", "1.1", "A", "_x", "a", "b", "latest"]


@pytest.fixture
def tagged(server, repo):
    image = server.push_image(repo)
    for tag in reversed(TAGS):
        assert server.put(repo, tag, image.body).status_code == 201
    return repo


def test_tags_are_listed_in_byte_order(server, tagged):
    answer = server.http.get(f"/v2/{tagged}/tags/list")
    assert answer.json() == {"name": tagged, "tags": TAGS}
    assert answer.headers["content-type"] == "application/json"
    assert "link" not in answer.headers


def test_pages_follow_each_other_by_link(server, tagged):
    target, seen = f"/v2/{tagged}/tags/list?n=3", []
    while target:
        answer = server.http.get(target)
        page = answer.json()["tags"]
        assert 0 < len(page) <= 3
        seen += page
        target = answer.links.get("next", {}).get("url")
        assert target is None or target.startswith(f"/v2/{tagged}/tags/list?n=3&last=")
    assert seen == TAGS


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("a", "b"),
        ("aa", "b"),
        ("", "1.0"),
        ("zzz", None),
        ("b\U0001f600", "latest"),
        ("a" + "z" * 4000, "b"),
        ("b\x00", "latest"),
    ],
)
def test_last_is_exclusive_and_need_not_exist(server, tagged, last, first):
    tags = server.http.get(f"/v2/{tagged}/tags/list", params={"last": last}).json()["tags"]
    assert tags[:1] == [first] * (first is not None)


def test_a_page_of_none_is_empty_and_the_last(server, tagged):
    answer = server.http.get(f"/v2/{tagged}/tags/list?n=0")
    assert answer.json()["tags"] == []
    assert "link" not in answer.headers


@pytest.mark.parametrize("n", ["abc", "-1", "1.5", "", "1e3", "٣", " 1"])
def test_what_is_no_count_is_400(server, tagged, n):
    answer = server.http.get(f"/v2/{tagged}/tags/list", params={"n": n})
    server.refused(answer, 400, "UNSUPPORTED")


@pytest.mark.parametrize("n", ["7", "1000", "00000000000001000", "9" * 5000])
def test_a_large_count_is_cut_to_what_the_server_gives(server, tagged, n):
    answer = server.http.get(f"/v2/{tagged}/tags/list", params={"n": n})
    assert answer.json()["tags"] == TAGS
    assert "link" not in answer.headers


def test_a_page_has_no_more_than_the_server_gives(server, repo):
    """page_entries_max; whatever is asked for."""
    image, most = server.push_image(repo), Limits().page_entries_max
    tags = [f"t{number:04}" for number in range(most + 1)]
    where = Reference(RepositoryName.parse(repo), digest=Digest.parse(image.digest))
    for at in range(0, len(tags), 50):
        server.engine.put_manifest(
            where, image.body, media_type=None, by="tests", tags=tags[at : at + 50]
        )
    for query in ("", f"?n={most}", f"?n={most + 1}", "?n=" + "9" * 30):
        answer = server.http.get(f"/v2/{repo}/tags/list{query}")
        assert answer.json()["tags"] == tags[:most]
        rest = server.http.get(answer.links["next"]["url"])
        assert rest.json()["tags"] == tags[most:]
        assert "link" not in rest.headers


def test_an_unknown_repository_is_404(server, repo):
    server.refused(server.http.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")


def test_a_repository_without_tags_has_an_empty_list(server, repo):
    server.push_image(repo)
    assert server.http.get(f"/v2/{repo}/tags/list").json() == {"name": repo, "tags": []}
