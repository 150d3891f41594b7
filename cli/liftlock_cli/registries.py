"""`registry`: the registries of a store."""

from __future__ import annotations

import click

from liftlock.documents import registry_document
from liftlock.engine import Engine
from liftlock.errors import NameTaken, RegistryUnknown
from liftlock.model import Registry, RegistrySettings, SettingsChange, Usage
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
from liftlock_cli.views import REGISTRIES, allowed_text

sparse_setting = click.option(
    "--allow-sparse/--no-allow-sparse",
    default=None,
    help="Whether indexes and images may name what their repository lacks.  [default: as it is; "
    "of a new registry, no]",
)
delete_setting = click.option(
    "--allow-delete/--no-allow-delete",
    default=None,
    help="Whether tags, manifests, blobs and repositories can be deleted.  [default: as it is; "
    "of a new registry, yes]",
)
comment_option = click.option(
    "--comment", default="", help="Why; kept in the history.  [default: none]"
)


@click.group()
def registry() -> None:
    """Create, list, show, update and delete registries."""


@registry.command()
@click.argument("name", callback=parsed_by(parse_registry))
@click.option("--if-absent", is_flag=True, help="Leave one that is there already as it is.")
@sparse_setting
@delete_setting
@comment_option
@output_option
@click.pass_obj
def create(
    settings: Settings,
    *,
    name: str,
    if_absent: bool,
    allow_sparse: bool | None,
    allow_delete: bool | None,
    comment: str,
    form: Form,
) -> None:
    """Create the registry NAME, empty."""
    change = SettingsChange(allow_sparse=allow_sparse, allow_delete=allow_delete)
    with writing(settings) as engine:
        wanted = change.applied_to(RegistrySettings())
        what = "created"
        try:
            made = engine.create_registry(name, wanted, by=actor(), comment=comment)
        except NameTaken:
            if not if_absent:
                raise
            made, what = engine.get_registry(name), "is there already"
        match form:
            case Form.TABLE:
                print_line(f"registry {made.name} {what}")
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
@sparse_setting
@delete_setting
@comment_option
@output_option
@click.pass_obj
def update(
    settings: Settings,
    *,
    name: str,
    allow_sparse: bool | None,
    allow_delete: bool | None,
    comment: str,
    form: Form,
) -> None:
    """Change settings of the registry NAME; those that are not given stay as they are.

    What was accepted before stays, too. The change is in the registry's history.
    """
    change = SettingsChange(allow_sparse=allow_sparse, allow_delete=allow_delete)
    if change.is_nothing:
        raise click.UsageError("Say what to change: --[no-]allow-sparse, --[no-]allow-delete.")
    with writing(settings) as engine:
        print_registry(engine.update_registry(name, change, by=actor(), comment=comment), form)


@registry.command()
@click.argument("name", callback=parsed_by(parse_registry))
@click.option("--force", is_flag=True, help="Also if it has repositories; they go with it.")
@click.option("--if-exists", is_flag=True, help="Pass it over if it is not there.")
@comment_option
@output_option
@click.pass_obj
def delete(
    settings: Settings, *, name: str, force: bool, if_exists: bool, comment: str, form: Form
) -> None:
    """Delete the registry NAME if it is empty."""
    with writing(settings) as engine:
        is_deleted = True
        try:
            engine.delete_registry(name, by=actor(), comment=comment, force=force)
        except RegistryUnknown:
            if not if_exists:
                raise
            is_deleted = False
        match form:
            case Form.TABLE:
                print_line(f"registry {name} {'deleted' if is_deleted else 'is not there'}")
            case Form.JSON:
                print_document({"name": name, "deleted": is_deleted})
            case Form.NAME if is_deleted:
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
                    ("has", f"{_repositories_text(found)}, {usage_text(found.usage)}"),
                    ("sparse content", allowed_text(found.settings.allow_sparse)),
                    ("deleting", allowed_text(found.settings.allow_delete)),
                ]
            )
        case Form.JSON:
            print_document(registry_document(found))
        case Form.NAME:
            print_line(found.name)


def _repositories_text(registry: Registry) -> str:
    return count_text(registry.repositories, "repository", "repositories")


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
