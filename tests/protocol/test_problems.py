"""Every error as a problem of RFC 9457."""

import json

import pytest

from liftlock import errors
from liftlock.http.errors import TABLE, RequestRefused
from liftlock.http.problems import problem_answer
from liftlock.http.remedies import REMEDIES
from liftlock.model import Mode, Promotion

PLAN = Promotion(None, 0, "x", Mode.COPY, "", (), 0, (), (), 0, changed=True, plan="new")

EXAMPLES = {
    errors.NameInvalid: (("A", "it shouts"), 422, "A"),
    errors.DigestInvalid: (("x", "it is none"), 422, "x"),
    errors.SizeInvalid: (("it broke off",), 400, None),
    errors.ManifestInvalid: (("it is none",), 400, None),
    errors.ManifestTooLarge: ((7,), 413, None),
    errors.TagsTooMany: ((7, 5), 414, None),
    errors.ChunkOutOfOrder: (("id", 7, 9), 416, None),
    errors.UploadMalformed: (("it is none",), 400, None),
    errors.Unsupported: (("It is not done.",), 405, None),
    errors.PageInvalid: (("x",), 400, None),
    errors.TextInvalid: (("the comment", "it is long"), 422, None),
    errors.ParameterInvalid: (("limit", "it is none"), 400, "limit"),
    errors.DocumentInvalid: (("it is none",), 422, None),
    errors.PromotionInvalid: (("it is none",), 422, None),
    errors.KeyReused: (("k",), 422, "k"),
    errors.ArchiveInvalid: (("a.tar", "it is none"), 422, None),
    errors.TransferInvalid: (("import", "it is none"), 422, None),
    errors.RegistryUnknown: (("dev",), 404, "dev"),
    errors.RepositoryUnknown: (("dev/a",), 404, "dev/a"),
    errors.NameIncomplete: (("dev",), 422, "dev"),
    errors.BlobUnknown: (("dev/a", "sha256:0"), 404, "dev/a"),
    errors.ManifestUnknown: (("dev/a", "1"), 404, "dev/a:1"),
    errors.NothingSelected: (("dev/a", "no tags like x*", "dev/a"), 404, "dev/a"),
    errors.ManifestBlobUnknown: (("dev/a", ["sha256:0"]), 404, "dev/a"),
    errors.UploadUnknown: (("id",), 404, None),
    errors.PromotionUnknown: ((7,), 404, "7"),
    errors.StoreUnknown: (("root",), 503, None),
    errors.ArchiveUnknown: (("a.tar",), 404, None),
    errors.TagMoved: (("dev/a:1", "absent", "sha256:0"), 412, "dev/a:1"),
    errors.PlanOutdated: (("old", "new", PLAN), 412, None),
    errors.TargetsCollide: (("prod/a:1", ["dev/a:1", "dev/b:1"]), 409, "prod/a:1"),
    errors.NameTaken: (("dev",), 409, "dev"),
    errors.RegistryNotEmpty: (("dev", 7), 409, "dev"),
    errors.AttachmentsDiffer: (("sha256-0.sig", "sha256:0", "sha256:1"), 409, "sha256-0.sig"),
    errors.SparseManifest: (("prod/a", ["sha256:0"]), 409, "prod/a"),
    errors.SparseRefused: (("prod", "prod/a", ["sha256:0"]), 409, "prod/a"),
    errors.PurgeRefused: (("dev",), 409, "dev"),
    errors.UndoRefused: ((7, "it changed"), 409, "7"),
    errors.UploadBusy: (("id",), 409, None),
    errors.StoreExists: (("root", "is in use"), 409, None),
    errors.TagTaken: (("prod/a:1", "sha256:0", "sha256:1"), 409, "prod/a:1"),
    errors.ExportExists: (("a.tar", "is there"), 409, None),
    errors.StoreBusy: (("it is",), 503, None),
    errors.OutcomeUnknown: ((), 503, None),
    errors.StoreFull: (("a test",), 507, None),
}
SILENT = {
    errors.RecordCorrupt: ("tags", b"k", "checksum"),
    errors.FormatUnknown: ("root", "9", "1"),
    errors.StoreDamaged: ("root", "blobs"),
    errors.BlobCorrupt: ("sha256:0", "its file is missing"),
    KeyError: ("surprise",),
}


