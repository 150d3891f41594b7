"""Names on the command line."""

from __future__ import annotations

import click
import pytest

from liftlock.model import ABSENT
from liftlock.oci.digest import Digest
from liftlock.oci.reference import Reference, RepositoryName
from liftlock_cli import names

DIGEST = str(Digest.of(b""))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("dev", "dev"),
        ("dev/app", RepositoryName("dev", "app")),
        ("dev/team/app", RepositoryName("dev", "team/app")),
        ("dev/app:1", Reference(RepositoryName("dev", "app"), "1")),
        (f"dev/app@{DIGEST}", Reference(RepositoryName("dev", "app"), None, Digest.of(b""))),
    ],
)
def test_a_place_is_a_registry_a_repository_or_an_image(text, place):
    assert names.parse_place(text) == place


def test_expectations_are_absent_or_a_digest():
    assert names.parse_expected("absent") is ABSENT
    assert names.parse_expected(DIGEST) == Digest.of(b"")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (names.parse_place, "Dev"),
        (names.parse_place, ""),
        (names.parse_place, "dev:1"),
        (names.parse_place, "dev/app:"),
        (names.parse_place, "dev/app@sha256:12"),
        (names.parse_place, f"dev@{DIGEST}"),
        (names.parse_repository_place, "dev/app:1"),
        (names.parse_repository_place, "dev/"),
        (names.parse_expected, "missing"),
        (names.parse_expected, "sha256:" + "A" * 64),
    ],
)
def test_a_malformed_name_is_wrong_usage(parse, text):
    parameter = click.Argument(["name"])
    context = click.Context(click.Command("x"))
    with pytest.raises(click.BadParameter):
        names.parsed_by(parse)(context, parameter, text)


def test_nothing_given_is_nothing():
    context = click.Context(click.Command("x"))
    assert names.parsed_by(names.parse_place)(context, click.Argument(["name"]), None) is None
