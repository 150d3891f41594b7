"""Judge the shipped dictionary on manifests that it was not made from.

Prints, for each client, the bytes of its manifests raw, compressed alone, and compressed with the
dictionary, and how much of that is digests, which nothing can make smaller. Exits with 1 unless
the held-out manifests with the dictionary take at most `LIMIT` of what they take without.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import zstandard
from train import DICTIONARY, LEVEL, client_of, read

LIMIT = 0.80

DIGEST = re.compile(rb"sha256:([0-9a-f]{64})")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What some manifests take, in bytes."""

    count: int = 0
    raw: int = 0
    without: int = 0
    with_dictionary: int = 0
    digests: int = 0

    def __add__(self, other: Sizes) -> Sizes:
        """Add each number to its own kind."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Sizes(*(one + another for one, another in pairs))

    @property
    def ratio(self) -> float:
        """Divide what is stored with the dictionary by what would be without."""
        return self.with_dictionary / self.without


def measure(manifests: Mapping[str, bytes], dictionary: bytes) -> dict[str, Sizes]:
    """Compress each manifest alone, both ways, and read it back; answer by file name."""
    known = zstandard.ZstdCompressionDict(dictionary)
    plain = zstandard.ZstdCompressor(level=LEVEL)
    helped = zstandard.ZstdCompressor(level=LEVEL, dict_data=known)
    back = zstandard.ZstdDecompressor(dict_data=known)
    sizes = {}
    for name, body in manifests.items():
        stored = helped.compress(body)
        if back.decompress(stored) != body:
            raise RuntimeError(f"{name} did not come back as it was")
        # A digest is 32 random bytes however it is written; its second mention costs nothing.
        digests = 32 * len(set(DIGEST.findall(body)))
        sizes[name] = Sizes(1, len(body), len(plain.compress(body)), len(stored), digests)
    return sizes


def total(sizes: Iterable[Sizes]) -> Sizes:
    """Add up."""
    return sum(sizes, Sizes())


def by_client(sizes: Mapping[str, Sizes]) -> dict[str, Sizes]:
    """Add up the manifests of each client."""
    clients = sorted({client_of(name) for name in sizes})
    return {
        client: total(one for name, one in sizes.items() if client_of(name) == client)
        for client in clients
    }


def row(side: str, what: str, sizes: Sizes) -> str:
    """Lay out one line of the table."""
    numbers = (sizes.count, sizes.raw, sizes.without, sizes.with_dictionary, sizes.digests)
    cells = [side, what, *(f"{number:,}" for number in numbers), f"{sizes.ratio:.3f}"]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; answer 1 if the dictionary does not pay on what it never saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dictionary", type=Path, default=DICTIONARY)
    dictionary = parser.parse_args(arguments).dictionary.read_bytes()
    train = by_client(measure(read("train"), dictionary))
    each = measure(read("held-out"), dictionary)
    held_out = by_client(each)
    known = total(sizes for client, sizes in held_out.items() if client in train)
    new = total(sizes for client, sizes in held_out.items() if client not in train)
    verdict = total((known, new))
    print("| side | client | manifests | raw | without | with | digests alone | with / without |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for client, sizes in train.items():
        print(row("train", client, sizes))
    for client, sizes in held_out.items():
        print(row("held-out", client if client in train else f"{client} (never seen)", sizes))
    print(row("train", "**all**", total(train.values())))
    print(row("held-out", "new images of trained clients", known))
    print(row("held-out", "clients never seen", new))
    print(row("held-out", "**all**", verdict))
    worst = max(each, key=lambda name: each[name].ratio)
    print(f"\nWorst held-out manifest: {worst}, {each[worst].ratio:.3f}")
    print(f"Held-out ratio {verdict.ratio:.3f}; at most {LIMIT:.2f} is asked for")
    return 0 if verdict.ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
