"""Promotions as people read them: a sentence, a table, or how a long one begins."""

from __future__ import annotations

import json

import pytest

from liftlock.model import Mode, Outcome, Promotion, PromotionItem, Tally
from liftlock.oci.digest import Digest
from liftlock_cli import promotionviews
from liftlock_cli.output import Form
from liftlock_cli.promoting import print_made
from liftlock_cli.promotionviews import print_promotion

OLD, NEW = Digest.of(b"old"), Digest.of(b"new")
PLAN = "5f" * 16
WHOLE = PromotionItem(
    "dev/app", "prod/app", None, None, Outcome.CREATE, tally=Tally(5, 2, 0, 0, 3, 9)
)


def item(tag: str, **more) -> PromotionItem:
    return PromotionItem(f"dev/app:{tag}", f"prod/app:{tag}", NEW, OLD, Outcome.OVERWRITE, **more)


def made(*items: PromotionItem, **more) -> Promotion:
    fields = {
        "id": 7, "changed": True, "plan": PLAN, "undoes": None, "mode": Mode.COPY, **more,
    }  # fmt: skip
    return Promotion(
        at=0, by="test", comment="", items=items, linked=2,
        manifests=(NEW, OLD),
        referrers=(OLD,), records=23, **fields,
    )  # fmt: skip


@pytest.fixture
def lines(capsys):
    def printed(promotion: Promotion, form: Form = Form.TABLE, **how: bool):
        print_promotion(promotion, form, **how)
        return capsys.readouterr().out.splitlines()

    return printed


def test_one_item_is_a_sentence(lines):
    assert lines(made(item("1"))) == [
        (
            f"promotion 7: dev/app:1 -> prod/app:1 {NEW} overwritten (was {OLD}); "
            "2 manifests, 1 referrer, 23 records"
        )
    ]
    assert lines(made(WHOLE)) == [
        (
            "promotion 7: dev/app -> prod/app created (5 tags: 2 created, 3 unchanged; "
            "9 manifests); 2 manifests, 1 referrer, 23 records"
        )
    ]


def test_several_items_are_a_table(lines):
    head, title, *rows = lines(made(item("1"), item("sha256-0.sig", attachment=True), WHOLE))
    assert head == (
        "promotion 7: 3 items, 1 attachment tag among them; 2 manifests, 1 referrer, 23 records"
    )
    assert title.split() == ["SOURCE", "TARGET", "ACTION", "OLD", "NEW", "NOTE"]
    assert rows[0].split() == ["dev/app:1", "prod/app:1", "overwrite", str(OLD), str(NEW)]
    assert rows[1].endswith(" attachment")
    assert rows[2].split()[:5] == ["dev/app", "prod/app", "create", "-", "-"]
    assert rows[2].endswith(" 5 tags: 2 created, 3 unchanged; 9 manifests")


def test_a_dry_run_is_a_table_and_tells_how_to_use_its_plan(lines):
    head, title, row, plan = lines(made(item("1"), id=None), dry_run=True)
    assert head.startswith("dry run of a copy, nothing was changed: 1 item; ")
    assert title.split()[-1] == "NEW"
    assert row.split()[2] == "overwrite"
    assert plan == (
        f"plan {PLAN}: to do just this or nothing, repeat the command with --plan {PLAN} "
        "instead of --dry-run"
    )


def test_a_dry_run_of_an_undo_has_no_plan(lines):
    printed = lines(made(item("1"), id=None, undoes=3, plan=""), dry_run=True)
    assert printed[0].startswith("dry run of an undo, nothing was changed (undoes 3): ")
    assert len(printed) == 3


def test_a_dry_run_says_what_becomes_of_the_source(lines):
    dry = {"id": None, "mode": Mode.MOVE}
    moved = made(item("1", taken=True), WHOLE._replace(taken=True), item("2"), **dry)
    head, _, tag, whole, kept, _ = lines(moved, dry_run=True)
    assert head.startswith("dry run of a move, nothing was changed: 3 items; ")
    assert tag.endswith(" source tag would be taken")
    assert whole.endswith("9 manifests; source name would be taken")
    assert "taken" not in kept
    purged = made(item("1", taken=True), purged=1, **dry)
    head = lines(purged, dry_run=True, purging=True)[0]
    assert head.startswith("dry run of a move, purging, nothing was changed: 1 item; ")
    assert head.endswith(", 23 records, 1 manifest purged")


def test_a_move_says_what_it_took_where_the_target_was_right_already(lines):
    same = item("1", taken=True)._replace(action=Outcome.UNCHANGED, previous_digest=NEW)
    assert lines(made(same, mode=Mode.MOVE, purged=2)) == [
        (
            f"promotion 7: dev/app:1 -> prod/app:1 {NEW} unchanged; source tag taken; "
            "2 manifests, 1 referrer, 23 records, 2 manifests purged"
        )
    ]
    _, title, row, _ = lines(made(same, item("2")))
    assert title.split()[-1] == "NOTE"
    assert row.endswith(" source tag taken")


def test_the_undo_of_a_renaming_goes_a_way_and_that_of_a_tag_goes_none(lines):
    back = PromotionItem("prod/swap2", "prod/swap", None, None, Outcome.CREATE)
    (line,) = lines(made(back, undoes=5))
    assert line.startswith("promotion 7 (undoes 5): prod/swap2 -> prod/swap created; ")
    (line,) = lines(made(back._replace(source="prod/swap"), undoes=5))
    assert line.startswith("promotion 7 (undoes 5): prod/swap created; ")
    (line,) = lines(made(item("1"), undoes=5))
    assert line.startswith(f"promotion 7 (undoes 5): prod/app:1 {NEW} ")


def test_a_table_may_go_to_stderr(capsys):
    print_promotion(made(item("1"), item("2")), Form.TABLE, dry_run=True, err=True)
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 5)


def test_warnings_are_told_beside_the_result(capsys):
    for form in Form:
        print_made(made(item("1"), warnings=("Odd\x1b.", "Odder.")), form, dry_run=True)
        out, err = capsys.readouterr()
        assert "Warning: " not in out
        assert err == "Warning: Odd\\x1b.\nWarning: Odder.\n"


def test_of_many_items_the_first_are_shown_and_json_has_all(lines):
    most = promotionviews._ITEMS_MAX
    exact = made(*(item(str(number)) for number in range(most)))
    assert len(lines(exact)) == most + 2
    more = made(*(item(str(number)) for number in range(most + 3)))
    printed = lines(more)
    assert len(printed) == most + 3
    assert printed[-1] == "… and 3 more items; -o json prints them all"
    assert len(json.loads("\n".join(lines(more, Form.JSON)))["items"]) == most + 3


def test_what_is_right_already_says_so(lines):
    unchanged = item("1")
    assert lines(made(unchanged, unchanged, id=None, changed=False))[0].startswith("nothing to do:")
    again = made(unchanged, id=9, undoes=7, changed=False)
    assert lines(again) == ["promotion 7 was undone already, by promotion 9"]


def test_the_name_is_the_number_if_there_is_one(lines):
    assert lines(made(item("1")), Form.NAME) == ["7"]
    assert lines(made(item("1"), id=None), Form.NAME, dry_run=True) == []


def test_nothing_that_is_stored_steers_the_terminal(lines):
    harmful = PromotionItem("dev/\x1b[2J", "prod/\r\n", NEW, None, Outcome.CREATE)
    for promotion in (made(harmful), made(harmful, harmful)):
        assert all(line.isprintable() for line in lines(promotion))
