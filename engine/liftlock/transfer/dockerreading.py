"""Reading what `docker save` writes: manifest.json, configs, and layers as plain tars.

There is no manifest in it, so one is made: always the same for the same image. Config and layers
are kept byte for byte. A config names its layers by the digests of the plain tars, so that these
are verified, and so that the image's id, which is the config's digest, stays what it was. Builders
that compress layers write an archive all the same: such a layer is kept as it is, and unpacked once
to be held against the config (`dockerlayers.py`). The
manifest is OCI's, not docker's: skopeo, podman and umoci find no other in a layout, so what came in
could not go out to them again; and a layer that is a plain tar has a type of its own there.

Since version 25 docker writes an OCI layout with a manifest.json beside it; then the layout is read
(`ocireading.py`), which needs nothing made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from liftlock.config import Limits
from liftlock.errors import ArchiveInvalid, DigestInvalid
from liftlock.model import ArchiveKind
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import OCI_MANIFEST
from liftlock.transfer.archives import Archive, Found
from liftlock.transfer.contents import Contents, Named
from liftlock.transfer.dockerlayers import Layer, read_layers
from liftlock.transfer.ocireading import read_whole

LIST: Final = "manifest.json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_LAYERS_MAX: Final = 1000
_HEX_NAME: Final = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")


class _Image(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


class _Rootfs(msgspec.Struct):
    diff_ids: list[str] | None = None


class _Config(msgspec.Struct):
    rootfs: _Rootfs


class _Described(NamedTuple):
    """A config, and what it says of its image's layers."""

    file: Found
    digest: Digest
    diffs: list[Digest]


def read_docker_archive(archive: Archive, limits: Limits) -> Contents:
    """Read what a docker archive has.

    Raises:
        ArchiveInvalid: with what is wrong with it.
    """
    contents = Contents(ArchiveKind.DOCKER_ARCHIVE)
    body = read_whole(archive, LIST, limits)
    assert body is not None, "it was found before"
    try:
        listed = msgspec.json.decode(body, type=list[_Image])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ArchiveInvalid(
            archive.path, f"{LIST} is no list of images ({error})"[:300]
        ) from error
    if not listed:
        raise ArchiveInvalid(archive.path, f"its {LIST} names no image")
    if len(listed) > limits.archive_members_max:
        most = limits.archive_members_max
        raise ArchiveInvalid(archive.path, f"{LIST} names more than {most} (archive_members_max)")
    configs = [_config_file(archive, image.config, limits) for image in listed]
    for file in {file.name: file for file in configs}.values():
        contents.count(archive, file.size, limits)
    bodies = archive.read(configs)
    files = {name: _layer_file(archive, name, limits) for image in listed for name in image.layers}
    layers = read_layers(archive, files.values(), limits)
    # A list may name one large config many thousand times: it is read once.
    images_of: dict[Found, list[int]] = {}
    for at, file in enumerate(configs):
        images_of.setdefault(file, []).append(at)
    keys = dict.fromkeys(range(len(listed)), b"")
    for file, places in images_of.items():
        names = {listed[at].config for at in places}
        config = _read_config(archive, file, bodies[file.name], names)
        for at in places:
            found = [layers[files[name].name] for name in listed[at].layers]
            keys[at] = _made(archive, contents, config, found, limits)
    for at, key in keys.items():
        for name in listed[at].repo_tags or [""]:
            contents.images.append(Named(name[:512], key))
    _require_one_digest_each(archive, contents)
    return contents


def _config_file(archive: Archive, name: str, limits: Limits) -> Found:
    file = archive.find(name, through_links=True)
    if file is None:
        raise ArchiveInvalid(archive.path, f"it lacks {name!r:.140}, which it lists")
    if file.size > limits.manifest_bytes_max:
        most = limits.manifest_bytes_max
        raise ArchiveInvalid(archive.path, f"config {name!r:.140} has more than {most} bytes")
    return file


def _read_config(archive: Archive, file: Found, body: bytes, names: Collection[str]) -> _Described:
    digest = Digest.of(body)
    for name in names:
        named = _HEX_NAME.fullmatch(name)
        if named is not None and named[1] != digest.hex:
            reason = f"what it has as config {name!r:.140} is {digest}"
            raise ArchiveInvalid(archive.path, reason)
    try:
        diffs = [Digest.parse(text) for text in _diff_ids(body)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, DigestInvalid) as error:
        reason = f"config {file.name!r:.140} does not tell its layers ({error})"
        raise ArchiveInvalid(archive.path, reason[:400]) from error
    return _Described(file, digest, diffs)


def _made(
    archive: Archive,
    contents: Contents,
    config: _Described,
    found: Sequence[Layer],
    limits: Limits,
) -> bytes:
    """Make an image's manifest and take it in; return its digest's key."""
    file, digest, diffs = config
    if len(diffs) != len(found) or len(diffs) > _LAYERS_MAX:
        reason = f"config {digest} has {len(diffs)} layers, and {LIST} lists {len(found)}"
        raise ArchiveInvalid(archive.path, reason)
    layers = []
    for diff, layer in zip(diffs, found, strict=True):
        # A plain one is what the config says, or is found out when it is read.
        blob = diff if layer.packed is None else layer.packed
        if layer.plain not in {None, diff}:
            reason = f"layer {layer.file.name!r:.140} unpacks to {layer.plain}, not to {diff}"
            raise ArchiveInvalid(archive.path, reason)
        contents.blobs[blob.key] = layer.file
        media_type = _LAYER if layer.packed is None else f"{_LAYER}+gzip"
        layers.append({"mediaType": media_type, "size": layer.file.size, "digest": str(blob)})
    contents.blobs[digest.key] = file
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": _CONFIG, "size": file.size, "digest": str(digest)},
        "layers": layers,
    }
    body = json.dumps(manifest, separators=(",", ":")).encode()
    contents.count(archive, len(body), limits)
    return contents.hold(archive, body, OCI_MANIFEST, limits)


def _require_one_digest_each(archive: Archive, contents: Contents) -> None:
    """Require that configs do not differ about a file: it is read once, for one of them."""
    said: dict[str, bytes] = {}
    for key, file in contents.blobs.items():
        known = said.setdefault(file.name, key)
        if known != key:
            reason = f"its configs say of {file.name!r:.140} that it is {Digest(known)} and "
            raise ArchiveInvalid(archive.path, reason + str(Digest(key)))


def _layer_file(archive: Archive, name: str, limits: Limits) -> Found:
    file = archive.find(name, through_links=True)
    if file is None:
        raise ArchiveInvalid(archive.path, f"it lacks layer {name!r:.140}, which it lists")
    if file.size > limits.blob_bytes_max:
        reason = f"layer {name!r:.140} has more than {limits.blob_bytes_max} bytes (blob_bytes_max)"
        raise ArchiveInvalid(archive.path, reason)
    return file


def _diff_ids(config: bytes) -> list[str]:
    return msgspec.json.decode(config, type=_Config).rootfs.diff_ids or []
