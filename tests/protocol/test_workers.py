"""Several workers are as one: what one has done, the next request finds in each of the others."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from random import Random
from threading import Barrier

import pytest

CONTENT = Random(1).randbytes(3_000_000)
STEP = 300_000


@pytest.fixture
def lines(server, tools):
    """A connection to each worker; to the only one, three."""
    found = tools.lines(server.port, server.workers)
    while len(found) < 3:
        found += tools.lines(server.port, 1)
    yield found
    for line in found:
        line.close()


def start(line, repo):
    answer = line.ask("POST", f"/v2/{repo}/blobs/uploads/")
    assert answer.status == 202
    return answer.headers["location"]


def patch(line, location, at, data):
    headers = {"Content-Range": f"{at}-{at + len(data) - 1}"}
    return line.ask("PATCH", location, data, headers)


def test_requests_are_spread_over_all_workers(server):
    """Or the tests of this folder would prove nothing about several."""
    answers = [server.http.get("/v2/") for _ in range(60)]
    ids = {answer.headers["x-request-id"].partition("-")[0] for answer in answers}
    assert len(ids) == server.workers


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_an_upload_goes_through_all_workers(lines, repo, tools, algorithm):
    """Each comes back to a session that others went on with: what it hashed is no use any more."""
    first, second, third = lines
    digest = tools.digest_of(CONTENT, algorithm)
    location = start(first, repo)
    workers = cycle(lines)
    for at in range(0, len(CONTENT), STEP):
        answer = patch(next(workers), location, at, CONTENT[at : at + STEP])
        assert answer.status == 202
        for line in lines:
            stands = line.ask("GET", location)
            assert (stands.status, stands.headers["range"]) == (204, answer.headers["range"])
    assert answer.headers["range"] == f"0-{len(CONTENT) - 1}"
    assert third.ask("PUT", f"{location}?digest={digest}").status == 201
    for line in lines:
        assert line.ask("GET", f"/v2/{repo}/blobs/{digest}").body == CONTENT
        assert line.ask("GET", location).status == 404
    assert second.ask("PUT", f"{location}?digest={digest}").status == 404


def test_a_chunk_out_of_order_is_refused_by_whichever_worker(server, lines, repo, tools):
    """E26: each knows where the others left the session."""
    first, second, third = lines
    location = start(first, repo)
    assert patch(second, location, 0, CONTENT[:STEP]).status == 202
    for line in lines:
        refused = patch(line, location, 0, CONTENT[:STEP])
        server.refused(refused, 416, "BLOB_UPLOAD_INVALID")
        assert refused.headers["range"] == f"0-{STEP - 1}"
    digest = tools.digest_of(CONTENT)
    rest = {"Content-Range": f"{STEP}-{len(CONTENT) - 1}"}
    assert third.ask("PUT", f"{location}?digest={digest}", CONTENT[STEP:], rest).status == 201


def test_a_session_that_one_worker_holds_is_busy_for_all(server, lines, repo, tools):
    """E32, for certain: the first request has the session while the others ask."""
    location = start(lines[0], repo)
    half = len(CONTENT) // 2
    holder = lines[0].connection
    holder.putrequest("PATCH", location)
    holder.putheader("Content-Length", str(len(CONTENT)))
    holder.endheaders(CONTENT[:half])
    other = lines[1]
    assert tools.becomes(lambda: other.ask("GET", location).headers["range"] != "0-0", wanted=True)
    for line in lines[1:]:
        server.refused(line.ask("PATCH", location, b"x"), 409, "BLOB_UPLOAD_INVALID")
        server.refused(line.ask("DELETE", location), 409, "BLOB_UPLOAD_INVALID")
        put = line.ask("PUT", f"{location}?digest={tools.digest_of(b'x')}", b"x")
        server.refused(put, 409, "BLOB_UPLOAD_INVALID")
    holder.send(CONTENT[half:])
    answer = holder.getresponse()
    assert (answer.status, answer.headers["range"]) == (202, f"0-{len(CONTENT) - 1}")
    answer.read()
    done = lines[2].ask("PUT", f"{location}?digest={tools.digest_of(CONTENT)}")
    assert done.status == 201


def test_a_session_is_cancelled_by_whichever_worker(server, lines, repo):
    """E30."""
    location = start(lines[0], repo)
    assert patch(lines[1], location, 0, b"abc").status == 202
    assert lines[2].ask("DELETE", location).status == 204
    for line in lines:
        for method in ("GET", "PATCH", "DELETE"):
            server.refused(line.ask(method, location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_chunks_that_come_to_several_workers_at_once_never_mix(lines, repo, tools):
    """E32: one is taken; the others find the session busy, or longer than they thought."""
    for _ in range(5):
        location, together = start(lines[0], repo), Barrier(len(lines))

        def send(line, at=location, together=together):
            together.wait(tools.WAIT_SECONDS)
            return patch(line, at, 0, CONTENT).status

        with ThreadPoolExecutor(len(lines)) as pool:
            statuses = sorted(pool.map(send, lines))
        assert statuses[0] == 202
        assert set(statuses[1:]) <= {409, 416}
        content = tools.digest_of(CONTENT)
        assert lines[1].ask("PUT", f"{location}?digest={content}").status == 201


def test_one_blob_that_several_workers_finish_together_has_one_file(server, lines, repo, tools):
    """E33."""
    for number in range(5):
        content = CONTENT + bytes([number, server.workers])
        digest, together = tools.digest_of(content), Barrier(len(lines))
        locations = [start(line, f"{repo}/{place}") for place, line in enumerate(lines)]
        for line, location in zip(lines[1:] + lines[:1], locations, strict=True):
            assert patch(line, location, 0, content).status == 202

        def finish(line, location, digest=digest, together=together):
            together.wait(tools.WAIT_SECONDS)
            return line.ask("PUT", f"{location}?digest={digest}").status

        with ThreadPoolExecutor(len(lines)) as pool:
            assert set(pool.map(finish, lines, locations)) == {201}
        assert len(server.blob_files(digest)) == 1
        for place, line in enumerate(lines):
            assert line.ask("GET", f"/v2/{repo}/{place}/blobs/{digest}").body == content


def test_a_tag_that_moves_and_goes_is_seen_by_every_worker_at_once(server, lines, repo):
    """E2 too: each has the same headers for HEAD, and no body. Nothing read is kept."""
    images = [server.push_image(f"{repo}/other", layer=bytes([n])) for n in range(6)]
    for image in images:
        for blob in (image.config, *image.layers):
            server.http.post(f"/v2/{repo}/blobs/uploads/?mount={blob}&from={repo}/other")
    target, media_type = (
        f"/v2/{repo}/manifests/moving",
        "application/vnd.oci.image.manifest.v1+json",
    )
    for image, writer in zip(images, cycle(lines), strict=False):
        assert writer.ask("PUT", target, image.body, {"Content-Type": media_type}).status == 201
        for line in lines:
            found, head = line.ask("GET", target), line.ask("HEAD", target)
            assert (found.status, found.body) == (200, image.body)
            assert found.headers["docker-content-digest"] == image.digest
            assert (head.status, head.body) == (200, b"")
            assert {**head.headers, "x-request-id": "", "date": ""} == {
                **found.headers,
                "x-request-id": "",
                "date": "",
            }
            assert line.ask("GET", f"/v2/{repo}/tags/list").json()["tags"] == ["moving"]
    assert lines[1].ask("DELETE", target).status == 202
    for line in lines:
        server.refused(line.ask("GET", target), 404, "MANIFEST_UNKNOWN")
        assert line.ask("GET", f"/v2/{repo}/tags/list").json()["tags"] == []
        assert line.ask("GET", f"/v2/{repo}/manifests/{image.digest}").status == 200
    assert lines[2].ask("DELETE", f"/v2/{repo}/manifests/{image.digest}").status == 202
    for line in lines:
        gone = line.ask("GET", f"/v2/{repo}/manifests/{image.digest}")
        server.refused(gone, 404, "MANIFEST_UNKNOWN")


def test_of_pushes_to_several_workers_that_expect_the_same_one_sets_all_its_tags(
    lines, repo, tools
):
    """And the others none of theirs."""
    config = lines[0].ask(
        "POST", f"/v2/{repo}/blobs/uploads/?digest={tools.digest_of(b'{}')}", b"{}"
    )
    assert config.status == 201
    bodies = [
        tools.manifest(tools.digest_of(b"{}"), [], annotations={"n": f"{place}"})
        for place in range(len(lines))
    ]
    for number in range(5):
        together = Barrier(len(lines))

        def push(place, number=number, together=together):
            together.wait(tools.WAIT_SECONDS)
            target = (
                f"/v2/{repo}/manifests/n{number}?tag=n{number}-{place}&tag=n{number}-also-{place}"
            )
            headers = {"Content-Type": tools.OCI_MANIFEST, "If-None-Match": "*"}
            return lines[place].ask("PUT", target, bodies[place], headers).status

        with ThreadPoolExecutor(len(lines)) as pool:
            statuses = list(pool.map(push, range(len(lines))))
        assert sorted(statuses) == [201] + [412] * (len(lines) - 1)
        won = statuses.index(201)
        tags = lines[won - 1].ask("GET", f"/v2/{repo}/tags/list").json()["tags"]
        wanted = [f"n{number}", f"n{number}-{won}", f"n{number}-also-{won}"]
        assert [tag for tag in tags if tag.startswith(f"n{number}")] == sorted(wanted)


def test_a_session_that_one_worker_remembers_and_another_cancels_is_gone_for_both(
    server, lines, repo, tools
):
    """Small ones are ended by what a worker remembers of them."""
    for first, second in ((lines[0], lines[1]), (lines[1], lines[2])):
        location = start(first, repo)
        assert first.ask("PATCH", location, b"abc").status == 202
        assert second.ask("DELETE", location).status == 204
        put = f"{location}?digest={tools.digest_of(b'abc')}"
        for method, target in (("PUT", put), ("PATCH", location), ("GET", location)):
            server.refused(first.ask(method, target), 404, "BLOB_UPLOAD_UNKNOWN")
        refused = second.ask("GET", f"/v2/{repo}/blobs/{tools.digest_of(b'abc')}")
        assert refused.status == 404


def test_a_blob_that_goes_and_comes_is_seen_by_every_worker_at_once(server, lines, repo, tools):
    content = repo.encode() + bytes([server.workers])
    digest = tools.digest_of(content)
    for deleter, writer in zip(lines, lines[1:] + lines[:1], strict=True):
        pushed = writer.ask("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", content)
        assert pushed.status == 201
        for line in lines:
            assert line.ask("GET", f"/v2/{repo}/blobs/{digest}").body == content
        assert deleter.ask("DELETE", f"/v2/{repo}/blobs/{digest}").status == 202
        for line in lines:
            assert line.ask("HEAD", f"/v2/{repo}/blobs/{digest}").status == 404


def promote(line, item, **headers):
    body = json.dumps({"items": [item]}).encode()
    named = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    return line.ask("POST", "/api/v1/promotions", body, named)


def test_a_promotion_is_seen_repeated_and_undone_by_whichever_worker(server, lines, repo):
    image = server.push_image(repo, "1")
    item, target = {"source": f"{repo}:1", "target": "prod"}, repo.replace("dev", "prod", 1)
    key = {"Idempotency_Key": f"{repo}-of-{server.workers}"}
    done = promote(lines[0], item, **key)
    assert done.status == 201
    for line in lines:
        assert line.ask("GET", f"/v2/{target}/manifests/1").body == image.body
        again = promote(line, item, **key)
        assert (again.status, again.json()) == (201, done.json())
        unkeyed = promote(line, item)
        assert (unkeyed.status, unkeyed.json()["changed"]) == (200, False)
    undone = lines[2].ask("POST", f"{done.headers['location']}/undo")
    assert undone.status == 201
    for line in lines:
        assert line.ask("GET", f"/v2/{target}/manifests/1").status == 404


def test_a_name_that_goes_to_another_repository_does_so_for_every_worker(server, lines, repo):
    """By its name a worker finds an id: it must not remember which."""
    image, renamed = server.push_image(repo, "1"), f"{repo}-renamed"
    for line in lines:
        assert line.ask("GET", f"/v2/{repo}/manifests/1").status == 200
    moved = {"source": repo, "target": renamed}
    body = json.dumps({"items": [moved], "mode": "move"}).encode()
    answer = lines[1].ask("POST", "/api/v1/promotions", body, {"Content-Type": "application/json"})
    assert answer.status == 201
    for line in lines:
        server.refused(line.ask("GET", f"/v2/{repo}/manifests/1"), 404, "NAME_UNKNOWN")
        assert line.ask("GET", f"/v2/{renamed}/manifests/1").body == image.body
    other = server.push_image(repo, "1", layer=b"another image under the old name")
    for line in lines:
        assert line.ask("GET", f"/v2/{repo}/manifests/1").body == other.body
        assert line.ask("GET", f"/v2/{renamed}/manifests/1").body == image.body
