"""Every limit has a name, a unit and a default, and stands here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta

__all__ = ["DAY_MS", "HOUR_MS", "KIB", "MIB", "MINUTE_MS", "TIB", "Limits"]

KIB: Final = 1024
MIB: Final = 1024 * KIB
TIB: Final = 1024 * 1024 * MIB

MINUTE_MS: Final = 60 * 1000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one engine accepts and how long it keeps things; frozen, passed down, never global.

    Raises:
        ValueError: limits do not go together; the sentence says which, and why.
    """

    manifest_bytes_max: Annotated[int, Meta(ge=1, le=1024 * MIB)] = 4 * MIB
    """What one manifest has at most. The distribution spec asks registries to take 4 MiB."""
    json_depth_max: Annotated[int, Meta(ge=2, le=500)] = 64
    """Objects and arrays within each other in a manifest."""
    put_tags_max: int = 50
    """Tags that one push may set. The distribution spec asks registries to take at least 10; each
    is a header of the answer, and several HTTP clients read at most 100 of those."""
    blob_bytes_max: int = 1 * TIB
    """What one blob has at most."""
    page_entries_max: int = 1000
    """Tags or referrers in one answer; more come by cursor."""
    tagged_referrers_max: int = 10_000
    """Entries of a referrers tag's index that are looked at; each is read for each page."""
    where_repositories_max: int = 1000
    """Repositories that one call of `Engine.where` looks at; it goes on by cursor."""
    reasons_listed_max: int = 100
    """Tags, and parents, that `Engine.where` lists of what one repository has."""
    comment_characters_max: int = 1000
    """What a comment, which the history keeps, has at most."""

    closure_nesting_max: Annotated[int, Meta(ge=1, le=100)] = 8
    """Levels of index within index that a promotion follows."""
    closure_manifests_max: int = 10_000
    """Manifests that one tag may bring along."""
    inspected_configs_max: int = 100
    """Configs that `Engine.inspect` reads, of images of which no index tells the platform."""
    inspected_config_bytes_max: int = 1 * MIB
    """What such a config has at most; of a larger one, the platform stays unknown."""
    absent_listed_max: int = 1000
    """Manifests and blobs that a sparse promotion, or its refusal, names as absent."""
    transaction_records_max: int = 2_000_000
    """Records that one promotion may write; more are refused before the first is written."""
    promotion_items_max: int = 1000
    """Items of one promotion request; one may select any number of tags and repositories."""
    part_pairs_max: int = 1000
    """Images that a promotion follows and writes at a time. One with more is planned beside the
    writer; what it holds in memory is about 1 KiB an image, and this many with all they name."""
    plan_tries_max: int = 3
    """How often a big promotion is planned beside the writer before it is planned inside."""
    hold_ms: int = 7 * DAY_MS
    """Deleted repositories are swept after this long."""
    sweep_rows_max: int = 1000
    """Rows that a sweep removes in one transaction."""
    answer_keep_ms: int = 24 * HOUR_MS
    """How long an idempotency key stands for its first answer."""

    archive_members_max: int = 200_000
    """Members of a tar, folders among them, and entries of index.json or manifest.json."""
    archive_header_bytes_max: int = 256 * KIB
    """Of one member of a tar: everything about it that is not its content."""
    archive_index_bytes_max: int = 32 * MIB
    """Of index.json, manifest.json or oci-layout."""
    archive_manifests_bytes_max: int = 256 * MIB
    """Of all manifests and configs that an import reads; it keeps them in memory until its end."""
    archive_expansion_max: int = 200
    """How many bytes a compressed archive may give for each of its own, on the whole."""
    archive_expansion_free_bytes: int = 1024 * MIB
    """So much it may give whatever it has itself."""
    archive_window_bytes_max: int = 128 * MIB
    """Memory that a zstd-compressed archive may ask for."""
    archive_padding_bytes_max: int = 1 * MIB
    """Zeros after the end of a tar."""

    file_bytes_min: Annotated[int, Meta(ge=0, le=1 * MIB)] = 16 * KIB
    """A blob of fewer bytes is a row of the metadata, and no file. 0: all are files. A row is in
    memory as a whole whenever it is written or read."""
    upload_begin_ms: int = 1 * DAY_MS
    """An upload session that has no bytes after this long is over."""
    upload_idle_ms: int = 7 * DAY_MS
    """An upload session untouched for this long is removed."""
    orphan_grace_ms: int = 24 * HOUR_MS
    """A blob file without a record is removed once it is this old."""
    publish_age_ms_max: int = 1 * HOUR_MS
    """A file renamed longer ago than this may meet the orphan sweep: its commit refuses."""

    batch_operations_max: int = 64
    """Writes that share one commit, at most."""
    batch_records_max: int = 20_000
    """Records of the writes that share one commit; what writes more commits alone."""
    batch_ms_max: int = 20
    """How long the writes that share one commit may run."""
    writer_wait_ms_max: int = 30_000
    """How long a write waits for another process's before it gives up."""
    map_bytes: Annotated[int, Meta(ge=64 * MIB, le=64 * TIB)] = 1 * TIB
    """Address space that LMDB reserves; the file itself grows with use."""
    readers_max: Annotated[int, Meta(ge=64, le=65_536)] = 1024
    """Read transactions that all processes on a store may have at a time."""
    hash_states_max: int = 256
    """Open upload sessions of which this process remembers how far they are hashed; and as many
    that have no bytes yet."""
    copy_bytes: Annotated[int, Meta(ge=4 * KIB, le=256 * MIB)] = 1 * MIB
    """Bytes read or hashed at a time; in a server, `range_piece_bytes` counts instead."""

    def __post_init__(self) -> None:
        if self.publish_age_ms_max >= self.orphan_grace_ms:
            raise ValueError(
                f"publish_age_ms_max ({self.publish_age_ms_max}) must be less than "
                f"orphan_grace_ms ({self.orphan_grace_ms}): else a sweep could remove the file of "
                "a blob that is about to be committed"
            )
