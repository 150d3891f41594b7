"""What a client can do about an error, in the API's words; its own sentence may say the CLI's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from liftlock import errors
from liftlock.errors import LiftlockError

REMEDIES: Final[Mapping[type[LiftlockError], str]] = {
    errors.NameInvalid: "Correct the name: `registry[/repository][:tag][@digest]`.",
    errors.NameIncomplete: "Name a repository of the registry, too: `registry/repository`.",
    errors.DigestInvalid: "Give a whole digest: `sha256:` and 64 digits of lower-case hex.",
    errors.TextInvalid: "Say it in fewer words, in valid Unicode.",
    errors.ParameterInvalid: "Correct or leave out the parameter; /api lists what there is.",
    errors.DocumentInvalid: "Correct the document; /api shows its form.",
    errors.PromotionInvalid: "Correct the request; /api shows its form.",
    errors.TagMoved: "Look at the tag, then ask again, expecting what you saw.",
    errors.PlanOutdated: "Look at the new plan in `promotion`, then send its hash as `plan`.",
    errors.AttachmentsDiffer: (
        'Say whose attachment tags count: "attachments": "source" or "attachments": "target".'
    ),
    errors.SparseManifest: 'Push what is missing to the source, or send "allow_sparse": true.',
    errors.SparseRefused: "Push what is missing, or let the registry allow sparse manifests.",
    errors.PurgeRefused: "Leave `purge` out, or let the source's registry allow deleting.",
    errors.TargetsCollide: "Give each source a target of its own.",
    errors.KeyReused: "Send a new request under a new Idempotency-Key.",
    errors.RegistryUnknown: "Create the registry (POST /api/v1/registries), or correct its name.",
    errors.RepositoryUnknown: "Push to the repository first, or correct its name.",
    errors.ManifestUnknown: "Push the image first, or correct the tag or digest.",
    errors.NothingSelected: "Look at what the source has, then select some of it.",
    errors.PromotionUnknown: "Look for its number among those of GET /api/v1/promotions.",
    errors.UndoRefused: "Look at what changed since, then promote what is meant.",
    errors.NameTaken: "Take another name, or use the registry that is there.",
    errors.RegistryNotEmpty: (
        "Move or delete its repositories first, or send `?force=true` to delete all it has."
    ),
    errors.Unsupported: (
        "Let the registry allow deleting (PATCH its `settings.allow_delete`); or first delete what "
        "needs it."
    ),
    errors.StoreBusy: "Send the same request again, under the same Idempotency-Key.",
    errors.OutcomeUnknown: "Look at the target's history before you send it again: somebody may "
    "have changed it since. With an Idempotency-Key from the first time on, it is safe.",
    errors.StoreFull: "Free space on the server's disk, then send the same request again.",
}
