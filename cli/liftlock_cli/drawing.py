"""A progress bar on a terminal, drawn by rich when it is told to, and by nobody else."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.filesize import pick_unit_and_suffix
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from liftlock_cli.output import visible
from liftlock_cli.progress import BYTES


class _SteadyConsole(Console):
    """A console that never hides the cursor: a process that is killed could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - rich's
        return False


class _Speed(ProgressColumn):
    """Bytes a second, in the units of the bytes beside it; rich's own has powers of 1000."""

    def render(self, task: Task) -> Text:
        """Write the speed; nothing, as long as it is not known."""
        if not task.speed:
            return Text("")
        units = ("bytes", "KiB", "MiB", "GiB", "TiB")
        unit, suffix = pick_unit_and_suffix(int(task.speed), list(units), 1024)
        return Text(f"{task.speed / unit:.1f} {suffix}/s")


class DrawnBar:
    """One bar, at most once on the terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        """Take a bar that is not shown yet."""
        self._progress = progress
        self._task = task

    def show(self, done: int) -> None:
        """Draw it with `done`, over itself if it is there."""
        self._progress.update(self._task, completed=done)
        if self._progress.live.is_started:
            self._progress.refresh()
        else:
            self._progress.start()

    def erase(self) -> None:
        """Leave nothing of it on the terminal."""
        self._progress.stop()


def make_bar(
    stream: TextIO, what: str, total: int | None, unit: str, *, is_styled: bool
) -> DrawnBar:
    """Make a bar for a terminal; nothing is drawn yet."""
    columns: list[ProgressColumn | str] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
    ]
    if unit == BYTES:
        columns += [DownloadColumn(binary_units=True), _Speed()]
    elif unit:
        columns += [MofNCompleteColumn(), TextColumn(visible(unit), markup=False)]
    columns += [TimeElapsedColumn()] if total is None else [TimeRemainingColumn()]
    progress = Progress(
        *columns,
        console=_SteadyConsole(file=stream, force_terminal=True, no_color=not is_styled),
        # Results go to stdout: rich would take them, and write them to stderr.
        redirect_stdout=False,
        redirect_stderr=False,
        auto_refresh=False,
        transient=True,
    )
    return DrawnBar(progress, progress.add_task(escape(visible(what)), total=total))
