"""The shipped dictionary is what training makes, and it pays on manifests it never saw."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import zstandard

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "dictionary"
# The digest of "{}": the one that unrelated artifacts share by design.
EMPTY = hashlib.sha256(b"{}").hexdigest().encode()
# From 1.5.2 to here zstd makes the same dictionary; a later one may choose its segments otherwise.
SAME_UNTIL = (1, 5, 7)


def load(name: str) -> ModuleType:
    """Load a script by its path, so that it need not be a package."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType]:
    """Load the trainer and the judge, which imports the trainer by its name."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("train", "judge"):
            patch.delitem(sys.modules, name, raising=False)
        found = (load("train"), load("judge"))
        for name in ("train", "judge"):
            del sys.modules[name]
    return found


@pytest.fixture(scope="module")
def train(scripts: tuple[ModuleType, ModuleType]) -> ModuleType:
    """Give the trainer."""
    return scripts[0]


@pytest.fixture(scope="module")
def judge(scripts: tuple[ModuleType, ModuleType]) -> ModuleType:
    """Give the judge."""
    return scripts[1]


@pytest.fixture(scope="module")
def sides(train: ModuleType) -> dict[str, dict[str, bytes]]:
    """Read both sides of the corpus."""
    return {side: train.read(side) for side in ("train", "held-out")}


@pytest.fixture(scope="module")
def dictionary(train: ModuleType) -> bytes:
    """Read the shipped dictionary."""
    content: bytes = train.DICTIONARY.read_bytes()
    return content


def digests(manifests: dict[str, bytes]) -> set[bytes]:
    """Collect every digest that any of `manifests` names."""
    return {found for body in manifests.values() for found in re.findall(rb"[0-9a-f]{64}", body)}


def test_the_shipped_dictionary_is_what_training_makes(
    train: ModuleType, sides: dict[str, dict[str, bytes]], dictionary: bytes
) -> None:
    """The file in the package can be made again from the corpus, byte for byte."""
    again = train.train(list(sides["train"].values()))
    if zstandard.ZSTD_VERSION <= SAME_UNTIL:
        assert again == dictionary
    else:
        unseen = list(sides["held-out"].values())
        shipped = train.compressed(unseen, train.LEVEL, dictionary)
        assert train.compressed(unseen, train.LEVEL, again) == pytest.approx(shipped, rel=0.02)


def test_the_dictionary_has_the_size_and_the_id_that_were_chosen(
    train: ModuleType, dictionary: bytes
) -> None:
    """Stored frames name the dictionary by its id, so the id can never change unseen."""
    assert len(dictionary) == train.SIZE_BYTES
    assert zstandard.ZstdCompressionDict(dictionary).dict_id() == train.DICTIONARY_ID == 1


def test_the_dictionary_holds_no_digest_of_the_corpus(
    sides: dict[str, dict[str, bytes]], dictionary: bytes
) -> None:
    """No byte is spent on a digest that will never come again."""
    known = b" ".join(digests(sides["train"]))
    runs = re.findall(rb"[0-9a-f]{16,}", dictionary)
    assert [run for run in runs if run[:16] in known] == []


def test_the_two_sides_share_no_manifest_and_no_digest(
    sides: dict[str, dict[str, bytes]],
) -> None:
    """What the dictionary is judged on was not there when it was made."""
    bodies = [body for side in sides.values() for body in side.values()]
    assert len(set(bodies)) == len(bodies)
    assert digests(sides["train"]) & digests(sides["held-out"]) <= {EMPTY}


def test_the_dictionary_was_made_from_many_clients_and_judged_on_others(
    train: ModuleType, sides: dict[str, dict[str, bytes]]
) -> None:
    """At least four clients are trained on, and one at least is only judged on."""
    trained, held_out = ({train.client_of(name) for name in side} for side in sides.values())
    assert len(trained) >= 4
    assert held_out - trained
    assert trained <= held_out


def test_the_corpus_stays_small(sides: dict[str, dict[str, bytes]]) -> None:
    """A clone does not pay for the corpus with megabytes."""
    assert sum(len(body) for side in sides.values() for body in side.values()) < 1_500_000


def test_every_manifest_comes_back_as_it_was(
    train: ModuleType, sides: dict[str, dict[str, bytes]], dictionary: bytes
) -> None:
    """A round trip through the dictionary is exact, and the frame names the dictionary."""
    known = zstandard.ZstdCompressionDict(dictionary)
    compressor = zstandard.ZstdCompressor(level=train.LEVEL, dict_data=known)
    decompressor = zstandard.ZstdDecompressor(dict_data=known)
    for body in [*sides["train"].values(), *sides["held-out"].values(), b"", b"\x00\xff" * 40]:
        stored = compressor.compress(body)
        assert zstandard.get_frame_parameters(stored).dict_id == train.DICTIONARY_ID
        assert decompressor.decompress(stored) == body


def test_the_dictionary_pays_on_what_it_never_saw(
    judge: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """The judge is content, over all held-out manifests and over the clients never seen."""
    assert judge.main([]) == 0
    assert "clients never seen" in capsys.readouterr().out


def test_the_dictionary_pays_for_each_client_alone(
    judge: ModuleType, sides: dict[str, dict[str, bytes]], dictionary: bytes
) -> None:
    """No client's held-out manifests need another client's gain to meet the limit."""
    found = judge.by_client(judge.measure(sides["held-out"], dictionary))
    assert {client: sizes.ratio for client, sizes in found.items() if sizes.ratio > 0.80} == {}


def test_the_judge_refuses_a_dictionary_that_does_not_pay(
    judge: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A verdict is worth something only if it can be the other one."""
    useless = tmp_path / "useless.zdict"
    useless.write_bytes(hashlib.shake_256(b"noise").digest(2048))
    assert judge.main(["--dictionary", f"{useless}"]) == 1
    assert "is asked for" in capsys.readouterr().out
