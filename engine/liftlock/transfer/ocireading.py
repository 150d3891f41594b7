"""Reading an OCI image layout: from index.json down to the blobs, level by level.

Whatever names something says how long it is and what it hashes to; nothing counts before it was
found to be so. Manifests are read here; of blobs only their places and lengths, and import reads
and verifies them on their way in.
"""

from __future__ import annotations

from typing import Final

import msgspec

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid, DigestInvalid, ManifestInvalid
from liftlock.model import ArchiveKind
from liftlock.oci.ambiguity import refuse_ambiguity
from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import Digest
from liftlock.oci.document import Entry, decoded
from liftlock.oci.mediatype import IMAGES, INDEXES
from liftlock.transfer.archives import Archive, Found
from liftlock.transfer.contents import Contents, Named, parsed_manifest
from liftlock.transfer.layout import FULL_NAME, INDEX, MARKER, REF_NAME, VERSION, blob_path

_NAME_CHARACTERS_MAX: Final = 512


class _Marker(msgspec.Struct, rename={"version": "imageLayoutVersion"}):
    version: str


def read_layout(archive: Archive, limits: Limits) -> Contents:
    """Read what a layout has.

    Raises:
        ArchiveInvalid: with what is wrong with it.
    """
    contents = Contents(ArchiveKind.OCI_LAYOUT)
    _require_version(archive, limits)
    level: dict[Digest, Descriptor] = {}
    for entry in _entries(archive, limits):
        descriptor = _descriptor(archive, entry)
        if not _is_manifest(descriptor.media_type):
            # image-spec, image-layout.md: what is not known must be passed over.
            contents.warnings.append(
                f"{descriptor.digest} is left out: {descriptor.media_type!r:.120} is no manifest"
            )
            continue
        contents.images.append(Named(_name_of(entry), descriptor.digest.key))
        _meet(archive, level, descriptor)
    if not contents.images:
        raise ArchiveInvalid(archive.path, f"its {INDEX} names no image")
    _read_manifests(archive, contents, level, limits)
    _find_blobs(archive, contents, limits)
    return contents


def read_whole(archive: Archive, name: str, limits: Limits) -> bytes | None:
    """Return one of the files that tell of the others; None if it is not there."""
    found = archive.find(name)
    if found is None:
        return None
    most = limits.archive_index_bytes_max
    if found.size > most:
        reason = f"{name} has {found.size} bytes, more than {most} (archive_index_bytes_max)"
        raise ArchiveInvalid(archive.path, reason)
    return archive.read((found,))[found.name]


def _require_version(archive: Archive, limits: Limits) -> None:
    body = read_whole(archive, MARKER, limits)
    assert body is not None, "it was found before"
    try:
        version = msgspec.json.decode(body, type=_Marker).version
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ArchiveInvalid(archive.path, f"{MARKER} cannot be read ({error})"[:300]) from error
    if version != VERSION:
        reason = f"its layout has version {version!r:.40}, and {VERSION} is read here"
        raise ArchiveInvalid(archive.path, reason)


def _entries(archive: Archive, limits: Limits) -> list[Entry]:
    body = read_whole(archive, INDEX, limits)
    if body is None:
        raise ArchiveInvalid(archive.path, f"it has no {INDEX}: it is not finished")
    try:
        refuse_ambiguity(body, limits.json_depth_max)
        document = decoded(body)
    except ManifestInvalid as error:
        raise ArchiveInvalid(archive.path, f"{INDEX}: {error.reason}") from error
    entries = document.manifests or []
    most = limits.archive_members_max
    if len(entries) > most:
        reason = f"{INDEX} names {len(entries)} images, more than {most} (archive_members_max)"
        raise ArchiveInvalid(archive.path, reason)
    return entries


def _descriptor(archive: Archive, entry: Entry) -> Descriptor:
    try:
        digest = Digest.parse(entry.digest)
    except DigestInvalid as error:
        reason = f"{INDEX} names {entry.digest!r:.140}: {error.reason}"
        raise ArchiveInvalid(archive.path, reason) from error
    return Descriptor(entry.media_type, digest, entry.size)


