"""An image drawn as a tree: a line a manifest, what belongs to it below it.

On a terminal with lines that join, if its encoding has them; else with characters that every
terminal, log and pipe can show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

import click

from liftlock.model import Attachment, Inspection
from liftlock_cli.output import digest_text, on_terminal, size_text, visible

_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
"""What cosign 3 attests, or that it signs: its artifact types are all the same."""


class _Strokes(NamedTuple):
    """What a tree is drawn with: before an entry and the last one, and before what is below."""

    entry: str
    last: str
    below: str
    below_last: str


_JOINED: Final = _Strokes("├── ", "└── ", "│   ", "    ")
_PLAIN: Final = _Strokes("|-- ", "`-- ", "|   ", "    ")


class _Branch(NamedTuple):
    """A manifest with what is said before it."""

    label: str
    manifest: Inspection
    hidden: frozenset[bytes] = frozenset()
    """Children that are shown elsewhere."""


def print_tree(label: str, manifest: Inspection) -> None:
    """Print a manifest, and all that belongs to it."""
    strokes = _strokes()
    click.echo(_line(_Branch(label, manifest)))
    for line in _below(_Branch(label, manifest), strokes, ""):
        click.echo(line)


def _strokes() -> _Strokes:
    if not on_terminal():
        return _PLAIN
    try:
        "".join(_JOINED).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return _PLAIN
    return _JOINED


def _below(branch: _Branch, strokes: _Strokes, before: str) -> Iterator[str]:
    branches = list(_branches(branch))
    for place, each in enumerate(branches):
        is_last = place == len(branches) - 1
        yield before + (strokes.last if is_last else strokes.entry) + _line(each)
        beyond = strokes.below_last if is_last else strokes.below
        yield from _below(each, strokes, before + beyond)


def _branches(branch: _Branch) -> Iterator[_Branch]:
    """Yield what is drawn below a manifest: its attachments, then what it names."""
    manifest = branch.manifest
    attached = frozenset(each.manifest.digest.key for each in manifest.attachments)
    for each in manifest.attachments:
        yield _Branch(_purpose_text(each), each.manifest, attached)
    for child in manifest.children:
        if child.digest.key not in branch.hidden:
            yield _Branch(_child_text(child), child)


def _purpose_text(attachment: Attachment) -> str:
    kind = attachment.manifest.artifact_type or ""
    if attachment.tag is None:
        predicate = (attachment.manifest.annotations or {}).get(_PREDICATE, "")
        return "  ".join(filter(None, (attachment.purpose.value, kind, predicate)))
    _, dot, suffix = attachment.tag.partition(".")
    if not dot:
        return "referrers tag"
    # The tag begins with the digest of what is above it.
    return "  ".join(filter(None, (attachment.purpose.value, kind, f".{suffix} tag")))


def _child_text(child: Inspection) -> str:
    return child.platform or child.artifact_type or ("index" if child.children else "manifest")


def _line(branch: _Branch) -> str:
    manifest = branch.manifest
    size = size_text(manifest.size)
    if manifest.total_size > manifest.size:
        size += f", total {size_text(manifest.total_size)}"
    parts = (
        branch.label,
        digest_text(manifest.digest),
        size,
        "signed" if manifest.is_signed else "",
        "" if manifest.is_present else "absent",
        "not all is shown" if _is_cut(manifest) else "",
    )
    return visible("  ".join(filter(None, parts)))


def _is_cut(manifest: Inspection) -> bool:
    """Tell whether it is at this very manifest that something is not shown."""
    below = (*manifest.children, *(each.manifest for each in manifest.attachments))
    return not manifest.is_complete and all(each.is_complete for each in below)
