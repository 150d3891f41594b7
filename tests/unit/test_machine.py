"""What an engine takes from the machine."""

from __future__ import annotations

import os

from liftlock.engine import new_id

ID_BYTES = 16


def test_ids_are_32_hex_digits_and_each_is_another() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {len(bytes.fromhex(each)) for each in ids} == {ID_BYTES}
    assert len(set(ids)) == len(ids)


def test_a_forked_child_gives_out_ids_of_its_own() -> None:
    new_id()  # whatever is drawn beforehand, is drawn now
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(bytes.fromhex(new_id()) for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        raw = pipe.read()
    theirs = {raw[start : start + ID_BYTES].hex() for start in range(0, len(raw), ID_BYTES)}
    assert len(theirs) == 100
    assert theirs.isdisjoint({new_id() for _ in range(200)})
