"""`init`, `serve`, `check`: a store as a whole."""

from __future__ import annotations

from typing import Final

import click

import liftlock
from liftlock_cli.findings import print_findings
from liftlock_cli.opening import Settings, reading, signals_held_back
from liftlock_cli.output import Form, output_option, print_document, print_line

WORKERS_MAX: Final = 16
"""Each may have some fifty read transactions at a time, of the `Limits.readers_max` in all."""


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
@click.option(
    "--workers",
    envvar="LIFTLOCK_WORKERS",
    default=1,
    show_default=True,
    show_envvar=True,
    type=click.IntRange(1, WORKERS_MAX),
    help="How many processes answer requests.",
)
@click.option(
    "--path-prefix",
    envvar="LIFTLOCK_PATH_PREFIX",
    default="",
    show_envvar=True,
    metavar="PATH",
    help="Below which path a proxy in front offers the server, as in /registry.",
)
@click.option(
    "--limit",
    "changed",
    envvar="LIFTLOCK_LIMITS",
    multiple=True,
    show_envvar=True,
    metavar="NAME=NUMBER",
    help="Set one of the front end's limits, as in client_requests_max=0. May be repeated.",
)
@click.pass_context
def serve(
    context: click.Context,
    *,
    host: str,
    port: int,
    workers: int,
    path_prefix: str,
    changed: tuple[str, ...],
) -> None:
    """Serve the store as an OCI registry, until SIGINT or SIGTERM.

    The store is made if there is none. One line on stdout says when and where it listens. Clients
    name images as HOST:PORT/registry/repository:tag.
    """
    # Costly, and for this one only.
    from liftlock.http.limits import limits_from  # noqa: PLC0415
    from liftlock.http.server import serve as run  # noqa: PLC0415
    from liftlock.http.settings import HttpSettings  # noqa: PLC0415

    try:
        settings = HttpSettings(path_prefix=path_prefix)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--path-prefix") from error
    try:
        limits = limits_from(changed)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--limit") from error
    root = context.obj.root
    context.exit(run(root, host, port, workers=workers, limits=limits, settings=settings))


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
