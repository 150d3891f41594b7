"""`registry`: the registries of a store."""

from __future__ import annotations

import click

from liftlock.engine import Engine
from liftlock.model import Registry, Usage
from liftlock.oci.reference import parse_registry
from liftlock_cli.names import parsed_by
from liftlock_cli.opening import Settings, actor, reading, writing
from liftlock_cli.output import (
    Form,
    count_text,
    instant_text,
    output_option,
    print_document,
    print_facts,
    print_line,
    print_many,
)
from liftlock_cli.paging import every
from liftlock_cli.views import REGISTRIES, registry_document

comment_option = click.option(
    "--comment", default="", help="Why; kept in the history.  [default: none]"
)


@click.group()
def registry() -> None:
    """Create, list, show and delete registries."""


@registry.command()
@click.argument("name", callback=parsed_by(parse_registry))
@comment_option
@output_option
@click.pass_obj
def create(settings: Settings, *, name: str, comment: str, form: Form) -> None:
    """Create the registry NAME, empty."""
    with writing(settings) as engine:
        made = engine.create_registry(name, by=actor(), comment=comment)
        match form:
            case Form.TABLE:
                print_line(f"registry {made.name} created")
            case Form.JSON:
                print_document(registry_document(made))
            case Form.NAME:
                print_line(made.name)


@registry.command("list")
@output_option
@click.pass_obj
def list_(settings: Settings, *, form: Form) -> None:
    """List the registries and what they have."""
    with reading(settings) as engine:
        print_registries(engine, form)


@registry.command()
@click.argument("name", callback=parsed_by(parse_registry))
@output_option
@click.pass_obj
def show(settings: Settings, *, name: str, form: Form) -> None:
    """Show what the registry NAME has."""
    with reading(settings) as engine:
        print_registry(engine.get_registry(name), form)


@registry.command()
@click.argument("name", callback=parsed_by(parse_registry))
@click.option("--force", is_flag=True, help="Also if it has repositories; they go with it.")
@comment_option
@output_option
@click.pass_obj
def delete(settings: Settings, *, name: str, force: bool, comment: str, form: Form) -> None:
    """Delete the registry NAME if it is empty."""
    with writing(settings) as engine:
        engine.delete_registry(name, by=actor(), comment=comment, force=force)
        match form:
            case Form.TABLE:
                print_line(f"registry {name} deleted")
            case Form.JSON:
                print_document({"name": name, "deleted": True})
            case Form.NAME:
                print_line(name)


def print_registries(engine: Engine, form: Form) -> None:
    """Print every registry."""
    registries = every(
        lambda after: engine.list_registries(after=after), "", lambda registry: registry.name
    )
    print_many(form, REGISTRIES, registries)


def print_registry(found: Registry, form: Form) -> None:
    """Print one registry."""
    match form:
        case Form.TABLE:
            print_facts(
                [
                    ("registry", found.name),
                    ("created", f"{instant_text(found.created_at)} by {found.created_by}"),
                    ("has", usage_text(found.usage)),
                ]
            )
        case Form.JSON:
            print_document(registry_document(found))
        case Form.NAME:
            print_line(found.name)


def usage_text(usage: Usage) -> str:
    """Write out what a registry or repository has."""
    return ", ".join(
        (
            count_text(usage.tags, "tag"),
            count_text(usage.manifests, "manifest"),
            count_text(usage.blobs, "blob"),
            count_text(usage.bytes, "byte"),
        )
    )
