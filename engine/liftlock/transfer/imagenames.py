"""What an archive calls its images: a tag, or a name in full, perhaps with a host."""

from __future__ import annotations

from typing import NamedTuple

from liftlock.model import ArchiveKind


class Name(NamedTuple):
    """What an archive calls an image."""

    registry: str
    """Empty if it names none, or a host."""
    path: str
    """Of the repository; empty if it is called by a tag alone."""
    tag: str


def name_of(text: str, kind: ArchiveKind) -> Name:
    """Read what an archive calls an image."""
    path, _, _ = text.partition("@")
    if "/" not in path and ":" not in path and text == path:
        if kind is ArchiveKind.OCI_LAYOUT:
            return Name("", "", path)
        return Name("", path, "")
    slash = path.rfind("/")
    last, _, tag = path[slash + 1 :].partition(":")
    parts = [*(path[:slash].split("/") if slash >= 0 else ()), last]
    first = parts[0]
    if len(parts) == 1:
        return Name("", last, tag)
    if "." in first or ":" in first or first == "localhost":
        return Name("", "/".join(parts[1:]), tag)
    # Docker leaves its own host out; in a layout, a name without a host is one of ours.
    if kind is ArchiveKind.DOCKER_ARCHIVE:
        return Name("", "/".join(parts), tag)
    return Name(first, "/".join(parts[1:]), tag)
