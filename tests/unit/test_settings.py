"""A path prefix: how it is written, and that no path leaves without it (E40)."""

import re
from pathlib import Path

import pytest

from liftlock import http
from liftlock.http.settings import HttpSettings

SOURCES = sorted(Path(http.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("prefix", ["", "/registry", "/a/b.c/d_e/~f-1", "/v2x", "/x/v2", "/v1"])
def test_a_path_prefix_is_taken(prefix):
    settings = HttpSettings(path_prefix=prefix)
    assert settings.public("/v2/") == f"{prefix}/v2/"
    assert settings.local(f"{prefix}/v2/".encode()) == b"/v2/"
    assert settings.local(b"/v2/x") == b"/v2/x"


@pytest.mark.parametrize(
    "prefix",
    [
        "registry",
        "/",
        "/registry/",
        "//registry",
        "/a//b",
        "/a b",
        "/a%20b",
        "/a?b",
        "/a#b",
        "/é",
        "/.",
        "/../x",
        "/x/..",
        "/x/./y",
        "http://host/registry",
        "/x\n",
        "/" + "x" * 255,
    ],
)
def test_what_is_no_path_is_refused(prefix):
    with pytest.raises(ValueError, match="path prefix"):
        HttpSettings(path_prefix=prefix)


@pytest.mark.parametrize("prefix", ["/v2", "/v2/x", "/api", "/api/v1"])
def test_a_prefix_of_our_own_paths_is_refused(prefix):
    """Else nobody could tell which of them is meant."""
    with pytest.raises(ValueError, match="this server's own"):
        HttpSettings(path_prefix=prefix)


@pytest.mark.parametrize("path", [b"/registry", b"/registryv2/", b"/x/registry/v2/", b"/", b""])
def test_only_the_prefix_is_taken_off(path):
    assert HttpSettings(path_prefix="/registry").local(path) == path


def test_it_is_taken_off_once():
    settings = HttpSettings(path_prefix="/registry")
    assert settings.local(b"/registry/registry/v2/") == b"/registry/v2/"


def test_whatever_names_a_path_in_a_header_asks_for_the_prefix():
    """`Request.public` adds it; a header that is made without it would lead nowhere."""
    made = [
        line.strip()
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(r'\(b"(?:location|link)"', line)
    ]
    assert len(made) >= 4
    assert [line for line in made if "request.public(" not in line] == []
