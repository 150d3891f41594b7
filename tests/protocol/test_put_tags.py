"""Several tags in one PUT (E18; distribution-spec, main branch, "Pushing Manifests")."""

import pytest

from liftlock import Limits, RepositoryName

MOST = Limits().put_tags_max


@pytest.fixture
def put(server, repo):
    """PUT an image again, by its digest or another reference, with a query."""

    def put(image, query, reference=None):
        return server.put(repo, f"{reference or image.digest}{query}", image.body)

    return put


def tags_of(server, repo):
    return server.http.get(f"/v2/{repo}/tags/list").json()["tags"]


def told(answer):
    """The tags that an answer says were set, a header field for each."""
    return answer.headers.get_list("oci-tag")


def test_each_tag_is_set_and_told(server, repo, put):
    """The specification asks for at least 10."""
    image = server.push_image(repo)
    tags = [f"1.{number}" for number in range(12)]
    answer = put(image, "?" + "&".join(f"tag={tag}" for tag in tags))
    assert answer.status_code == 201
    assert told(answer) == tags
    assert answer.headers["location"] == f"/v2/{repo}/manifests/{image.digest}"
    assert answer.headers["docker-content-digest"] == image.digest
    assert tags_of(server, repo) == sorted(tags)
    for tag in tags:
        assert server.http.get(f"/v2/{repo}/manifests/{tag}").content == image.body
    entries = server.engine.history(RepositoryName.parse(repo), limit=len(tags)).entries
    assert [entry.name for entry in entries] == [f"{repo}:{tag}" for tag in sorted(tags)]
    assert len({entry.event for entry in entries}) == 1


def test_again_changes_nothing_and_is_answered_alike(server, repo, put):
    image = server.push_image(repo)
    first = put(image, "?tag=a&tag=b")
    before = server.engine.history(RepositoryName.parse(repo))
    again = put(image, "?tag=a&tag=b")
    assert (again.status_code, told(again)) == (first.status_code, told(first)) == (201, ["a", "b"])
    assert server.engine.history(RepositoryName.parse(repo)) == before


def test_a_tag_named_twice_is_told_once(server, repo, put):
    image = server.push_image(repo)
    assert told(put(image, "?tag=a&tag=b&tag=a&tag=%61")) == ["a", "b"]


def test_beside_a_tag_in_the_path_all_are_set(server, repo, put):
    """The specification is silent; the path's own tag is told with the others."""
    image = server.push_image(repo)
    answer = put(image, "?tag=2&tag=1&tag=3", reference="1")
    assert (answer.status_code, told(answer)) == (201, ["1", "2", "3"])
    assert tags_of(server, repo) == ["1", "2", "3"]


def test_without_the_parameter_no_tag_is_told(server, repo, put):
    image = server.push_image(repo)
    for reference in ("1", None):
        assert "oci-tag" not in put(image, "", reference=reference).headers


@pytest.mark.parametrize("bad", ["", "-x", ".x", "a+b", "a,b", "a" * 129, "%C3%A4", "a%00"])
def test_one_bad_tag_and_none_is_set(server, repo, put, bad):
    """E18, E20."""
    image = server.push_image(repo, "old")
    answer = put(image, f"?tag=a&tag={bad}&tag=b")
    assert "oci-tag" not in answer.headers
    assert len(server.refused(answer, 400, "NAME_INVALID")) == 1
    assert tags_of(server, repo) == ["old"]


def test_every_bad_tag_is_named(server, repo, put):
    image = server.push_image(repo, "old")
    entries = server.refused(put(image, "?tag=-a&tag=b&tag=-c"), 400, "NAME_INVALID")
    assert [entry["detail"]["name"] for entry in entries] == ["-a", "-c"]


def test_what_is_missing_leaves_all_tags_where_they_were(server, repo, tools, put):
    """E9."""
    image = server.push_image(repo, "a")
    image.body = tools.manifest(image.config, [("sha256:" + "1" * 64, 1)])
    answer = put(image, "?tag=a&tag=b", reference=tools.digest_of(image.body))
    server.refused(answer, 404, "MANIFEST_BLOB_UNKNOWN")
    assert tags_of(server, repo) == ["a"]
    got = server.http.get(f"/v2/{repo}/manifests/a")
    assert got.headers["docker-content-digest"] == image.digest


def test_another_body_than_the_digest_sets_no_tag(server, repo, put):
    """E6."""
    image = server.push_image(repo, "old")
    answer = put(image, "?tag=a", reference="sha256:" + "0" * 64)
    server.refused(answer, 400, "DIGEST_INVALID")
    assert tags_of(server, repo) == ["old"]


