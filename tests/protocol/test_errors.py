"""The table from errors to answers, and the reference page beside it."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from liftlock import Limits, errors
from liftlock.http.errors import TABLE, error_answer
from liftlock.http.limits import HttpLimits

PAGE = Path(__file__).parents[2] / "docs" / "http.md"

# distribution-spec, "Error Codes"
SPEC_CODES = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}


def leaves(cls):
    """The engine's, without those that tests derive from them."""
    ours = [sub for sub in cls.__subclasses__() if sub.__module__.startswith("liftlock.")]
    return [leaf for sub in ours for leaf in leaves(sub)] or [cls]


def test_every_leaf_error_stands_in_the_table_exactly_once():
    assert sorted(map(str, leaves(errors.LiftlockError))) == sorted(map(str, TABLE))


def test_answers_of_4xx_use_the_codes_of_the_spec():
    assert {said.code for said in TABLE.values() if said.status < 500} <= SPEC_CODES


def entries(answer):
    return json.loads(answer.body)["errors"]


def test_each_violation_has_its_entry():
    first, second = errors.NameInvalid("A", "it shouts"), errors.DigestInvalid("x", "it is none")
    answer = error_answer(first.among([first, second]), "id")
    assert answer.status == 400
    assert [entry["code"] for entry in entries(answer)] == ["NAME_INVALID", "DIGEST_INVALID"]
    assert entries(answer)[1]["detail"] == {"digest": "x"}


@pytest.mark.parametrize(
    "error", [errors.RecordCorrupt("tags", b"k", "checksum"), KeyError("surprise")]
)
def test_corruption_and_surprises_say_no_more_than_an_id(error, caplog):
    answer = error_answer(error, "the-id")
    assert answer.status == 500
    (entry,) = entries(answer)
    assert "the-id" in entry["message"]
    assert "checksum" not in str(entry)
    assert "surprise" not in str(entry)
    assert "the-id" in caplog.text


def test_a_subclass_is_said_like_its_class():
    class Narrower(errors.StoreFull):
        """Something more specific."""

    answer = error_answer(Narrower("a test"), "id")
    assert answer.status == 507
    assert (b"retry-after", b"1") in answer.headers


def test_the_page_lists_every_limit_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,.]+) \|", PAGE.read_text(), re.MULTILINE)
    documented = {name: float(text.replace(",", "")) for name, text in rows}
    defaults = {field.name: field.default for field in dataclasses.fields(HttpLimits)}
    of_engine = {field.name: field.default for field in dataclasses.fields(Limits)}
    assert documented == defaults | {
        name: of_engine[name] for name in documented if name not in defaults
    }


def test_the_page_lists_every_error_of_the_table():
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    documented = {
        (int(status), code, name) for status, code, names in rows for name in names.split(", ")
    }
    assert documented == {(*said, cls.__name__) for cls, said in TABLE.items()}
