"""The engine's images on their way in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from liftlock import transfer
from liftlock.engine.asking import act_of
from liftlock.engine.opened import Opened
from liftlock.model import Import
from liftlock.oci.reference import Target
from liftlock.transfer import Heed, Importing, ImportRequest, Progress, unheard


def _go_on() -> None:
    """Whoever has nothing to heed."""


class ImportEngine(Opened):
    """What `Engine` can do to read images from archives."""

    def import_images(
        self,
        archive: str | os.PathLike[str],
        to: Target | str | None = None,
        *,
        by: str,
        comment: str = "",
        tags: str | Sequence[str] | None = None,
        retag: str | None = None,
        overwrite: bool = False,
        allow_sparse: bool = False,
        dry_run: bool = False,
        progress: Progress = unheard,
    ) -> Import:
        """Bring in the images of an OCI image layout or a docker archive.

        A layout is a folder or a tar, a docker archive a tar; tars may be compressed with gzip or
        zstd. Every manifest and blob is verified against digest and size. Blobs come in first, and
        are held; then all manifests and tags are set in one transaction, with their history: on
        error there is nothing of them. Broken off and called again, it goes on. Done again, it
        changes nothing.

        Args:
            archive: where it lies.
            to: `registry[/repository][:tag]`; what is left out is as the archive calls it. None:
                it calls its images `registry/repository:tag`, as an export of several does.
            by: who imports.
            comment: why.
            tags: a glob, or tags by name, as the archive calls them; None: all it has.
            retag: a template for the tags, with `{tag}` for the archive's.
            overwrite: that tags that are there may be moved. Attachment tags are added to without.
            allow_sparse: that images may name what neither archive nor target has.
            dry_run: only say what would be done.
            progress: told of bytes of blobs as they pass, between pieces; what it raises comes out
                here.

        Raises:
            ArchiveUnknown: there is none.
            ArchiveInvalid: it is not what it should be, or more than the limits allow.
            NameInvalid, TransferInvalid, TargetsCollide: names and tags do not fit.
            RegistryUnknown: there is no such registry.
            TagTaken: tags would be moved, and `overwrite` is false; says all of them.
            SparseManifest, SparseRefused: something would be absent; so says nobody, or a setting.
            StoreFull, StoreBusy: not now; what came in is held.
            TextInvalid: `by` or `comment` cannot be stored.
        """
        with self.planned_import(
            archive,
            to,
            by=by,
            comment=comment,
            tags=tags,
            retag=retag,
            overwrite=overwrite,
            allow_sparse=allow_sparse,
        ) as plan:
            return plan.planned if dry_run else self.execute_import(plan, progress=progress)

    @contextmanager
    def planned_import(
        self,
        archive: str | os.PathLike[str],
        to: Target | str | None = None,
        *,
        by: str,
        comment: str = "",
        tags: str | Sequence[str] | None = None,
        retag: str | None = None,
        overwrite: bool = False,
        allow_sparse: bool = False,
        heed: Heed = _go_on,
    ) -> Iterator[Importing]:
        """Give what `import_images` would do, as `planned`, for `execute_import` to do it.

        The archive is open until the context ends.

        Args:
            archive: as in `import_images`.
            to: as in `import_images`.
            by: who imports.
            comment: why.
            tags: as in `import_images`.
            retag: as in `import_images`.
            overwrite: as in `import_images`.
            allow_sparse: as in `import_images`.
            heed: called while the archive is read, now and for its blobs, where nothing is
                half-done; what it raises ends the work, and comes out.

        Raises:
            LiftlockError: on entering, as `import_images`.
        """
        path = os.fspath(archive)
        act = act_of(by, comment, self.limits)._replace(origin=transfer.origin_of(path))
        request = ImportRequest(
            Target.parse(to) if isinstance(to, str) else to,
            tags if tags is None or isinstance(tags, str) else tuple(tags),
            retag,
            overwrite,
            allow_sparse,
        )
        with closing(
            transfer.plan_import(self._uploads, path, request, act, self._clock(), heed)
        ) as plan:
            yield plan

    def execute_import(self, plan: Importing, *, progress: Progress = unheard) -> Import:
        """Do what was planned, judged anew on what is there then.

        Args:
            plan: within the context that gave it.
            progress: as in `import_images`.

        Raises:
            LiftlockError: as `import_images`.
        """
        return transfer.execute_import(self._uploads, plan, progress)
