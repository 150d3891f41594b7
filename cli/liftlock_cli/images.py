"""`ls`, `show`: what registries and repositories have."""

from __future__ import annotations

from collections.abc import Iterator

import click

from liftlock.documents import repository_document, tag_document
from liftlock.engine import Engine
from liftlock.model import Tag
from liftlock.oci.reference import Reference, RepositoryName
from liftlock_cli.inspection import inspect, print_image
from liftlock_cli.names import Place, parse_place, parse_repository_place, parsed_by
from liftlock_cli.opening import Settings, reading
from liftlock_cli.output import (
    Column,
    Form,
    View,
    digest_text,
    instant_text,
    output_option,
    print_document,
    print_facts,
    print_line,
    print_many,
)
from liftlock_cli.paging import every
from liftlock_cli.registries import print_registries, print_registry, usage_text
from liftlock_cli.views import REPOSITORIES


@click.command()
@click.argument(
    "name",
    callback=parsed_by(parse_repository_place),
    required=False,
    metavar="[REGISTRY[/REPOSITORY]]",
)
@output_option
@click.pass_obj
def ls(settings: Settings, *, name: RepositoryName | str | None, form: Form) -> None:
    """List registries, a registry's repositories, or a repository's tags."""
    with reading(settings) as engine:
        match name:
            case None:
                print_registries(engine, form)
            case RepositoryName():
                print_many(form, _tags_view(name), _tags(engine, name))
            case registry:
                repositories = every(
                    lambda after: engine.list_repositories(registry, after=after),
                    "",
                    lambda repository: repository.name.repository,
                )
                print_many(form, REPOSITORIES, repositories)


@click.command()
@click.argument("reference", callback=parsed_by(parse_place), metavar="REFERENCE")
@output_option
@click.pass_obj
def show(settings: Settings, *, reference: Place, form: Form) -> None:
    """Show an image, or what a repository or registry has.

    REFERENCE is registry/repository:tag or registry/repository@digest: what it is, the tree of what
    it names and of what is attached to any of that (signatures, attestations, SBOMs), its blobs,
    and the last changes of the tag. For registry/repository and registry: how much is there.
    """
    with reading(settings) as engine:
        match reference:
            case Reference():
                print_image(inspect(engine, reference), form)
            case RepositoryName():
                _print_repository(engine, reference, form)
            case registry:
                print_registry(engine.get_registry(registry), form)


def _tags(engine: Engine, name: RepositoryName) -> Iterator[Tag]:
    return every(lambda after: engine.list_tags(name, after=after), "", lambda tag: tag.name)


def _tags_view(name: RepositoryName) -> View[Tag]:
    return View(
        (
            Column("TAG", lambda tag: tag.name),
            Column("DIGEST", lambda tag: digest_text(tag.digest)),
        ),
        lambda tag: tag_document(name, tag),
        lambda tag: f"{name}:{tag.name}",
    )


def _print_repository(engine: Engine, name: RepositoryName, form: Form) -> None:
    found = engine.get_repository(name)
    match form:
        case Form.TABLE:
            print_facts(
                [
                    ("repository", str(found.name)),
                    ("created", instant_text(found.created_at)),
                    ("version", str(found.version)),
                    ("has", usage_text(found.usage)),
                ]
            )
        case Form.JSON:
            print_document(repository_document(found))
        case Form.NAME:
            print_line(str(found.name))
