"""The `liftlock` command: its groups, and the boundary where errors end."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

import click

from liftlock.configuring import ConfigurationInvalid, Flags
from liftlock.errors import LiftlockError
from liftlock_cli import (
    completion,
    configuration,
    deleting,
    errors,
    histories,
    images,
    promotions,
    recorded,
    registries,
    renaming,
    stores,
    totals,
    transfers,
    whereabouts,
)
from liftlock_cli.completing import complete_names
from liftlock_cli.configured import key_option, parse_settings
from liftlock_cli.opening import Settings
from liftlock_cli.output import visible

_STDOUT: Final = 1
_STDERR: Final = 2


class Boundary(click.Group):
    """A group at which every error becomes a sentence on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; see `liftlock_cli.errors` for the exit codes."""
        try:
            return super().invoke(ctx)
        except LiftlockError as error:
            code = errors.tell(error)
        except ConfigurationInvalid as error:
            code = errors.tell_faults(error.faults)
        except KeyboardInterrupt:
            code = errors.INTERRUPTED
        except BrokenPipeError:
            _forget_stdout()
            code = errors.PIPE_CLOSED
        except click.NoSuchOption as error:
            _require_order(self, error)
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            code = errors.tell_machine(error) or errors.tell_unforeseen(error)
        except Exception as error:  # noqa: BLE001 - this is the edge
            code = errors.tell_unforeseen(error)
        return ctx.exit(code)


@click.group(cls=Boundary, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration's file.  [LIFTLOCK_CONFIG; default: ./liftlock.toml, or else "
    "/etc/liftlock/liftlock.toml]",
)
@key_option("--root", "store.root", "PATH")
@click.option(
    "--setting",
    "flags",
    multiple=True,
    callback=parse_settings,
    metavar="SECTION.KEY=VALUE",
    help="Set any key of the configuration for this call. May be repeated.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Whether to print in colours.  [default: on terminals, unless NO_COLOR or FORCE_COLOR say "
    "otherwise]",
)
@click.option(
    "-q", "--quiet", is_flag=True, help="Print only results and errors: no progress, no notes."
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, wanted: _print_version(context) if wanted else None,
    help="Print the version and exit.",
)
@click.pass_context
def liftlock(
    context: click.Context,
    *,
    file: Path | None,
    root: str | None,
    flags: Flags,
    color: str,
    quiet: bool,
) -> None:
    """Promote container images between registries without moving a byte.

    Results go to stdout, everything else to stderr.

    \b
    Exit codes:
      0  done
      1  nobody foresaw it: the message says where the traceback is
      2  wrong usage, or a request that cannot be right
      3  something named is not there
      4  the store is not as the request expects
      6  the store cannot do it now
      7  what is stored is damaged
    """  # noqa: D301 - click's mark for "do not rewrap" is the character, not its name
    context.color = _colours(color, os.environ)
    rooted = {} if root is None else {"store.root": (root, "--root")}
    context.obj = Settings(file=file, flags={**flags, **rooted}, quiet=quiet)


liftlock.add_command(stores.init)
liftlock.add_command(stores.serve)
liftlock.add_command(registries.registry)
liftlock.add_command(images.ls)
liftlock.add_command(images.show)
liftlock.add_command(whereabouts.where)
liftlock.add_command(totals.stats)
liftlock.add_command(promotions.promote)
liftlock.add_command(promotions.undo)
liftlock.add_command(renaming.retag)
liftlock.add_command(renaming.rename)
liftlock.add_command(deleting.delete)
liftlock.add_command(recorded.promotion)
liftlock.add_command(transfers.import_images)
liftlock.add_command(transfers.export_images)
liftlock.add_command(histories.history)
liftlock.add_command(stores.check)
liftlock.add_command(configuration.config)
liftlock.add_command(completion.completion)
complete_names(liftlock)


class _Visible(logging.Formatter):
    """Log lines may quote what others stored."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(visible(line) for line in super().format(record).splitlines())


def main() -> None:
    """Run the command line."""
    _replace_closed_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal's encoding lacks is written out, rather than failing after a commit.
            stream.reconfigure(errors="backslashreplace")
    liftlock(prog_name="liftlock")


def _require_order(group: click.Group, error: click.NoSuchOption) -> None:
    """Say of an option that stands behind the command, that it goes before it."""
    option = error.option_name
    if any(option in one.opts for one in group.params):
        sentence = f"{option} goes before the command: liftlock {option} …"
        raise click.UsageError(sentence, error.ctx) from error


def _colours(said: str, environment: Mapping[str, str]) -> bool | None:
    """Return whether colours are wanted; None: where a terminal is.

    As no-color.org and force-color.org have it: what is said in the call goes before the
    environment, and a variable counts if it is not empty, whatever it holds.
    """
    if said != "auto":
        return said == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return False if environment.get("TERM") == "dumb" else None


def _print_version(context: click.Context) -> None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - costly

    try:
        click.echo(f"liftlock {version('liftlock')}")
    except PackageNotFoundError:
        click.echo("liftlock, run from its sources and not installed")
    context.exit()


def _replace_closed_streams() -> None:
    """Let standard streams that the caller has closed lead nowhere.

    Else what is opened next would get their numbers: a file of the store, say.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(number, True)  # noqa: FBT003 - os has no name for it
    os.close(number)
    streams: tuple[TextIO | None, TextIO | None] = (sys.stdout, sys.stderr)
    if streams[0] is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if streams[1] is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good


def _forget_stdout() -> None:
    """Keep the interpreter from flushing, at its exit, to a pipe that nobody reads."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
