"""Images in and out: OCI layouts and docker archives. Plan, execute, and go on after a break."""

from __future__ import annotations

from liftlock.transfer.archives import Heed, origin_of
from liftlock.transfer.choosing import ExportRequest
from liftlock.transfer.exporting import stream_export, write_export
from liftlock.transfer.exportplans import Exporting, format_of, plan_export, require_place
from liftlock.transfer.importing import Importing, execute_import, plan_import
from liftlock.transfer.placing import ImportRequest
from liftlock.transfer.receiving import Progress, unheard

__all__ = [
    "ExportRequest",
    "Exporting",
    "Heed",
    "ImportRequest",
    "Importing",
    "Progress",
    "execute_import",
    "format_of",
    "origin_of",
    "plan_export",
    "plan_import",
    "require_place",
    "stream_export",
    "unheard",
    "write_export",
]
