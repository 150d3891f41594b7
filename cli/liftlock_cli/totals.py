"""`stats`: how much the store has."""

from __future__ import annotations

import click

from liftlock.documents import stats_document
from liftlock.model import Stats
from liftlock_cli.opening import Settings, reading
from liftlock_cli.output import Form, print_document, print_facts, size_text


@click.command()
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice([Form.TABLE.value, Form.JSON.value]),
    default=Form.TABLE.value,
    callback=lambda _context, _parameter, value: Form(value),
    help="Print a table or JSON.  [default: table]",
)
@click.pass_obj
def stats(settings: Settings, *, form: Form) -> None:
    """Tell how much the store has, from counters.

    Manifests, blobs and stored bytes count once, however many repositories have them; tags and
    logical bytes count in each repository. What was deleted is stored until it is collected.
    """
    with reading(settings) as engine:
        found = engine.stats()
    if form is Form.JSON:
        print_document(stats_document(found))
    else:
        print_facts(_facts(found))


def _facts(found: Stats) -> list[tuple[str, str]]:
    ratio = found.dedup_ratio
    return [
        ("registries", str(found.registries)),
        ("repositories", str(found.repositories)),
        ("tags", str(found.tags)),
        ("manifests", str(found.manifests)),
        ("blobs", str(found.blobs)),
        ("bytes logical", size_text(found.bytes_logical)),
        ("bytes stored", size_text(found.bytes_stored)),
        ("dedup ratio", "-" if ratio is None else f"{ratio:.2f}"),
    ]
