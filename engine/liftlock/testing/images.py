"""Builders of images: what clients push, made and pushed in one call.

    app = image(engine, "dev/app", "1", seed="a", layers=3)
    signature = attachment(engine, app, "first")
    sbom = referrer(engine, app, seed="sbom")
    multi = platforms(engine, "dev/app", "2", count=5)

The same arguments give the same bytes, so what was built can be built again; another `seed` gives
other content. Nothing here promotes or checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from liftlock.engine import Engine
from liftlock.oci.digest import SHA256, Digest
from liftlock.oci.mediatype import OCI_INDEX, OCI_MANIFEST
from liftlock.oci.reference import Reference, RepositoryName

BY: Final = "tests"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN_LAYER: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
SIGNATURE_LAYER: Final = "application/vnd.dev.cosign.simplesigning.v1+json"

Json = dict[str, Any]  # Any: JSON
Name = RepositoryName | str
"""A repository, or `registry/repository`."""


@dataclass(frozen=True, slots=True)
class Built:
    """A manifest that was pushed, with what it names."""

    name: RepositoryName
    tag: str | None
    digest: Digest
    media_type: str
    body: bytes
    blobs: tuple[Digest, ...] = ()
    """Config and layers that were uploaded for it, the config first."""
    foreign: tuple[Digest, ...] = ()
    """Layers that it only names."""
    children: tuple[Built, ...] = ()

    @property
    def reference(self) -> Reference:
        """By its tag; by its digest if it was pushed without one."""
        return self.by_digest if self.tag is None else Reference(self.name, self.tag)

    @property
    def by_digest(self) -> Reference:
        """By its digest alone."""
        return Reference(self.name, None, self.digest)

    @property
    def descriptor(self) -> Json:
        """How another manifest names it."""
        return {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": len(self.body),
        }


def repository(name: Name) -> RepositoryName:
    """Return the repository of that name."""
    return RepositoryName.parse(name) if isinstance(name, str) else name


def upload(engine: Engine, name: Name, content: bytes, *, algorithm: str = SHA256) -> Digest:
    """Upload a blob; return its digest."""
    where, digest = repository(name), Digest.of(content, algorithm)
    session = engine.start_upload(where, algorithm=algorithm, by=BY)
    with engine.hold_upload(where, session) as received:
        received.append(content)
        received.commit(digest, by=BY)
    return digest


def read(engine: Engine, name: Name, digest: Digest) -> bytes:
    """Return the bytes of a blob that the repository has."""
    return b"".join(engine.read_blob(engine.get_blob(repository(name), digest)))


def layer_of(seed: str, number: int = 0) -> bytes:
    """Return the bytes of a layer of an image with that seed."""
    return f"layer {number} of {seed}".encode()


def image(
    engine: Engine,
    name: Name,
    tag: str | None = None,
    *,
    seed: str = "",
    layers: int = 2,
    contents: Sequence[bytes] | None = None,
    foreign: Sequence[bytes] = (),
    absent: Sequence[bytes] = (),
    subject: Built | Json | None = None,
    artifact_type: str | None = None,
    annotations: Mapping[str, str] | None = None,
    algorithm: str = SHA256,
) -> Built:
    """Push an image: its blobs, then its manifest.

    Args:
        engine: where.
        name: the repository.
        tag: None: push by digest.
        seed: tells its config and layers from another's.
        layers: how many.
        contents: the layers' bytes, in place of `layers` made up from the seed.
        foreign: contents of layers that are named as non-distributable, and not uploaded.
        absent: contents of layers that are named like any other, and not uploaded either.
        subject: makes it a referrer.
        artifact_type: its `artifactType`.
        annotations: its annotations.
        algorithm: of its blobs' digests and, without a tag, of its own.
    """
    config = json.dumps({"architecture": "amd64", "os": "linux", "seed": seed}).encode()
    if contents is None:
        contents = [layer_of(seed, number) for number in range(layers)]
    pushed = [upload(engine, name, blob, algorithm=algorithm) for blob in (config, *contents)]
    only_named = [Digest.of(content, algorithm) for content in (*foreign, *absent)]
    types = [FOREIGN_LAYER] * len(foreign) + [LAYER] * len(absent)
    document = _image_document(
        _descriptor(CONFIG, pushed[0], config),
        [
            *(_descriptor(LAYER, d, c) for d, c in zip(pushed[1:], contents, strict=True)),
            *map(_descriptor, types, only_named, (*foreign, *absent)),
        ],
        subject,
        artifact_type,
        annotations,
    )
    built = push(engine, name, tag, document, algorithm=algorithm)
    return Built(
        built.name,
        tag,
        built.digest,
        OCI_MANIFEST,
        built.body,
        tuple(pushed),
        tuple(only_named),
    )


def referrer(
    engine: Engine,
    subject: Built,
    *,
    seed: str = "referrer",
    name: Name | None = None,
    tag: str | None = None,
    artifact_type: str = "application/vnd.example.sbom.v1",
    annotations: Mapping[str, str] | None = None,
) -> Built:
    """Push an artifact whose subject is `subject`, into its repository unless `name` says else."""
    return image(
        engine,
        name or subject.name,
        tag,
        seed=seed,
        layers=1,
        subject=subject,
        artifact_type=artifact_type,
        annotations=annotations,
    )


def index(
    engine: Engine,
    name: Name,
    tag: str | None,
    children: Sequence[Built],
    *,
    subject: Built | Json | None = None,
    artifact_type: str | None = None,
    annotations: Mapping[str, str] | None = None,
    algorithm: str = SHA256,
) -> Built:
    """Push an index of manifests that the repository has."""
    entries = [
        child.descriptor | {"platform": {"os": "linux", "architecture": f"arch{number}"}}
        for number, child in enumerate(children)
    ]
    document: Json = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    _add_common(document, subject, artifact_type, annotations)
    built = push(engine, name, tag, document, media_type=OCI_INDEX, algorithm=algorithm)
    return Built(built.name, tag, built.digest, OCI_INDEX, built.body, children=tuple(children))


def platforms(
    engine: Engine, name: Name, tag: str | None, *, count: int = 2, seed: str = ""
) -> Built:
    """Push an index with `count` images of its own."""
    children = [image(engine, name, seed=f"{seed} arch{number}") for number in range(count)]
    return index(engine, name, tag, children)


def attachment(
    engine: Engine,
    subject: Built,
    *entries: str,
    suffix: str = ".sig",
    name: Name | None = None,
    config_seed: str = "",
) -> Built:
    """Push what cosign pushes: an image with a layer an entry, under the subject's attachment tag.

    Args:
        engine: where.
        subject: what is signed or described.
        entries: a text for each signature; the same text is the same signature.
        suffix: `.sig`, `.att` or `.sbom`; empty for the distribution spec's fallback tag.
        name: another repository than the subject's.
        config_seed: makes the config differ where the entries do not.
    """
    where = name or subject.name
    tag = attachment_tag(subject.digest, suffix)
    config = json.dumps({"rootfs": {"diff_ids": list(entries)}, "seed": config_seed}).encode()
    contents = [f"signature {entry} of {subject.digest}".encode() for entry in entries]
    pushed = [upload(engine, where, blob) for blob in (config, *contents)]
    layers = [_descriptor(SIGNATURE_LAYER, d, c) for d, c in zip(pushed[1:], contents, strict=True)]
    document = _image_document(_descriptor(CONFIG, pushed[0], config), layers)
    built = push(engine, where, tag, document)
    return Built(built.name, tag, built.digest, OCI_MANIFEST, built.body, tuple(pushed))


def fallback_index(
    engine: Engine, subject: Built, entries: Sequence[Built], *, name: Name | None = None
) -> Built:
    """Push the distribution spec's fallback for referrers: an index under `<algorithm>-<hex>`."""
    return index(engine, name or subject.name, attachment_tag(subject.digest), entries)


