"""The OCI specifications' nouns as values: pure, without I/O.

`liftlock` has the ones that every caller needs; the others stand here.
"""

from __future__ import annotations

from liftlock.oci.descriptor import Descriptor
from liftlock.oci.digest import ALGORITHMS, SHA256, SHA512, Digest
from liftlock.oci.reference import (
    NAME_CHARACTERS_MAX,
    REGISTRY_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    Reference,
    RepositoryName,
    Selection,
    Target,
    parse_registry,
    parse_tag,
)

__all__ = [
    "ALGORITHMS",
    "NAME_CHARACTERS_MAX",
    "REGISTRY_CHARACTERS_MAX",
    "SHA256",
    "SHA512",
    "TAG_CHARACTERS_MAX",
    "Descriptor",
    "Digest",
    "Reference",
    "RepositoryName",
    "Selection",
    "Target",
    "parse_registry",
    "parse_tag",
]
