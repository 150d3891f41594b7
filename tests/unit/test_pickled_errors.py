"""Errors cross from the promoter to its workers: as what they are, with all that they say."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator

import pytest

from liftlock.errors import DigestInvalid, LiftlockError, NameInvalid

SAMPLES = {"str": "a text", "int": 3, "bytes": b"\x01", "bool": True, "object": ("anything",)}


def all_below(kind: type[LiftlockError]) -> Iterator[type[LiftlockError]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith("liftlock."):
            yield below
            yield from all_below(below)


def sample_of(kind: type[LiftlockError]) -> LiftlockError:
    parameters = inspect.signature(kind).parameters.values()
    return kind(
        *(
            ("one", "two")
            if "Iterable" in each.annotation or "Sequence" in each.annotation
            else SAMPLES[each.annotation.partition(" ")[0]]
            for each in parameters
            if each.kind is not inspect.Parameter.KEYWORD_ONLY
        )
    )


@pytest.mark.parametrize("kind", sorted(all_below(LiftlockError), key=str))
def test_an_error_comes_back_as_it_was(kind: type[LiftlockError]) -> None:
    error = sample_of(kind)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_an_error_comes_back_with_all_for_which_it_speaks() -> None:
    first, second = NameInvalid("A", "it shouts"), DigestInvalid("x", "it is none")
    back = pickle.loads(pickle.dumps(first.among([first, second])))
    assert back.violations[0] is back
    assert list(map(str, back.violations)) == [str(first), str(second)]
