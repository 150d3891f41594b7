"""The engine's images on their way out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from liftlock import transfer
from liftlock.engine.opened import Opened
from liftlock.model import Export, Format
from liftlock.oci.reference import Reference, Selection
from liftlock.transfer import Exporting, ExportRequest, Progress, unheard

Source = Selection | Reference | str
"""What is exported: as a value, or as text that `Selection.parse` reads."""


class ExportEngine(Opened):
    """What `Engine` can do to write images to archives."""

    def export_images(
        self,
        sources: Source | Sequence[Source],
        to: str | os.PathLike[str] | BinaryIO,
        *,
        format: Format | None = None,  # noqa: A002 - the word for it
        tags: str | Sequence[str] | None = None,
        allow_sparse: bool = False,
        overwrite: bool = False,
        dry_run: bool = False,
        progress: Progress = unheard,
    ) -> Export:
        """Write images, with all that they reach, to an OCI image layout.

        What goes out is decided in one snapshot; blobs are verified while they are written. A tar
        is there when it is whole, and the same images give the same bytes. A folder that is a
        layout is added to: what it has is kept, and index.json is replaced last. Broken off and
        called again, it goes on.

        Args:
            sources: images, repositories, or all repositories below a path.
            to: a path, or a file to which a tar is written.
            format: None: what the path's name says; of a file, `Format.TAR`.
            tags: of sources without a tag: a glob, or tags by name; None: all.
            allow_sparse: that images may name what the layout will lack.
            overwrite: that a file may be replaced, and a layout's entries of the same names.
            dry_run: only say what would be written.
            progress: told of bytes as they pass, between pieces; what it raises comes out here.

        Raises:
            RegistryUnknown, RepositoryUnknown, ManifestUnknown, NothingSelected: something is not
                there.
            TransferInvalid: it does not fit together, or is more than the limits allow.
            SparseManifest: images name what their repository lacks.
            ExportExists: there is something else, and `overwrite` is false; or a folder that is
                no layout, or cannot be read as one.
            BlobCorrupt: a blob is damaged. A tar is gone then, a folder's index is as it was.
            StoreBusy: another export writes to the folder or file.
        """
        is_path = isinstance(to, str | os.PathLike)
        plan = self.plan_export(
            sources,
            os.fspath(to) if isinstance(to, str | os.PathLike) else "-",
            format=format if is_path else format or Format.TAR,
            tags=tags,
            allow_sparse=allow_sparse,
        )
        out = None if isinstance(to, str | os.PathLike) else to
        return self.execute_export(
            plan, out, overwrite=overwrite, dry_run=dry_run, progress=progress
        )

    def plan_export(
        self,
        sources: Source | Sequence[Source],
        path: str,
        *,
        format: Format | None = None,  # noqa: A002 - the word for it
        tags: str | Sequence[str] | None = None,
        allow_sparse: bool = False,
    ) -> Exporting:
        """Return what `export_images` would write, as `planned`, for `execute_export` to do it.

        Args:
            sources: as in `export_images`.
            path: where it will be written; `-` for a file that is open.
            format: as in `export_images`.
            tags: as in `export_images`.
            allow_sparse: as in `export_images`.

        Raises:
            LiftlockError: as `export_images`.
        """
        listed = [sources] if isinstance(sources, Selection | Reference | str) else sources
        request = ExportRequest(
            tuple(map(_selection, listed)),
            tags if tags is None or isinstance(tags, str) else tuple(tags),
            allow_sparse,
        )
        form = format or transfer.format_of(path)
        return transfer.plan_export(self._store, request, path, form, self.limits)

    def execute_export(
        self,
        plan: Exporting,
        out: BinaryIO | None = None,
        *,
        overwrite: bool = False,
        dry_run: bool = False,
        progress: Progress = unheard,
    ) -> Export:
        """Write what was planned; blobs that went meanwhile end it.

        Args:
            plan: what `plan_export` returned.
            out: where a tar is written instead of to the plan's path.
            overwrite: as in `export_images`.
            dry_run: as in `export_images`.
            progress: as in `export_images`.

        Raises:
            LiftlockError: as `export_images`.
        """
        store, blobs, limits = self._store, self._blobs, self.limits
        if out is None:
            index = transfer.require_place(plan, overwrite=overwrite, limits=limits)
            if not dry_run:
                return transfer.write_export(store, blobs, plan, index, progress, limits)
        elif not dry_run:
            return transfer.stream_export(store, blobs, plan, out, progress, limits)
        return plan.planned


def _selection(source: Source) -> Selection:
    if isinstance(source, str):
        return Selection.parse(source)
    return Selection.of(source) if isinstance(source, Reference) else source