def attachment_tag(digest: Digest, suffix: str = "") -> str:
    """Return the tag by which clients find what is attached to a manifest."""
    return f"{digest.algorithm}-{digest.hex[:64]}{suffix}"


def push(
    engine: Engine,
    name: Name,
    tag: str | None,
    document: Json | bytes,
    *,
    media_type: str = OCI_MANIFEST,
    algorithm: str = SHA256,
) -> Built:
    """Push a manifest as it is, under a tag or by its digest."""
    where = repository(name)
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = Digest.of(body, SHA256 if tag is not None else algorithm)
    reference = Reference(where, tag, None if tag is not None else digest)
    engine.put_manifest(reference, body, media_type=media_type, by=BY)
    return Built(where, tag, digest, media_type, body)


def _image_document(
    config: Json,
    layers: Sequence[Json],
    subject: Built | Json | None = None,
    artifact_type: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    document: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": list(layers),
    }
    _add_common(document, subject, artifact_type, annotations)
    return document


def _add_common(
    document: Json,
    subject: Built | Json | None,
    artifact_type: str | None,
    annotations: Mapping[str, str] | None,
) -> None:
    if artifact_type is not None:
        document["artifactType"] = artifact_type
    if subject is not None:
        document["subject"] = subject.descriptor if isinstance(subject, Built) else subject
    if annotations is not None:
        document["annotations"] = dict(annotations)


def _descriptor(media_type: str, digest: Digest, content: bytes) -> Json:
    return {"mediaType": media_type, "digest": str(digest), "size": len(content)}
