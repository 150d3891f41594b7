"""Paths are read from the right, and decoded after they were split."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftlock.errors import NameInvalid
from liftlock.http import blobs, catalog, manifests, referrers, tags, uploads
from liftlock.http.dispatch import find_handler
from liftlock.http.errors import RequestRefused


class Asked:
    """What the dispatcher needs of a request."""

    def __init__(self, method):
        self.method = method
        self.name_text = self.argument = ""
        self.path = {}
        self.methods = ()


def find(method, path):
    asked = Asked(method)
    return find_handler(path.encode(), asked), asked.name_text, asked.argument


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "dev/app/manifests/1.0", (manifests.get, "dev/app", "1.0")),
        ("HEAD", "dev/app/manifests/1.0", (manifests.get, "dev/app", "1.0")),
        ("PUT", "a/b/c/d/manifests/sha256:ab", (manifests.put, "a/b/c/d", "sha256:ab")),
        ("DELETE", "dev/app/manifests/1", (manifests.delete, "dev/app", "1")),
        ("GET", "dev/app/blobs/sha256:ab", (blobs.get, "dev/app", "sha256:ab")),
        ("GET", "dev/app/blobs/sha256%3Aab", (blobs.get, "dev/app", "sha256:ab")),
        ("DELETE", "dev/app/blobs/x", (blobs.delete, "dev/app", "x")),
        ("POST", "dev/app/blobs/uploads/", (uploads.start, "dev/app", "")),
        ("POST", "dev/app/blobs/uploads", (uploads.start, "dev/app", "")),
        ("GET", "dev/app/blobs/uploads/x", (uploads.show, "dev/app", "x")),
        ("PATCH", "dev/app/blobs/uploads/x", (uploads.append, "dev/app", "x")),
        ("PUT", "dev/app/blobs/uploads/x", (uploads.finish, "dev/app", "x")),
        ("DELETE", "dev/app/blobs/uploads/x", (uploads.cancel, "dev/app", "x")),
        ("GET", "dev/app/tags/list", (tags.list_tags, "dev/app", "")),
        ("GET", "dev/app/referrers/x", (referrers.list_referrers, "dev/app", "x")),
        ("GET", "dev/blobs/uploads/tags/list", (tags.list_tags, "dev/blobs/uploads", "")),
        ("GET", "dev/tags/list/manifests/x", (manifests.get, "dev/tags/list", "x")),
        ("GET", "dev/manifests/manifests/manifests", (manifests.get, "dev/manifests", "manifests")),
        ("POST", "blobs/uploads/blobs/uploads/", (uploads.start, "blobs/uploads", "")),
        ("GET", "_catalog", (catalog.list_names, "", "")),
        ("GET", "tags/list", (tags.list_tags, "", "")),
    ],
)
def test_a_path_is_read_from_the_right(method, path, found):
    assert find(method, f"/v2/{path}") == found


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "promotions", "listPromotions"),
        ("POST", "promotions", "promote"),
        ("HEAD", "promotions/7", "showPromotion number=7"),
        ("POST", "promotions/7/undo", "undoPromotion number=7"),
        ("POST", "promotions/%37/undo", "undoPromotion number=7"),
        ("GET", "promotions/undo", "showPromotion number=undo"),
        ("GET", "registries/dev", "showRegistry registry=dev"),
        ("GET", "registries/repositories", "showRegistry registry=repositories"),
        ("GET", "registries/repositories/repositories", "listRepositories registry=repositories"),
        ("GET", "registries/a%2Frepositories", "showRegistry registry=a/repositories"),
        ("GET", "repositories/dev/team/app", "showRepository repository=dev/team/app"),
        ("GET", "repositories/dev%2Fteam%2fapp", "showRepository repository=dev/team/app"),
        ("GET", "tags/dev/tags/tags", "listTags repository=dev/tags/tags"),
        ("GET", "tags/dev/app:1.2", "showTag repository=dev/app tag=1.2"),
        ("GET", "tags/dev%2Fapp%3A1.2", "showTag repository=dev/app tag=1.2"),
        ("GET", "tags/dev/app:", "showTag repository=dev/app tag="),
        ("DELETE", "manifests/dev/app@sha256:1", "deleteManifest reference=dev/app@sha256:1"),
        ("GET", "history/dev", "listHistory name=dev"),
        ("GET", "history/dev/undo", "listHistory name=dev/undo"),
        ("GET", "where/sha256:1", "listWhereabouts digest=sha256:1"),
    ],
)
def test_a_path_of_our_own_is_a_noun_and_a_name(method, path, found):
    asked = Asked(method)
    endpoint = find_handler(f"/api/v1/{path}".encode(), asked).args[0]
    parts = [f"{name}={text}" for name, text in asked.path.items()]
    assert " ".join([endpoint.name, *parts]) == found


@pytest.mark.parametrize(
    "path",
    [
        *("", "v1", "v1/", "v2/registries", "v1/registries/", "v1/registries/a/b", "v1/nothing/a"),
        *("v1/registries/a/b/repositories", "v1/registries//repositories", "v1/stats/x"),
        *("v1/promotions/1/undo/", "v1/promotions//undo", "v1//registries", "v1/tags", "v1/tags/"),
        *("v1/tags%2Fdev", "v1/promotions/1%2Fundo/undo/undo", "v1/where/a/b"),
    ],
)
def test_what_is_no_path_of_our_own_is_refused(path):
    with pytest.raises(RequestRefused) as caught:
        find("GET", f"/api/{path}" if path else "/api1/x")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "path", ["/", "", "/v1/a/b/tags/list", "/v2/a/b", "/v2/a/b/tags", "/v2/a/b/tags/list/", "//v2/"]
)
def test_what_is_no_endpoint_is_refused(path):
    with pytest.raises(RequestRefused) as caught:
        find("GET", path)
    assert caught.value.status == 404


def test_a_wrong_method_is_told_the_right_ones():
    with pytest.raises(RequestRefused) as caught:
        find("PUT", "/v2/dev/app/tags/list")
    assert caught.value.status == 405
    assert caught.value.headers == ((b"allow", b"GET, HEAD"),)


@pytest.mark.parametrize("path", ["a%2Fb/c/tags/list", "a/b/manifests/%2f", "a/%ff/tags/list"])
def test_an_encoded_slash_or_bad_utf_8_is_refused(path):
    with pytest.raises(NameInvalid):
        find("GET", f"/v2/{path}")


@given(st.binary())
def test_no_path_raises_anything_unforeseen(raw):
    with suppress(NameInvalid, RequestRefused):
        find_handler(b"/v2/" + raw, Asked("GET"))


@given(st.binary())
def test_no_path_of_our_own_raises_anything_but_a_refusal(raw):
    with suppress(RequestRefused, NameInvalid):
        find_handler(b"/api/v1/promotions" + raw, Asked("GET"))
    with suppress(RequestRefused, NameInvalid):
        find_handler(b"/api/v1/tags/" + raw, Asked("GET"))


@pytest.mark.parametrize("path", [b"/v2/dev/team/app/manifests/1.0", b"/api/v1/tags/dev/app:1"])
def test_a_look_up_is_a_matter_of_microseconds(path):
    """It takes about 3; the bound leaves room for a slow machine, not for a list of patterns."""
    asked = Asked("GET")
    rounds = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(100):
            find_handler(path, asked)
        rounds.append(time.perf_counter() - started)
    assert min(rounds) / 100 < 12e-6
