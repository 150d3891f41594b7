"""For which platform a single image is made, if no index says it: its config does."""

from __future__ import annotations

from itertools import islice
from typing import Final, TypeGuard

import msgspec

from liftlock.config import Limits
from liftlock.errors import RecordCorrupt
from liftlock.inspecting.reading import Seen
from liftlock.oci.digest import Digest
from liftlock.oci.mediatype import IMAGE_CONFIGS
from liftlock.storedblobs import Read

_PART_CHARACTERS_MAX: Final = 100
"""Of an operating system's or architecture's name; a config may contain anything."""


def find_platforms(seen: Seen, read: Read, limits: Limits) -> dict[bytes, str]:
    """Return the platforms, by manifest, of images of which no index says it.

    A config that is too large, damaged, or no config tells nothing.
    """
    found: dict[bytes, str] = {}
    for digest in list(_untold(seen))[: limits.inspected_configs_max]:
        config = _config(seen, digest)
        platform = _platform(config, seen, read, limits) if config is not None else None
        if platform is not None:
            found[digest] = platform
    return found


def _untold(seen: Seen) -> dict[bytes, None]:
    """Return the image itself, and children whose index does not say a platform."""
    untold = {seen.root: None}
    for present in seen.present.values():
        for child in present.manifest.children if present.manifest is not None else ():
            if child.platform is None:
                untold[child.digest.key] = None
    return untold


def _config(seen: Seen, digest: bytes) -> Digest | None:
    present = seen.present.get(digest)
    config = present.manifest.config if present is not None and present.manifest else None
    return config.digest if config is not None and config.media_type in IMAGE_CONFIGS else None


def _platform(config: Digest, seen: Seen, read: Read, limits: Limits) -> str | None:
    record = seen.blobs.get(config.key)
    if record is None or record.size > limits.inspected_config_bytes_max:
        return None
    try:
        content = b"".join(islice(read(config), 1 + record.size // limits.copy_bytes))
        document = msgspec.json.decode(content)
    except (OSError, RecordCorrupt, ValueError, msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict) or Digest.of(content, config.algorithm) != config:
        return None
    parts = [document.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(filter(_is_named, parts)) or None


def _is_named(part: object) -> TypeGuard[str]:
    return isinstance(part, str) and 0 < len(part) <= _PART_CHARACTERS_MAX
