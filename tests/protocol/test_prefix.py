"""Behind a proxy that offers the server below a path of its own (E40)."""

import json

import pytest

PREFIX = "/a/registry"
FOREIGN = [
    f"{PREFIX}x/v2/",
    f"{PREFIX}",
    f"/x{PREFIX}/v2/",
    f"{PREFIX}{PREFIX}/v2/",
    "/registry/v2/",
]


class Paths:
    """Sends requests below some path, and keeps every path that an answer names."""

    def __init__(self, server, below):
        self.server = server
        self.below = below
        self.named = {}

    def send(self, name, status, method, target, **more):
        answer = self.server.http.request(method, self.below + target, **more)
        assert answer.status_code == status, answer.text
        path = answer.headers.get("location") or answer.links.get("next", {}).get("url")
        assert path is not None, name
        assert name not in self.named
        self.named[name] = path
        return path.removeprefix(PREFIX)


def upload(paths, repo, tools):
    content = b"some content"
    digest = tools.digest_of(content)
    start = f"/v2/{repo}/blobs/uploads/"
    session = paths.send("start", 202, "POST", start)
    paths.send("show", 204, "GET", session)
    paths.send("append", 202, "PATCH", session, content=content)
    behind = {"Content-Range": f"{len(content) + 5}-{len(content) + 6}"}
    paths.send("out of order", 416, "PATCH", session, content=b"xx", headers=behind)
    paths.send("finish", 201, "PUT", session, params={"digest": digest})
    paths.send("whole", 201, "POST", start, params={"digest": digest}, content=content)
    paths.send("mounted", 201, "POST", start, params={"mount": digest})
    absent = tools.digest_of(b"absent")
    other = paths.send("not mounted", 202, "POST", start, params={"mount": absent})
    assert paths.server.http.delete(other).status_code == 204


def push(paths, repo, tools):
    image = paths.server.push_image(repo)
    headers = {"Content-Type": tools.OCI_MANIFEST}
    target = f"/v2/{repo}/manifests"
    paths.send("pushed", 201, "PUT", f"{target}/1", content=image.body, headers=headers)
    for number in "12":
        subject = {"mediaType": tools.OCI_MANIFEST, "digest": image.digest, "size": 1}
        paths.server.push_image(repo, number, subject=subject, annotations={"n": number})
    return image.digest


def page(paths, repo, subject):
    paths.send("tags", 200, "GET", f"/v2/{repo}/tags/list", params={"n": 1})
    paths.send("catalog", 200, "GET", "/v2/_catalog", params={"n": 1})
    paths.send("referrers", 200, "GET", f"/v2/{repo}/referrers/{subject}", params={"n": 1})


def promote(paths, repo):
    body = {"items": [{"source": f"{repo}:1", "target": "prod"}]}
    made = paths.send("promoted", 201, "POST", "/api/v1/promotions", content=json.dumps(body))
    paths.send("undone", 201, "POST", f"{made}/undo")
    paths.send("promotions", 200, "GET", "/api/v1/promotions", params={"limit": 1})
    paths.send("our tags", 200, "GET", f"/api/v1/tags/{repo}", params={"limit": 1})
    name = repo.replace("/", "-")
    paths.send("a registry", 201, "POST", "/api/v1/registries", json={"name": name})


@pytest.mark.parametrize("below", ["", PREFIX], ids=["stripped", "passed on"])
def test_every_path_that_an_answer_names_has_the_prefix(prefixed, repo, tools, below):
    """Whether the proxy takes it off or passes it on."""
    prefixed.push_image("dev/another")
    paths = Paths(prefixed, below)
    upload(paths, repo, tools)
    page(paths, repo, push(paths, repo, tools))
    promote(paths, repo)
    assert len(paths.named) == 17
    assert {path for path in paths.named.values() if not path.startswith(f"{PREFIX}/")} == set()
    ended = {"start", "show", "append", "out of order", "not mounted"}
    for name, path in paths.named.items():
        answer = prefixed.http.get(path)
        assert answer.status_code == (404 if name in ended else 200), name
        if name in ended:
            prefixed.refused(answer, 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("path", FOREIGN)
def test_other_paths_are_none_of_ours(prefixed, path):
    prefixed.refused(prefixed.get(path), 404, "NAME_UNKNOWN")


def test_errors_below_the_prefix_have_the_form_of_their_api(prefixed):
    prefixed.problem(prefixed.get(f"{PREFIX}/api/nothing"), 404)
    prefixed.refused(prefixed.get(f"{PREFIX}/v2/Dev/a/tags/list"), 400, "NAME_INVALID")


def test_without_a_prefix_none_is_understood(server, repo):
    server.push_image(repo, "1")
    server.refused(server.get(f"{PREFIX}/v2/{repo}/manifests/1"), 404, "NAME_UNKNOWN")
