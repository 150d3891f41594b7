"""What an unfinished name on the command line may become: looked up in the store, while one types.

It only reads, makes no store, looks at a bounded number of names, and says nothing of what goes
wrong: a shell that completes has no place for it. Names are offered a level at a time, as paths
are, so that a registry of many repositories is no flood.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import click
from click.shell_completion import CompletionItem

import liftlock
from liftlock.engine import Engine
from liftlock.http.configuration import DECLARATION, configure
from liftlock.oci.reference import RepositoryName

PART: Final = "part"
"""The type of what may go on: no blank follows it."""
_OFFERED_MAX: Final = 1000
"""More are not offered: of a list that is cut, a shell would take a beginning that is not all's."""
_PROMOTIONS_MAX: Final = 50
_BEYOND: Final = "\x7f"
"""Sorts behind every character that a name may have."""

Items = list[CompletionItem[str]]
Lookup = Callable[[Engine, str], Iterable[CompletionItem[str]]]
NamesAfter = Callable[[str], Sequence[str]]
"""The next names behind a name, in their order; none, if that was all."""


class StoredName(click.types.StringParamType):
    """A parameter that names something in the store, and is completed from there."""

    def __init__(self, lookup: Lookup) -> None:
        """Complete by `lookup`."""
        self.lookup = lookup

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        """Return what `incomplete` may become; nothing, if anything is wrong."""
        del param
        return looked_up(ctx, self.lookup, incomplete)


class _Folder(click.types.StringParamType):
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        del ctx, param
        return [CompletionItem(incomplete, type="dir")]


class _SettingName(click.types.StringParamType):
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        del ctx, param
        return [
            CompletionItem(f"{key}=", type=PART)
            for key in DECLARATION
            if str(key).startswith(incomplete)
        ]


def looked_up(context: click.Context, lookup: Lookup, incomplete: str) -> Items:
    """Ask the store that the command line is about; return nothing, if anything is wrong."""
    with suppress(Exception):
        given = context.find_root().params
        flags = dict(given["flags"] or {})
        if given["root"] is not None:
            flags["store.root"] = (given["root"], "--root")
        configured = configure(os.environ, file=given["file"], flags=flags)
        with liftlock.open(configured.store.root, limits=configured.limits) as engine:
            return _unless_cut(lookup(engine, incomplete))
    return []


def registries(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete a registry's name."""
    for name in _names(incomplete, partial(_registries, engine)):
        yield CompletionItem(name)


def repositories(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete `registry/repository`, a level at a time."""
    registry, slash, below = incomplete.partition("/")
    if not slash:
        for name in _names(incomplete, partial(_registries, engine)):
            yield CompletionItem(f"{name}/", type=PART)
        return
    for name in _levels(below, partial(_repositories, engine, registry)):
        kind = PART if name.endswith("/") else "plain"
        yield CompletionItem(f"{registry}/{name}", type=kind)


def images(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete `registry/repository:tag`, a level at a time."""
    text, colon, beginning = incomplete.partition(":")
    if not colon:
        for item in repositories(engine, incomplete):
            yield CompletionItem(item.value, type=PART)
        return
    for tag in _names(beginning, partial(_tags, engine, RepositoryName.parse(text))):
        yield CompletionItem(f"{text}:{tag}")


def targets(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete what a promotion goes to: a registry, or an image of one."""
    if "/" in incomplete:
        yield from images(engine, incomplete)
        return
    for item in registries(engine, incomplete):
        yield CompletionItem(item.value, type=PART)


def places(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete a registry or a repository."""
    complete = repositories if "/" in incomplete else targets
    yield from complete(engine, incomplete)


def promotions(engine: Engine, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Complete the number of one of the newest promotions."""
    for summary in engine.list_promotions(limit=_PROMOTIONS_MAX).entries:
        if str(summary.id).startswith(incomplete):
            yield CompletionItem(str(summary.id), help=summary.comment or summary.mode.value)


_LOOKUPS: Final[Mapping[str, Lookup]] = {
    "REFERENCE": images,
    "NAME...": images,
    "[SOURCE]": images,
    "SOURCE...": images,
    "TARGET": targets,
    "REPOSITORY:OLD": images,
    "REGISTRY/REPOSITORY": repositories,
    "REGISTRY/NEW": repositories,
    "[REGISTRY[/REPOSITORY]]": places,
    "NAME": registries,
    "NUMBER": promotions,
}
"""By metavar, which says what a parameter is."""


def complete_names(command: click.Command) -> None:
    """Let all parameters of a command and those below it be completed, that name something."""
    for parameter in command.params:
        if parameter.type is not click.STRING or command.name == "create":  # a name that is free
            continue
        if lookup := _LOOKUPS.get(parameter.make_metavar(click.Context(command))):
            parameter.type = StoredName(lookup)
        elif parameter.name == "root":
            parameter.type = _Folder()
        elif parameter.name == "flags":
            parameter.type = _SettingName()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            complete_names(below)


def _unless_cut(items: Iterable[CompletionItem[str]]) -> Items:
    offered = []
    for item in items:
        offered.append(item)
        if len(offered) > _OFFERED_MAX:
            return []
    return offered


def _names(beginning: str, page: NamesAfter) -> Iterator[str]:
    """Yield the names that begin with `beginning`, in their order."""
    after = _before(beginning)
    while names := page(after):
        for name in names:
            if not name.startswith(beginning):
                return
            yield name
        after = names[-1]


def _levels(beginning: str, page: NamesAfter) -> Iterator[str]:
    """Yield names as `_names`, but of those that go on behind the next slash only up to it."""
    after = _before(beginning)
    while names := page(after):
        for name in names:
            if not name.startswith(beginning):
                return
            rest, slash, _ = name[len(beginning) :].partition("/")
            level = beginning + rest + slash
            yield level
            after = level
            if slash:
                after += _BEYOND  # over all that is on it
                break


def _before(beginning: str) -> str:
    """Return what sorts behind all names that do before `beginning`, and before `beginning`."""
    if not beginning:
        return ""
    return beginning[:-1] + chr(ord(beginning[-1]) - 1) + _BEYOND


def _registries(engine: Engine, after: str) -> Sequence[str]:
    return [one.name for one in engine.list_registries(after=after).entries]


def _repositories(engine: Engine, registry: str, after: str) -> Sequence[str]:
    found = engine.list_repositories(registry, after=after).entries
    return [one.name.repository for one in found]


def _tags(engine: Engine, name: RepositoryName, after: str) -> Sequence[str]:
    return [one.name for one in engine.list_tags(name, after=after).entries]
