"""Train the dictionary that manifests are stored with, and show how its size was chosen.

What a dictionary can know is the text between the digests: media types, keys, the layout each
client writes. A digest itself never comes again, yet a trainer that sees the layers that the
versions of one image share would keep those digests. So every run of hex or base64 is replaced
by random characters of its own kind before training. The literals are then coded for what they
will be, random hex, and no digest occurs twice, so none is worth keeping.

Training is deterministic: the parameters, the samples' order and the random characters are fixed.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import timeit
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import zstandard

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
DICTIONARY = HERE.parents[1] / "engine" / "liftlock" / "metadata" / "manifests.zdict"

DICTIONARY_ID = 1
SIZE_BYTES = 2048
LEVEL = 4
# The length of a segment and of what is hashed in it. Fixed, because the search for them would
# make the result depend on how a library splits the samples.
SEGMENT, HASHED = 200, 6
# Each manifest is seen several times with other digests: then the trainer can tell better what
# is text and what is chance.
COPIES = 8
SEED = 1

HEX, BASE64 = b"0123456789abcdef", bytes(range(65, 91)) + bytes(range(97, 123)) + b"0123456789+/"
CHANCE = re.compile(rb"[0-9a-f]{16,}|[A-Za-z0-9+/]{60,}")


def read(side: str) -> dict[str, bytes]:
    """Read one side of the corpus, in the order of its names."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / side).glob("*.json"))}


def client_of(name: str) -> str:
    """Say which client wrote the manifest that lies in this file."""
    return name.rpartition("-")[0]


def without_digests(manifest: bytes, rng: random.Random) -> bytes:
    """Replace what is random in `manifest` by other random characters of the same kind."""

    def other(match: re.Match[bytes]) -> bytes:
        alphabet = HEX if set(match[0]) <= set(HEX) else BASE64
        return bytes(rng.choices(alphabet, k=len(match[0])))

    return CHANCE.sub(other, manifest)


def samples(
    manifests: Sequence[bytes], copies: int = COPIES
) -> list[bytes | bytearray | memoryview]:
    """Make what is trained on; without copies, the manifests as they are."""
    rng = random.Random(SEED)
    if not copies:
        return list(manifests)
    return [without_digests(manifest, rng) for _ in range(copies) for manifest in manifests]


def train(
    manifests: Sequence[bytes], size: int = SIZE_BYTES, level: int = LEVEL, copies: int = COPIES
) -> bytes:
    """Make a dictionary of `size` bytes from `manifests`: from the same ones always the same."""
    return zstandard.train_dictionary(
        size,
        samples(manifests, copies),
        k=SEGMENT,
        d=HASHED,
        dict_id=DICTIONARY_ID,
        level=level,
    ).as_bytes()


def compressed(manifests: Iterable[bytes], level: int, dictionary: bytes | None = None) -> int:
    """Count the bytes that `manifests` take, each compressed alone."""
    known = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    compressor = zstandard.ZstdCompressor(level=level, dict_data=known)
    return sum(len(compressor.compress(manifest)) for manifest in manifests)


def microseconds(manifests: Sequence[bytes], level: int, dictionary: bytes) -> float:
    """Time the encoding of one manifest, with the tables of the dictionary made beforehand."""
    known = zstandard.ZstdCompressionDict(dictionary)
    known.precompute_compress(level=level)
    compressor = zstandard.ZstdCompressor(level=level, dict_data=known)

    def encode() -> None:
        for manifest in manifests:
            compressor.compress(manifest)

    return min(timeit.repeat(encode, number=1, repeat=7)) / len(manifests) * 1e6


def sweep(trained: Mapping[str, bytes], held_out: Mapping[str, bytes]) -> None:
    """Print what each size, level and normalisation leaves of the held-out manifests."""
    known, unseen = list(trained.values()), list(held_out.values())
    print("| dictionary | trained on | " + " | ".join(f"level {n}" for n in LEVELS) + " |")
    print("| ---: | --- |" + " ---: |" * len(LEVELS))
    for size in (1024, 2048, 4096, 8192, 16384):
        for copies, label in ((0, "raw"), (1, "other digests"), (8, "the same, 8 times")):
            dictionary = train(known, size, copies=copies)
            row = [compressed(unseen, level, dictionary) for level in LEVELS]
            print(f"| {size} | {label} | " + " | ".join(f"{n:,}" for n in row) + " |")
    times = [microseconds(unseen, level, train(known)) for level in LEVELS]
    print("| | µs to encode one | " + " | ".join(f"{n:.0f}" for n in times) + " |")
    plain = [compressed(unseen, level) for level in LEVELS]
    print("| none | | " + " | ".join(f"{n:,}" for n in plain) + " |")


LEVELS = (3, 4, 5, 6, 9, 12, 15, 19)


def leave_one_out(trained: Mapping[str, bytes]) -> None:
    """Print, for each trained client, how a dictionary does that was made without it.

    This looks at the training side only, so it checks the choice of the size without having been
    used for it.
    """
    sizes = (1024, 2048, 4096, 8192, 16384)
    print("| left out | without | " + " | ".join(f"{size}" for size in sizes) + " |")
    print("| --- | ---: |" + " ---: |" * len(sizes))
    for client in sorted({client_of(name) for name in trained}):
        others = [body for name, body in trained.items() if client_of(name) != client]
        own = [body for name, body in trained.items() if client_of(name) == client]
        plain = compressed(own, LEVEL)
        ratios = [compressed(own, LEVEL, train(others, size)) / plain for size in sizes]
        print(f"| {client} | {plain:,} | " + " | ".join(f"{ratio:.3f}" for ratio in ratios) + " |")


def main() -> int:
    """Write the dictionary, or show the measurements it was chosen by."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sweep", action="store_true", help="measure sizes and levels, and stop")
    parser.add_argument("--leave-one-out", action="store_true", help="measure on unseen clients")
    parser.add_argument("--output", type=Path, default=DICTIONARY)
    options = parser.parse_args()
    trained = read("train")
    if options.sweep:
        sweep(trained, read("held-out"))
    elif options.leave_one_out:
        leave_one_out(trained)
    else:
        dictionary = train(list(trained.values()))
        options.output.write_bytes(dictionary)
        print(f"{len(dictionary)} bytes from {len(trained)} manifests, for level {LEVEL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
