"""The hash of a plan: the same if and only if the same would be written, to the same places."""

from __future__ import annotations

from blake3 import blake3

from liftlock.metadata import keys
from liftlock.promotion.request import PromotionRequest
from liftlock.promotion.values import Part, Repeated, Route, TagChange, Way, Whole

_HASH_BYTES = 16


class Fingerprint:
    """A hash in the making."""

    def __init__(self, request: PromotionRequest) -> None:
        self._hasher = blake3()
        side = request.attachments.value if request.attachments else ""
        self._feed("plan", request.mode.value, side, str(request.purge))

    def add_part(self, route: Route, part: Part) -> None:
        """Take in what happens to some images."""
        source = keys.id_key(route.source.id)
        target = keys.id_key(route.target.id if route.target else 0)
        self._feed("route", source, target, str(route.target_name))
        for change in part.sets:
            self._change("set", change)
        for change in part.removes:
            self._change("remove", change)
        for member in part.bringing.manifests:
            self._feed("link", member.digest, member.media_type)
        for child in sorted(part.bringing.gaps.children):
            self._feed("absent", child)
        for blob in sorted(part.bringing.gaps.blobs):
            self._feed("absent blob", blob)
        for child, parents in sorted(part.bringing.gaps.filled.items()):
            self._feed("fill", child, *parents)
        for member in part.purged:
            self._feed("unlink", member.digest)
        for blob in sorted({*part.bringing.waiting, *part.bringing.loose}):
            self._feed("blob", blob)

    def add_whole(self, whole: Whole) -> None:
        """Take in what happens to a repository."""
        source, target = whole.source, whole.target
        self._feed("whole", whole.way.value, keys.id_key(source.id), str(whole.target_name))
        if whole.way in {Way.COPY, Way.RENAME}:
            # All that it has goes along, so it must be the same in everything.
            self._feed("version", str(source.record.version))
        self._feed("target", keys.id_key(target.id if target else 0))

    def add_repeated(self, item: Repeated) -> None:
        """Take in what was done before."""
        self._feed("repeated", item.source, item.target, item.digest or b"")

    def hex(self) -> str:
        """Return the hash, in 32 hex digits."""
        return self._hasher.digest(_HASH_BYTES).hex()

    def _change(self, what: str, change: TagChange) -> None:
        old = change.old or b""
        self._feed(what, change.tag, change.digest, old, change.counterpart, change.outcome.value)

    def _feed(self, *parts: str | bytes) -> None:
        for part in parts:
            raw = part.encode() if isinstance(part, str) else part
            self._hasher.update(len(raw).to_bytes(4, "big") + raw)
