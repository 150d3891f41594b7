"""What an attached manifest is for, as far as its types, annotations and tag tell.

Nobody looks into it: whether a signature is one, and of whom, is for the client to verify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from liftlock.model import Attaching

_BY_SUFFIX: Final = {
    "sig": Attaching.SIGNATURE,
    "att": Attaching.ATTESTATION,
    "sbom": Attaching.SBOM,
}
_BY_TYPE: Final = (
    ("vnd.dev.cosign.artifact.sig.", Attaching.SIGNATURE),
    ("vnd.dev.cosign.simplesigning.", Attaching.SIGNATURE),
    ("vnd.cncf.notary.", Attaching.SIGNATURE),
    ("vnd.dev.cosign.artifact.att.", Attaching.ATTESTATION),
    ("vnd.docker.attestation.", Attaching.ATTESTATION),
    # Before the SBOMs, which may be what is attested.
    ("in-toto", Attaching.ATTESTATION),
    ("dsse", Attaching.ATTESTATION),
    ("sbom", Attaching.SBOM),
    ("spdx", Attaching.SBOM),
    ("cyclonedx", Attaching.SBOM),
    ("syft", Attaching.SBOM),
)
"""What a type contains, and what it means; the first that fits."""

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_BUNDLE_CONTENT: Final = "dev.sigstore.bundle.content"
_BUNDLE_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNING: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of the statement by which cosign 3 signs an image."""

_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"


def purpose_of(
    tag: str | None,
    artifact_type: str | None,
    annotations: Mapping[str, str] | None,
    layer_types: Iterable[str],
) -> Attaching:
    """Return what an attached manifest is for.

    Args:
        tag: the attachment tag that leads to it; None: it is a referrer.
        artifact_type: as the referrers API reports it.
        annotations: the manifest's.
        layer_types: the layers' media types: older artifacts say it only there.
    """
    suffix = tag.partition(".")[2] if tag is not None else ""
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    for media_type in (artifact_type or "", *layer_types):
        said = _said_by(media_type.lower(), annotations or {})
        if said is not None:
            return said
    return Attaching.OTHER


def _said_by(media_type: str, annotations: Mapping[str, str]) -> Attaching | None:
    if media_type.startswith(_BUNDLE):
        # The type is the same for what `cosign sign` and `cosign attest` make.
        predicate = annotations.get(_BUNDLE_PREDICATE)
        is_statement = annotations.get(_BUNDLE_CONTENT) == "dsse-envelope"
        if predicate == _SIGNING or not (predicate or is_statement):
            return Attaching.SIGNATURE
        return Attaching.ATTESTATION
    return next((purpose for part, purpose in _BY_TYPE if part in media_type), None)


def attested_by(annotations: Mapping[str, str] | None) -> str | None:
    """Return the digest of the image that an index's entry attests, as BuildKit says it."""
    if annotations is None or annotations.get(_REFERENCE_TYPE) != "attestation-manifest":
        return None
    return annotations.get(_REFERENCE_DIGEST)
