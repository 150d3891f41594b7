"""Which kind of archive something is."""

from __future__ import annotations

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid
from liftlock.transfer.archives import Archive
from liftlock.transfer.contents import Contents
from liftlock.transfer.dockerreading import LIST, read_docker_archive
from liftlock.transfer.layout import INDEX, MARKER
from liftlock.transfer.ocireading import read_layout


def read_archive(archive: Archive, limits: Limits) -> Contents:
    """Read what an archive has; no blob is read yet.

    Raises:
        ArchiveInvalid: with what is wrong with it.
    """
    if archive.find(MARKER) is not None:
        return read_layout(archive, limits)
    if archive.find(LIST) is not None:
        return read_docker_archive(archive, limits)
    lacking = f"it has an {INDEX}, and no {MARKER}" if archive.find(INDEX) else ""
    raise ArchiveInvalid(
        archive.path,
        lacking or f"it is no OCI image layout (no {MARKER}) and no docker archive (no {LIST})",
    )
