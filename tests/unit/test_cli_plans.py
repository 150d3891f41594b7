"""Plans: a hash or a file, and what is different now."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from liftlock.documents import promotion_document
from liftlock.errors import PromotionInvalid
from liftlock.model import Mode, Outcome, Promotion, PromotionItem, Tally
from liftlock.oci.digest import Digest
from liftlock_cli import plans
from liftlock_cli.plans import differences, parse_plan, plan_of

OLD, NEW, OTHER = (Digest.of(text) for text in (b"old", b"new", b"other"))
HASH = "5f" * 16


def item(tag: str, **more) -> PromotionItem:
    fields = {"digest": NEW, "previous_digest": None, "action": Outcome.CREATE, **more}
    return PromotionItem(f"dev/app:{tag}", f"prod/app:{tag}", **fields)


def planned(*items: PromotionItem, **more) -> Promotion:
    fields = {"manifests": (NEW,), "mode": Mode.COPY, **more}
    return Promotion(
        id=None, at=0, by="test", comment="", items=items, linked=1, referrers=(),
        records=1, changed=True,
        plan=HASH, **fields,
    )  # fmt: skip


def told(before: Promotion, now: Promotion) -> list[str]:
    document = plan_of(promotion_document(before, dry_run=True))
    return list(differences(document, now))


@pytest.mark.parametrize("text", [HASH, "ab" * 32, f"blake3:{HASH}"])
def test_a_hash_is_a_hash(text):
    assert parse_plan(text) == plans.ExpectedPlan(text)


def test_a_file_has_the_hash_and_the_plan(tmp_path: Path):
    file = tmp_path / "plan.json"
    file.write_text(
        msgspec.json.encode(promotion_document(planned(item("1")), dry_run=True)).decode()
    )
    plan = parse_plan(str(file))
    assert (plan.hash, plan.file) == (HASH, file)
    assert plan.document
    assert [one.source for one in plan.document.items] == ["dev/app:1"]
    assert list(differences(plan.document, planned(item("1")))) == [
        "no item and no manifest: these repositories were changed in some other way"
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not what `--dry-run -o json` prints"),
        (b"\xff", "not what"),
        (b"{}", "missing required field `plan`"),
        (b'{"plan": null, "mode": "copy", "items": []}', "Expected `str`, got `null`"),
        (b"[]", "Expected `object`"),
        (b"[" * 100_000, "not what"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, body, told):
    file = tmp_path / "plan.json"
    file.write_bytes(body)
    with pytest.raises(PromotionInvalid) as raised:
        parse_plan(str(file))
    assert told in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path, monkeypatch):
    with pytest.raises(PromotionInvalid, match="No such file"):
        parse_plan(str(tmp_path / "none"))
    with pytest.raises(PromotionInvalid, match="Is a directory"):
        parse_plan(str(tmp_path))
    monkeypatch.setattr(plans, "_FILE_BYTES_MAX", 3)
    (tmp_path / "plan.json").write_bytes(b"1234")
    with pytest.raises(PromotionInvalid, match="longer than 3 bytes"):
        parse_plan(str(tmp_path / "plan.json"))


def test_items_that_went_came_and_changed_are_told():
    before = planned(item("1"), item("2"), item("3"))
    changed = item("2", digest=OTHER, previous_digest=OLD, action=Outcome.OVERWRITE)
    assert told(before, planned(changed, item("3"), item("4"))) == [
        "- dev/app:1 -> prod/app:1",
        f"+ dev/app:4 -> prod/app:4: create {NEW}",
        "~ dev/app:2 -> prod/app:2",
        f"    digest: {NEW} -> {OTHER}",
        f"    target was at: absent -> {OLD}",
        "    action: create -> overwrite",
    ]


def test_manifests_and_the_mode_are_told():
    before = planned(item("1"), manifests=(NEW, OLD))
    now = planned(item("1"), manifests=(NEW, OTHER), mode=Mode.MOVE)
    assert told(before, now) == ["mode: copy -> move", f"- manifest {OLD}", f"+ manifest {OTHER}"]


def test_counts_of_a_whole_repository_are_told():
    whole = item("1", digest=None, tally=Tally(3, 3, 0, 0, 0, 7))
    now = whole._replace(tally=Tally(4, 3, 0, 0, 1, 7))
    assert told(planned(whole), planned(now)) == [
        "~ dev/app:1 -> prod/app:1",
        "    tags: 3 -> 4",
        "    unchanged: 0 -> 1",
    ]


def test_of_many_differences_the_first_are_told_and_the_rest_counted():
    many = [item(str(number)) for number in range(plans._LINES_MAX + 7)]
    lines = told(planned(item("x")), planned(item("x"), *many))
    assert len(lines) == plans._LINES_MAX + 1
    assert lines[-1] == "… and 7 more that came"
