"""Documents: the JSON and YAML that people send, and the JSON that they get.

The same over HTTP and in the CLI. Instants are RFC 3339 in UTC, digests are whole. Each form is a
type: what it reads is validated by it, what it says has all its fields.
"""

from __future__ import annotations

from liftlock.documents.contents import (
    HistoryDocument,
    RegistryDocument,
    RepositoryDocument,
    SettingsDocument,
    TagDocument,
    UsageDocument,
    history_document,
    registry_document,
    repository_document,
    settings_document,
    tag_document,
    usage_document,
)
from liftlock.documents.form import instant
from liftlock.documents.promotions import (
    PromotionDocument,
    PromotionItemDocument,
    SummaryDocument,
    promotion_document,
    summary_document,
)
from liftlock.documents.requests import (
    Asked,
    ItemDocument,
    RequestDocument,
    UndoDocument,
    read_key,
    read_request,
    read_undo,
)
from liftlock.documents.views import (
    AttachmentDocument,
    DescriptorDocument,
    InspectionDocument,
    StatsDocument,
    WhereaboutsDocument,
    inspection_document,
    stats_document,
    whereabouts_document,
)

__all__ = [
    "Asked",
    "AttachmentDocument",
    "DescriptorDocument",
    "HistoryDocument",
    "InspectionDocument",
    "ItemDocument",
    "PromotionDocument",
    "PromotionItemDocument",
    "RegistryDocument",
    "RepositoryDocument",
    "RequestDocument",
    "SettingsDocument",
    "StatsDocument",
    "SummaryDocument",
    "TagDocument",
    "UndoDocument",
    "UsageDocument",
    "WhereaboutsDocument",
    "history_document",
    "inspection_document",
    "instant",
    "promotion_document",
    "read_key",
    "read_request",
    "read_undo",
    "registry_document",
    "repository_document",
    "settings_document",
    "stats_document",
    "summary_document",
    "tag_document",
    "usage_document",
    "whereabouts_document",
]
