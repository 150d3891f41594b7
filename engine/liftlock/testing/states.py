"""What a store holds, told by names: for tests that compare before and after.

before = contents(store)
engine.promote(…)
assert tags_of(engine, "prod/app") == {"1": app.digest}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from liftlock import names
from liftlock.engine import Engine, PromotionRequest, RequestItem
from liftlock.metadata import keys
from liftlock.metadata.contract import MetadataStore, ReadTxn, Row, Table
from liftlock.metadata.counts import Counts
from liftlock.metadata.records import TagRecord, decoded
from liftlock.model import ANYTHING, Expected, Mode, Promotion
from liftlock.oci.digest import Digest
from liftlock.oci.reference import RepositoryName, Selection, Target

_OF_REQUEST: Final = frozenset({"mode", "attachments", "purge", "allow_sparse"})


@dataclass(frozen=True, slots=True)
class Content:
    """All that a repository has."""

    tags: dict[str, Digest]
    manifests: frozenset[Digest]
    blobs: frozenset[Digest]
    """Those that can be read there."""
    counts: Counts


def item(
    source: str,
    target: str,
    tags: str | tuple[str, ...] | None = None,
    *,
    retag: str | None = None,
    expect_source: Expected = ANYTHING,
    expect_target: Expected = ANYTHING,
) -> RequestItem:
    """Return an item of a request, written as people write it."""
    return RequestItem(
        Selection.parse(source), Target.parse(target), tags, retag, expect_source, expect_target
    )


def promote(engine: Engine, *items: RequestItem, **options: Any) -> Promotion:  # noqa: ANN401 - as the engine names them
    """Promote items as a set; what is no option of the request is one of the call."""
    of_request = {key: options.pop(key) for key in _OF_REQUEST & options.keys()}
    request = PromotionRequest(items, **of_request)
    return engine.promote_all(request, **{"by": "me"} | options)


def move(engine: Engine, *items: RequestItem, **options: Any) -> Promotion:  # noqa: ANN401 - as `promote`
    """Promote items as a set, by moving."""
    return promote(engine, *items, mode=Mode.MOVE, **options)


def submit_all(
    engine: Engine, requests: Iterable[PromotionRequest]
) -> list[Promotion | BaseException]:
    """Submit requests, to be promoted together; return for each what came of it."""
    futures = [engine.submit_promotion(request, by="me") for request in requests]
    return [future.exception() or future.result() for future in futures]


def tags_of(engine: Engine, name: str) -> dict[str, Digest]:
    """Return a repository's tags, and where they are."""
    page = engine.list_tags(RepositoryName.parse(name))
    return {tag.name: tag.digest for tag in page.entries}


def contents(store: MetadataStore) -> dict[str, Content]:
    """Return what each repository has that can be reached by its name."""

    def read(txn: ReadTxn) -> dict[str, Content]:
        return {
            f"{registry}/{repository}": _content(txn, number)
            for registry, home in names.iter_registries(txn)
            for repository, number in names.iter_repositories(txn, home)
        }

    return store.read(read)


def rows(store: MetadataStore) -> dict[Table, list[Row]]:
    """Return every row of the store."""
    return store.read(lambda txn: {table: list(txn.scan(table)) for table in Table})


def _content(txn: ReadTxn, number: int) -> Content:
    prefix = keys.id_key(number)
    holders = [keys.split_holder(key) for key, _ in txn.scan(Table.HOLDERS, prefix)]
    return Content(
        {
            keys.behind_id(key).decode(): Digest(
                decoded(TagRecord.decode, Table.TAGS, key, value).digest
            )
            for key, value in txn.scan(Table.TAGS, prefix)
        },
        frozenset(Digest(keys.behind_id(key)) for key, _ in txn.scan(Table.LINKS, prefix)),
        frozenset(
            Digest(each.digest)
            for each in holders
            if each.kind == keys.BLOB and each.grant == keys.GRANTS
        ),
        names.repository_record(txn, number).counts,
    )
