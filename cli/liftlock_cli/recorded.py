"""`promotion`: the promotions that were made, by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from liftlock.engine import Engine
from liftlock.model import Page, PromotionSummary
from liftlock_cli.names import parse_number, parsed_by
from liftlock_cli.opening import Settings, reading
from liftlock_cli.output import Form, instant_text, output_option, print_facts, print_many
from liftlock_cli.paging import every
from liftlock_cli.promotionviews import SUMMARIES, print_promotion


@click.group()
def promotion() -> None:
    """List and show the promotions that were made."""


@promotion.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="Print at most so many.  [default: all]")
@output_option
@click.pass_obj
def list_(settings: Settings, *, limit: int | None, form: Form) -> None:
    """List promotions and undos, newest first."""
    with reading(settings) as engine:
        print_many(form, SUMMARIES, islice(_summaries(engine, limit), limit))


@promotion.command()
@click.argument("number", callback=parsed_by(parse_number), metavar="NUMBER")
@output_option
@click.pass_obj
def show(settings: Settings, *, number: int, form: Form) -> None:
    """Show what promotion NUMBER did, as it answered then."""
    with reading(settings) as engine:
        found = engine.get_promotion(number)
        if form is Form.TABLE:
            facts = [
                ("promotion", str(number)),
                ("when", instant_text(found.at)),
                ("who", found.by),
                ("mode", found.mode.value),
                ("comment", found.comment),
            ]
            print_facts([(name, value) for name, value in facts if value])
        print_promotion(found, form)


def _summaries(engine: Engine, limit: int | None) -> Iterator[PromotionSummary]:
    def fetch(before: int | None) -> Page[PromotionSummary]:
        return engine.list_promotions(before=before, limit=limit)

    return every(fetch, None, lambda summary: summary.id)
