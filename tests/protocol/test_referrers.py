"""Referrers (E13-E17)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from liftlock import Reference, RepositoryName

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


@pytest.mark.parametrize(
    ("artifact_type", "asked"),
    [
        ("application/x.sbom+json", "application/x.sbom+json"),
        ("application/x.sbom+json", "application%2Fx.sbom%2Bjson"),
        ("no media/type", "no%20media/type"),
    ],
)
def test_a_plus_in_a_type_may_stand_as_it_is(server, repo, artifact_type, asked):
    """As a person writes it who uses curl. It was read as a blank: nobody was told, none found."""
    image = server.push_image(repo, "1")
    pushed = {
        refer(
            server, repo, image.digest, artifactType=artifact_type, annotations={"n": number}
        ).digest
        for number in "12"
    }
    target, seen = f"/v2/{repo}/referrers/{image.digest}?n=1&artifactType={asked}", []
    while target:
        answer = server.get(target)
        seen += [entry["digest"] for entry in answer.json()["manifests"]]
        target = answer.headers.get("link", "").partition("<")[2].partition(">")[0]
    assert sorted(seen) == sorted(pushed)


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
    seen = walk(server, f"/v2/{repo}/referrers/{image.digest}", 2, params)
    assert len(seen) == 5
    assert set(seen) == pushed


@pytest.mark.parametrize("last", ["x", "-1", "sha256:" + "f" * 64, "abc", "%00", "%ff", "9" * 3001])
def test_a_place_that_no_page_named_is_refused(server, repo, last):
    """It was called no number of entries."""
    image = server.push_image(repo, "1")
    answer = server.get(f"/v2/{repo}/referrers/{image.digest}?last={last}")
    (entry,) = server.refused(answer, 400, "UNSUPPORTED")
    assert "no place in a list of referrers" in entry["message"]


def walk(server, target, most, params):
    """Follow the Link headers; return all digests. No page has more than `most`."""
    answer = server.http.get(target, params=params)
    seen = []
    while True:
        assert len(answer.json()["manifests"]) <= most
        seen += [entry["digest"] for entry in answer.json()["manifests"]]
        if "next" not in answer.links:
            return seen
        answer = server.http.get(answer.links["next"]["url"])


def push_index(server, repo, tag, entries, tools):
    body = {"schemaVersion": 2, "mediaType": tools.OCI_INDEX, "manifests": entries}
    answer = server.put(repo, tag, json.dumps(body).encode(), tools.OCI_INDEX)
    assert answer.status_code == 201, answer.text


def described(body, tools):
    return {"mediaType": tools.OCI_MANIFEST, "digest": tools.digest_of(body), "size": len(body)}


def test_the_entries_of_a_referrers_tag_are_listed(server, repo, tools):
    """E17: a registry that comes from elsewhere has them in an index that its clients kept."""
    image = server.push_image(repo, "1")
    listed = server.push_image(repo, artifactType="application/x.old", annotations={"a": "b"})
    signed = refer(server, repo, image.digest, artifactType="application/x.new")
    entries = [
        described(listed.body, tools) | {"artifactType": "application/x.wrong"},
        described(signed.body, tools),
    ]
    push_index(server, repo, image.digest.replace(":", "-"), entries, tools)

    target = f"/v2/{repo}/referrers/{image.digest}"
    assert sorted(walk(server, target, 1, {"n": 1})) == sorted([listed.digest, signed.digest])
    (entry,) = server.http.get(target, params={"artifactType": "application/x.old"}).json()[
        "manifests"
    ]
    assert entry == described(listed.body, tools) | {
        "artifactType": "application/x.old",
        "annotations": {"a": "b"},
    }
    wrong = server.http.get(target, params={"artifactType": "application/x.wrong"})
    assert wrong.json()["manifests"] == []


def test_referrers_of_a_sha512_subject_are_listed_with_those_of_its_tag(server, repo, tools):
    """E17, E37. That has the first 64 digits: with all 128 it is no tag."""
    config = server.push_blob(repo, b"{}")
    subject = tools.digest_of(tools.manifest(config, []), "sha512")
    tag = subject.replace(":", "-")
    bodies = [
        tools.manifest(
            config,
            [],
            artifactType="application/x.a",
            annotations={"n": f"{number}"},
            **(
                {"subject": {"mediaType": "a/b", "digest": subject, "size": 1}}
                if number < 3
                else {}
            ),
        )
        for number in range(6)
    ]
    digests = [
        tools.digest_of(body, ("sha256", "sha512")[number % 2])
        for number, body in enumerate(bodies)
    ]
    for digest, body in zip(digests, bodies, strict=True):
        answer = server.put(repo, digest, body)
        assert answer.headers.get("oci-subject") == (subject if digest in digests[:3] else None)
    entries = [
        {"mediaType": tools.OCI_MANIFEST, "digest": digest, "size": len(body)}
        for digest, body in zip(digests[2:], bodies[2:], strict=True)
    ]
    push_index(server, repo, tag[: len("sha512-") + 64], entries, tools)
    server.refused(server.put(repo, tag, b"{}"), 400, "NAME_INVALID")
    for params in ({}, {"artifactType": "application/x.a"}):
        for most in (1, 4, 1000):
            seen = walk(server, f"/v2/{repo}/referrers/{subject}", most, params | {"n": most})
            assert sorted(seen) == sorted(digests)


def test_thousands_of_referrers_are_listed_each_once(server, repo, tools):
    """E16; a tag lists half of them, and some more."""
    image = server.push_image(repo, "1")
    subject = described(image.body, tools)
    bodies = [
        tools.manifest(
            image.config,
            [],
            subject=subject,
            artifactType=f"application/x.{number % 7}",
            annotations={"number": f"{number}"},
        )
        for number in range(5000)
    ]
    others = [
        tools.manifest(
            image.config,
            [],
            artifactType=f"application/x.{number % 9}",
            annotations={"o": f"{number}"},
        )
        for number in range(100)
    ]
    where = Reference(RepositoryName.parse(repo))

    def push(body):
        server.engine.put_manifest(where, body, media_type=tools.OCI_MANIFEST, by="tests")

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(push, [*bodies, *others]))
    entries = [described(body, tools) for body in (*bodies[::2], *others)]
    push_index(server, repo, image.digest.replace(":", "-"), entries, tools)

    target = f"/v2/{repo}/referrers/{image.digest}"
    pushed = {tools.digest_of(body) for body in (*bodies, *others)}
    for params, most in (({}, 1000), ({"n": 700}, 700)):
        seen = walk(server, target, most, params)
        assert len(seen) == len(pushed)
        assert set(seen) == pushed
    of_one = walk(server, target, 100, {"artifactType": "application/x.3", "n": 100})
    wanted = {tools.digest_of(body) for body in (*bodies[3::7], *others[3::9])}
    assert len(of_one) == len(wanted)
    assert set(of_one) == wanted


def test_referrers_pushed_at_the_same_time_are_all_there(server, repo, tools):
    """Clients that sign and scan an image do so side by side."""
    image = server.push_image(repo, "1")
    bodies = [
        tools.manifest(
            image.config,
            [],
            subject=described(image.body, tools),
            artifactType="application/x.signature",
            annotations={"number": f"{number}"},
        )
        for number in range(64)
    ]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: server.put(repo, tools.digest_of(body), body), bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.headers["oci-subject"] for answer in answers} == {image.digest}
    seen = walk(server, f"/v2/{repo}/referrers/{image.digest}", 1000, {})
    assert sorted(seen) == sorted(map(tools.digest_of, bodies))