def test_the_limit_is_named(server, repo, put):
    image = server.push_image(repo, "old")
    tags = [f"t{number:03}" for number in range(MOST + 1)]
    (entry,) = server.refused(put(image, "?tag=" + "&tag=".join(tags)), 414, "UNSUPPORTED")
    assert f"{MOST} (put_tags_max)" in entry["message"]
    assert entry["detail"] == {"tags": MOST + 1, "limit": MOST}
    assert tags_of(server, repo) == ["old"]
    assert told(put(image, "?tag=" + "&tag=".join(tags[:MOST]))) == tags[:MOST]


def test_what_counts_are_different_tags_the_path_s_too(server, repo, put):
    image = server.push_image(repo, "old")
    tags = [f"t{number:03}" for number in range(MOST)]
    query = "?tag=" + "&tag=".join(tags)
    server.refused(put(image, query, reference="one-more"), 414, "UNSUPPORTED")
    assert tags_of(server, repo) == ["old"]
    assert told(put(image, f"{query}&tag={tags[7]}", reference=tags[0])) == tags
    assert tags_of(server, repo) == ["old", *tags]


def test_too_many_tags_and_a_bad_one_among_them_are_both_told(server, repo, put):
    image = server.push_image(repo, "old")
    query = "?tag=" + "&tag=".join(f"t{number:03}" for number in range(MOST))
    answer = put(image, f"{query}&tag=-bad")
    assert answer.status_code == 414
    number, bad = answer.json()["errors"]
    assert (number["code"], number["detail"]["tags"]) == ("UNSUPPORTED", MOST + 1)
    assert (bad["code"], bad["detail"]["name"]) == ("NAME_INVALID", "-bad")
    assert tags_of(server, repo) == ["old"]


def test_one_bad_tag_among_as_many_as_may_be(server, repo, put):
    image = server.push_image(repo, "old")
    tags = [f"t{number:03}" for number in range(MOST - 1)]
    (entry,) = server.refused(
        put(image, "?tag=-bad&tag=" + "&tag=".join(tags)), 400, "NAME_INVALID"
    )
    assert entry["detail"]["name"] == "-bad"
    assert tags_of(server, repo) == ["old"]


def test_a_client_of_100_headers_reads_the_longest_answer(server, repo):
    """Python's http.client, which `raw` reads with, is one."""
    image = server.push_image(repo)
    query = "&".join(f"tag=t{number}" for number in range(MOST))
    head = f"PUT /v2/{repo}/manifests/{image.digest}?{query} HTTP/1.1\r\nHost: test\r\n"
    length = f"Content-Length: {len(image.body)}\r\n\r\n"
    assert server.raw(f"{head}{length}".encode() + image.body).status == 201


def test_a_tag_may_be_set_at_a_sha512_digest(server, repo, tools, put):
    """E37: without a digest to say so, a push by tag is hashed with sha256."""
    image = server.push_image(repo)
    digest = tools.digest_of(image.body, "sha512")
    answer = put(image, "?tag=a", reference=digest)
    assert (answer.status_code, told(answer)) == (201, ["a"])
    got = server.http.get(f"/v2/{repo}/manifests/a")
    assert got.headers["docker-content-digest"] == digest


def test_a_tag_of_a_sha512_digest_is_held_to_it_and_its_push_is_sha256(server, repo, tools, put):
    """The same bytes under another name: only what was expected moves the tag."""
    image = server.push_image(repo)
    digest = tools.digest_of(image.body, "sha512")
    assert told(put(image, "?tag=a", reference=digest)) == ["a"]
    target = f"/v2/{repo}/manifests/a?tag=b"
    for seen, status in ((image.digest, 412), (digest, 201), (digest, 412), (image.digest, 201)):
        answer = server.http.put(target, content=image.body, headers={"If-Match": f'"{seen}"'})
        assert answer.status_code == status
        assert tags_of(server, repo) == (
            ["a"] if seen == image.digest and status == 412 else ["a", "b"]
        )
    for tag in "ab":
        got = server.http.get(f"/v2/{repo}/manifests/{tag}")
        assert got.headers["docker-content-digest"] == image.digest
    assert server.http.get(f"/v2/{repo}/manifests/{digest}").content == image.body


def test_the_subject_is_told_beside_the_tags(server, repo, tools, put):
    """E13."""
    subject = {"mediaType": tools.OCI_MANIFEST, "digest": "sha256:" + "1" * 64, "size": 1}
    image = server.push_image(repo, subject=subject)
    answer = put(image, "?tag=a")
    assert answer.headers["oci-subject"] == subject["digest"]
    assert told(answer) == ["a"]


def test_other_methods_ignore_the_parameter(server, repo):
    image = server.push_image(repo, "1")
    assert server.http.get(f"/v2/{repo}/manifests/1?tag=-").content == image.body
    assert server.http.delete(f"/v2/{repo}/manifests/1?tag=-").status_code == 202
