"""Referrers (E13-E15)."""

import json

import pytest

ABSENT = "sha256:" + "0" * 64


def refer(server, repo, subject, **fields):
    described = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1} | {
        "digest": subject
    }
    return server.push_image(repo, subject=described, **fields)


def test_an_unknown_subject_has_no_referrers(server, repo, tools):
    """E14."""
    server.push_image(repo)
    answer = server.http.get(f"/v2/{repo}/referrers/{ABSENT}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == tools.OCI_INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": tools.OCI_INDEX, "manifests": []}


@pytest.mark.parametrize("name", ["dev/nothing/pushed/yet", "no-such-registry/app"])
@pytest.mark.parametrize("params", [{}, {"artifactType": "application/x.signature"}])
def test_where_nothing_was_pushed_yet_there_are_no_referrers(server, tools, name, params):
    """E14. It was a 404, which to a client means that this registry has no referrers API."""
    answer = server.http.get(f"/v2/{name}/referrers/{ABSENT}", params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == tools.OCI_INDEX
    assert answer.json()["manifests"] == []
    assert answer.headers.get("oci-filters-applied") == ("artifactType" if params else None)
    server.refused(server.http.get(f"/v2/{name}/referrers/sha256:abc"), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("digest", ["sha256:abc", "latest", "sha256:" + "A" * 64])
def test_a_bad_subject_is_400(server, repo, digest):
    """E14."""
    server.refused(server.http.get(f"/v2/{repo}/referrers/{digest}"), 400, "DIGEST_INVALID")


def test_a_referrer_may_come_before_its_subject(server, repo, tools):
    """E13."""
    image = server.push_image(repo)
    body = tools.manifest(
        image.config,
        [],
        subject={"mediaType": tools.OCI_MANIFEST, "digest": ABSENT, "size": 1},
        artifactType="application/x.signature",
    )
    answer = server.put(repo, tools.digest_of(body), body)
    assert answer.status_code == 201
    assert answer.headers["oci-subject"] == ABSENT
    listed = server.http.get(f"/v2/{repo}/referrers/{ABSENT}").json()["manifests"]
    assert [entry["digest"] for entry in listed] == [tools.digest_of(body)]


def test_a_push_without_a_subject_says_nothing_of_one(server, repo):
    image = server.push_image(repo)
    assert "oci-subject" not in server.put(repo, "1", image.body).headers


def test_referrers_are_described_and_filtered(server, repo, tools):
    """E15."""
    image = server.push_image(repo, "1")
    signed = refer(server, repo, image.digest, artifactType="application/x.signature")
    plain = refer(server, repo, image.digest, annotations={"org.example/a": "b"})
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": tools.OCI_INDEX,
            "manifests": [],
            "subject": {"mediaType": tools.OCI_MANIFEST, "digest": image.digest, "size": 1},
        }
    ).encode()
    assert server.put(repo, "index", index, tools.OCI_INDEX).status_code == 201

    answer = server.http.get(f"/v2/{repo}/referrers/{image.digest}")
    assert "oci-filters-applied" not in answer.headers
    entries = {entry["digest"]: entry for entry in answer.json()["manifests"]}
    assert entries == {
        signed.digest: {
            "mediaType": tools.OCI_MANIFEST,
            "digest": signed.digest,
            "size": len(signed.body),
            "artifactType": "application/x.signature",
        },
        plain.digest: {
            "mediaType": tools.OCI_MANIFEST,
            "digest": plain.digest,
            "size": len(plain.body),
            "artifactType": tools.CONFIG,
            "annotations": {"org.example/a": "b"},
        },
        tools.digest_of(index): {
            "mediaType": tools.OCI_INDEX,
            "digest": tools.digest_of(index),
            "size": len(index),
        },
    }

    filtered = server.http.get(
        f"/v2/{repo}/referrers/{image.digest}", params={"artifactType": "application/x.signature"}
    )
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert [entry["digest"] for entry in filtered.json()["manifests"]] == [signed.digest]


@pytest.mark.parametrize("artifact_type", [None, "application/x.sbom+json"])
def test_referrers_come_in_pages(server, repo, artifact_type):
    image = server.push_image(repo, "1")
    pushed = {
        refer(
            server, repo, image.digest, artifactType="application/x.sbom+json", annotations={"n": n}
        ).digest
        for n in "12345"
    }
    params = {"n": "2"} | ({"artifactType": artifact_type} if artifact_type else {})
    answer = server.http.get(f"/v2/{repo}/referrers/{image.digest}", params=params)
    seen = []
    while True:
        assert len(answer.json()["manifests"]) <= 2
        seen += [entry["digest"] for entry in answer.json()["manifests"]]
        if "next" not in answer.links:
            break
        answer = server.http.get(answer.links["next"]["url"])
    assert len(seen) == 5
    assert set(seen) == pushed
