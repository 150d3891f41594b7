"""Documents: the JSON and YAML that people send, and the JSON that they get.

The same over HTTP and in the CLI. Instants are RFC 3339 in UTC, digests are whole. Each form is a
type: what it reads is validated by it, what it says has all its fields.
"""

from __future__ import annotations

from liftlock.documents.changes import (
    NewRegistry,
    NewRegistryDocument,
    RegistryChange,
    RegistryChangeDocument,
    SettingsChangeDocument,
    read_new_registry,
    read_registry_change,
)
from liftlock.documents.configuration import SettingDocument, setting_document
from liftlock.documents.contents import (
    HistoriesDocument,
    HistoryDocument,
    ReferrerDocument,
    ReferrersDocument,
    RegistriesDocument,
    RegistryDocument,
    RepositoriesDocument,
    RepositoryDocument,
    SettingsDocument,
    TagDocument,
    TagsDocument,
    UsageDocument,
    history_document,
    referrer_document,
    registry_document,
    repository_document,
    settings_document,
    tag_document,
    usage_document,
)
from liftlock.documents.deletions import DeletionDocument, deletion_document
from liftlock.documents.form import (
    instant,
)
from liftlock.documents.problems import (
    ProblemDocument,
    ViolationDocument,
)
from liftlock.documents.promotions import (
    CountsDocument,
    PromotionDocument,
    PromotionItemDocument,
    PromotionsDocument,
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
    WhereDocument,
    inspection_document,
    stats_document,
    whereabouts_document,
)

__all__ = [
    "Asked",
    "AttachmentDocument",
    "CountsDocument",
    "DeletionDocument",
    "DescriptorDocument",
    "HistoriesDocument",
    "HistoryDocument",
    "InspectionDocument",
    "ItemDocument",
    "NewRegistry",
    "NewRegistryDocument",
    "ProblemDocument",
    "PromotionDocument",
    "PromotionItemDocument",
    "PromotionsDocument",
    "ReferrerDocument",
    "ReferrersDocument",
    "RegistriesDocument",
    "RegistryChange",
    "RegistryChangeDocument",
    "RegistryDocument",
    "RepositoriesDocument",
    "RepositoryDocument",
    "RequestDocument",
    "SettingDocument",
    "SettingsChangeDocument",
    "SettingsDocument",
    "StatsDocument",
    "SummaryDocument",
    "TagDocument",
    "TagsDocument",
    "UndoDocument",
    "UsageDocument",
    "ViolationDocument",
    "WhereDocument",
    "WhereaboutsDocument",
    "deletion_document",
    "history_document",
    "inspection_document",
    "instant",
    "promotion_document",
    "read_key",
    "read_new_registry",
    "read_registry_change",
    "read_request",
    "read_undo",
    "referrer_document",
    "registry_document",
    "repository_document",
    "setting_document",
    "settings_document",
    "stats_document",
    "summary_document",
    "tag_document",
    "usage_document",
    "whereabouts_document",
]