def problem_of(error):
    answer = problem_answer(error, "the-id")
    headers = dict(answer.headers)
    assert headers.pop(b"content-type") == b"application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    return problem, headers


def test_there_is_an_example_of_every_error():
    assert EXAMPLES.keys() | SILENT.keys() == TABLE.keys() | {KeyError}


@pytest.mark.parametrize("cls", EXAMPLES, ids=lambda cls: cls.__name__)
def test_an_error_is_a_problem(cls):
    facts, status, about = EXAMPLES[cls]
    error = cls(*facts)
    problem, headers = problem_of(error)
    assert problem["status"] == status
    assert problem["detail"] == str(error)
    (violation,) = problem["violations"]
    assert problem["type"] == f"urn:liftlock:error:{violation['rule']}"
    words = violation["rule"].split("-")
    assert "".join(word.capitalize() for word in words) == cls.__name__
    assert problem["title"] == " ".join(words).capitalize()
    assert violation["object"] == about
    assert violation["detail"] == str(error)
    assert violation.get("remedy") == REMEDIES.get(cls)
    may_be_repeated = status in {503, 507} and cls is not errors.OutcomeUnknown
    assert (b"retry-after" in headers) == may_be_repeated
    assert (b"allow" in headers) == (status == 405)


@pytest.mark.parametrize("cls", SILENT, ids=lambda cls: cls.__name__)
def test_what_is_our_failure_says_no_more_than_an_id(cls, caplog):
    problem, _ = problem_of(cls(*SILENT[cls]))
    sentence = "The server failed. Its log tells why, under request the-id."
    assert problem == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": sentence,
        "request": "the-id",
    }
    assert "the-id" in caplog.text


def test_what_http_is_at_fault_for_has_no_type_of_its_own():
    refused = RequestRefused(405, "UNSUPPORTED", "Not here.", headers=[(b"allow", b"GET")])
    problem, headers = problem_of(refused)
    assert problem == {
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "Not here.",
    }
    assert headers == {b"allow": b"GET"}


@pytest.mark.parametrize(
    ("classes", "status"),
    [
        ([errors.AttachmentsDiffer, errors.TagMoved], 412),
        ([errors.TagMoved, errors.ManifestUnknown, errors.TargetsCollide], 404),
        ([errors.ManifestUnknown, errors.NameIncomplete], 422),
        ([errors.TargetsCollide, errors.PlanOutdated, errors.PromotionInvalid], 422),
    ],
)
def test_the_gravest_violation_gives_type_and_status(classes, status):
    violations = [cls(*EXAMPLES[cls][0]) for cls in classes]
    problem, _ = problem_of(violations[0].among(violations))
    assert problem["status"] == status
    rules = [violation["rule"] for violation in problem["violations"]]
    assert len(rules) == len(classes)
    (gravest,) = (cls for cls in classes if EXAMPLES[cls][1] == status)
    assert problem["type"].endswith(rules[classes.index(gravest)])
    assert problem["detail"].startswith(f"{len(classes)} rules are broken. ")


def test_an_outdated_plan_comes_with_the_new_one():
    problem, _ = problem_of(errors.PlanOutdated("old", "new", PLAN))
    assert problem["promotion"]["plan"] == "new"
    assert problem["promotion"]["dry_run"] is True


def test_a_subclass_is_said_like_its_class():
    class Narrower(errors.TagMoved):
        """Something more specific."""

    problem, _ = problem_of(Narrower("dev/a:1", "absent", "sha256:0"))
    assert problem["type"] == "urn:liftlock:error:tag-moved"
    assert problem["violations"][0]["remedy"] == REMEDIES[errors.TagMoved]


def test_a_list_that_nobody_reads_is_cut_and_says_so():
    violations = [errors.ManifestUnknown("dev/a", str(number)) for number in range(10_007)]
    problem, _ = problem_of(violations[0].among(violations))
    assert len(problem["violations"]) == 10_000
    assert problem["violations_left_out"] == 7


def test_facts_are_cut():
    problem, _ = problem_of(errors.NameInvalid("x" * 5000, "it is long"))
    assert len(problem["violations"][0]["facts"]["name"]) == 512
