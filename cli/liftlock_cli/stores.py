"""`init`, `serve`, `check`: a store as a whole."""

from __future__ import annotations

import click

import liftlock
from liftlock_cli.findings import print_findings
from liftlock_cli.opening import Settings, reading, signals_held_back
from liftlock_cli.output import Form, output_option, print_document, print_line


@click.command()
@output_option
@click.pass_obj
def init(settings: Settings, *, form: Form) -> None:
    """Make an empty store at --root."""
    with signals_held_back():
        liftlock.init(settings.root)
        root = str(settings.root.resolve())
        match form:
            case Form.TABLE:
                print_line(f"store made at {root}")
            case Form.JSON:
                print_document({"root": root})
            case Form.NAME:
                print_line(root)


@click.command()
@click.option(
    "--host",
    envvar="LIFTLOCK_HOST",
    default="127.0.0.1",
    show_default=True,
    show_envvar=True,
    help="The address to listen at.",
)
@click.option(
    "--port",
    envvar="LIFTLOCK_PORT",
    default=5000,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(0, 65535),
    help="The port to listen at; with 0, a free one.",
)
@click.pass_context
def serve(context: click.Context, *, host: str, port: int) -> None:
    """Serve the store as an OCI registry, until SIGINT or SIGTERM.

    The store is made if there is none. One line on stdout says when and where it listens. Clients
    name images as HOST:PORT/registry/repository:tag.
    """
    from liftlock.http.server import serve as run  # noqa: PLC0415 - costly, and for this one only

    context.exit(run(context.obj.root, host, port))


@click.command()
@click.option("--content", is_flag=True, help="Also read every blob and compare it to its digest.")
@output_option
@click.pass_context
def check(context: click.Context, *, content: bool, form: Form) -> None:
    """Compare what the store says with what it has.

    Findings are printed as they are made. An `error` is a broken invariant; a `remark` is nothing
    wrong. Exit code 7 if there was an error.
    """
    with reading(context.obj) as engine:
        code = print_findings(engine.check(content=content), form)
    context.exit(code)