def _name_of(entry: Entry) -> str:
    """Return what an entry is called: in full, if it says so."""
    said = entry.annotations or {}
    name = said.get(REF_NAME, "")
    full = said.get(FULL_NAME, "")
    if full and not any(mark in name for mark in "/:@"):
        # Who gives an entry another tag may leave the rest of its annotations as it was.
        slash = full.rfind("/")
        path, _, _ = full[slash + 1 :].partition(":")
        name = f"{full[: slash + 1]}{path}:{name}" if name else full
    return name[:_NAME_CHARACTERS_MAX]


def _is_manifest(media_type: str) -> bool:
    return not media_type or media_type in IMAGES | INDEXES or media_type.endswith("+json")


def _meet(archive: Archive, level: dict[Digest, Descriptor], descriptor: Descriptor) -> None:
    known = level.setdefault(descriptor.digest, descriptor)
    if known.size != descriptor.size:
        reason = f"it says of {known.digest} that it has {known.size} and {descriptor.size} bytes"
        raise ArchiveInvalid(archive.path, reason)


def _read_manifests(
    archive: Archive, contents: Contents, level: dict[Digest, Descriptor], limits: Limits
) -> None:
    """Read a level after the other, each in one go."""
    is_named_by_index = True
    for _ in range(limits.closure_nesting_max + 1):
        if not level:
            return
        found: dict[str, Descriptor] = {}
        files: list[Found] = []
        for descriptor in level.values():
            file = _find(archive, descriptor, limits)
            if file is not None:
                found[file.name] = descriptor
                files.append(file)
                contents.count(archive, file.size, limits)
            elif is_named_by_index:
                raise ArchiveInvalid(archive.path, f"it lacks {descriptor.digest}, which it lists")
        below: dict[Digest, Descriptor] = {}
        for name, body in archive.read(files).items():
            for child in _take(archive, contents, found[name], body, limits):
                if child.digest.key not in contents.manifests:
                    _meet(archive, below, child)
        level = {d: child for d, child in below.items() if d.key not in contents.manifests}
        is_named_by_index = False
    if level:
        most = limits.closure_nesting_max
        reason = f"its indexes nest deeper than {most} levels (closure_nesting_max)"
        raise ArchiveInvalid(archive.path, reason)


def _find(archive: Archive, descriptor: Descriptor, limits: Limits) -> Found | None:
    file = archive.find(blob_path(descriptor.digest))
    if file is None:
        return None
    if file.size != descriptor.size:
        reason = f"{descriptor.digest} has {file.size} bytes, and should have {descriptor.size}"
        raise ArchiveInvalid(archive.path, reason)
    if file.size > limits.manifest_bytes_max:
        most = limits.manifest_bytes_max
        reason = f"manifest {descriptor.digest} has more than {most} bytes (manifest_bytes_max)"
        raise ArchiveInvalid(archive.path, reason)
    return file


def _take(
    archive: Archive, contents: Contents, descriptor: Descriptor, body: bytes, limits: Limits
) -> tuple[Descriptor, ...]:
    """Take a manifest in, and return its children."""
    digest = Digest.of(body, descriptor.digest.algorithm)
    if digest != descriptor.digest:
        reason = f"what it has as {descriptor.digest} is {digest}"
        raise ArchiveInvalid(archive.path, reason)
    parsed = parsed_manifest(archive, digest, body, descriptor.media_type, limits)
    contents.add(archive, digest, body, parsed)
    return parsed.children


def _find_blobs(archive: Archive, contents: Contents, limits: Limits) -> None:
    for key, size in contents.sizes.items():
        digest = Digest(key)
        file = archive.find(blob_path(digest))
        if file is None:
            continue
        if file.size != size:
            reason = f"{digest} has {file.size} bytes, and should have {size}"
            raise ArchiveInvalid(archive.path, reason)
        if size > limits.blob_bytes_max:
            reason = f"{digest} has more than {limits.blob_bytes_max} bytes (blob_bytes_max)"
            raise ArchiveInvalid(archive.path, reason)
        contents.blobs[key] = file
