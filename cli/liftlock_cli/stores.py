"""`init`, `serve`, `check`: a store as a whole."""

from __future__ import annotations

from typing import Final

import click

import liftlock
from liftlock_cli.configured import flags_from, key_option
from liftlock_cli.findings import Steps, print_findings
from liftlock_cli.opening import Settings, reading, signals_held_back
from liftlock_cli.output import Form, output_option, print_document, print_line

_SERVER_FLAGS: Final = {
    "--host": "server.host",
    "--port": "server.port",
    "--workers": "server.workers",
    "--path-prefix": "server.path_prefix",
}


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
@key_option("--host", "server.host", "TEXT")
@key_option("--port", "server.port", "NUMBER")
@key_option("--workers", "server.workers", "NUMBER")
@key_option("--path-prefix", "server.path_prefix", "PATH")
@click.pass_context
def serve(context: click.Context, /, **values: str | None) -> None:
    """Serve the store as an OCI registry, until SIGINT or SIGTERM.

    The store is made if there is none. One line on stdout says when and where it listens. Clients
    name images as HOST:PORT/registry/repository:tag.
    """
    # Costly, and for this one only.
    from liftlock.http.server import serve as run  # noqa: PLC0415

    settings: Settings = context.obj
    configured = settings.with_flags(flags_from(_SERVER_FLAGS, values)).configuration
    code = run(
        configured.store.root,
        configured.server.host,
        configured.server.port,
        workers=configured.server.workers,
        engine_limits=configured.limits,
        limits=configured.http_limits,
        settings=configured.server.settings(),
    )
    context.exit(code)


@click.command()
@click.option("--content", is_flag=True, help="Also read every blob and compare it to its digest.")
@output_option
@click.pass_context
def check(context: click.Context, *, content: bool, form: Form) -> None:
    """Compare what the store says with what it has.

    Findings are printed as they are made. An `error` is a broken invariant; a `remark` is nothing
    wrong. Exit code 7 if there was an error.
    """
    quiet = context.obj.quiet
    with reading(context.obj) as engine, Steps(quiet=quiet) as steps:
        findings = engine.check(content=content, tell=steps)
        code = print_findings(findings, form, steps, quiet=quiet)
    context.exit(code)
