"""ELF, as far as the demo needs it: what a program on this machine loads, and programs by hand.

What a program loads is read from its headers; nothing is executed to find it out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_USUAL_FOLDERS: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


class NotElf(Exception):
    """A file is no ELF program or library."""


@dataclass(frozen=True, slots=True)
class Object:
    """What the headers of a program or library say."""

    path: Path
    kind: tuple[int, int, int]
    """Class (32 or 64 bits), byte order, machine: all that is loaded together agrees in it."""
    interpreter: str | None
    """The loader that a dynamic program names."""
    needed: tuple[str, ...]
    folders: tuple[str, ...]
    """Where it says that its libraries are."""


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def loaded_files(program: Path) -> tuple[Path, ...]:
    """List what `program` needs to run: its loader, and every library that it or one of them names.

    Paths are as the loader would find them, `program` not among them; none if it is static.

    Raises:
        NotElf: `program` is a script, or something else.
        FileNotFoundError: a library is nowhere.
    """
    top = read_object(program)
    if top.interpreter is None:
        return ()
    loader = Path(top.interpreter)
    found: dict[str, Path] = {loader.name: loader}
    waiting = [top]
    while waiting:
        current = waiting.pop()
        for name in current.needed:
            if name not in found:
                found[name] = _find(name, current, loader)
                waiting.append(read_object(found[name]))
    return tuple(sorted(found.values()))


def read_object(path: Path) -> Object:
    """Read a file's headers.

    Raises:
        NotElf: it has none.
    """
    content = path.read_bytes()
    if content[:4] != _MAGIC or len(content) < 64:  # noqa: PLR2004 - the header's length
        raise NotElf(f"{path} is no ELF file")
    wide, order = content[4] == 2, "<" if content[5] == 1 else ">"  # noqa: PLR2004 - ELFCLASS64
    (machine,) = struct.unpack_from(f"{order}H", content, 18)
    segments = list(_segments(content, order, wide=wide))
    interpreter = next(
        (
            content[s.offset : s.offset + s.size].rstrip(b"\0")
            for s in segments
            if s.kind == _PT_INTERP
        ),
        None,
    )
    entries = list(_dynamic(content, segments, order, wide=wide))
    strings = next((_offset(segments, value) for tag, value in entries if tag == _DT_STRTAB), 0)

    def text(at: int) -> str:
        start = strings + at
        return content[start : content.index(b"\0", start)].decode()

    folders = [text(value) for tag, value in entries if tag in {_DT_RPATH, _DT_RUNPATH}]
    return Object(
        path,
        (content[4], content[5], machine),
        interpreter.decode() if interpreter else None,
        tuple(text(value) for tag, value in entries if tag == _DT_NEEDED),
        tuple(folder for joined in folders for folder in joined.split(":") if folder),
    )


def tiny_program(architecture: str, message: str) -> bytes:
    """Make a static Linux program of some 200 bytes that prints `message` and exits with 0.

    Args:
        architecture: `amd64` or `arm64`.
        message: what it prints.
    """
    text = message.encode()
    machine, code = {"amd64": (62, _amd64_code), "arm64": (183, _arm64_code)}[architecture]
    body = code(len(text)) + text
    headers = 64 + 56
    base = 0x400000
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(_MAGIC, 2, 1, 1, 0, 0),  # 64 bits, little-endian
        *(2, machine, 1, base + headers, 64, 0, 0),  # an executable, and where it begins
        *(64, 56, 1, 0, 0, 0),  # one program header, no sections
    )
    size = headers + len(body)
    # Loaded whole, readable and executable; 64 KiB is the largest page that arm64 has.
    segment = struct.pack("<IIQQQQQQ", _PT_LOAD, 5, 0, base, base, size, size, 0x10000)
    return header + segment + body


def _amd64_code(length: int) -> bytes:
    after = b"\x0f\x05" + b"\xb8\x3c\0\0\0" + b"\x31\xff" + b"\x0f\x05"
    return (
        b"\xb8\x01\0\0\0"  # mov eax, 1 (write)
        b"\xbf\x01\0\0\0"  # mov edi, 1 (stdout)
        b"\x48\x8d\x35"
        + struct.pack("<i", 5 + len(after))  # lea rsi, [rip + what follows] (the text)
        + b"\xba"
        + struct.pack("<I", length)  # mov edx, length
        + after  # syscall; mov eax, 60 (exit); xor edi, edi; syscall
    )


def _arm64_code(length: int) -> bytes:
    return struct.pack(
        "<8I",
        0xD2800020,  # mov x0, #1 (stdout)
        0x10000001 | 7 << 5,  # adr x1, 7 instructions on (the text)
        0xD2800002 | length << 5,  # mov x2, #length
        0xD2800808,  # mov x8, #64 (write)
        0xD4000001,  # svc #0
        0xD2800000,  # mov x0, #0
        0xD2800BA8,  # mov x8, #93 (exit)
        0xD4000001,  # svc #0
    )


def _segments(content: bytes, order: str, *, wide: bool) -> Iterator[_Segment]:
    if wide:
        (start,) = struct.unpack_from(f"{order}Q", content, 32)
        size, count = struct.unpack_from(f"{order}HH", content, 54)
    else:
        (start,) = struct.unpack_from(f"{order}I", content, 28)
        size, count = struct.unpack_from(f"{order}HH", content, 42)
    for at in range(start, start + size * count, size):
        if wide:
            kind, _, offset, address, _, length = struct.unpack_from(f"{order}IIQQQQ", content, at)
        else:
            kind, offset, address, _, length = struct.unpack_from(f"{order}IIIII", content, at)
        yield _Segment(kind, offset, address, length)


def _dynamic(
    content: bytes, segments: Iterable[_Segment], order: str, *, wide: bool
) -> Iterator[tuple[int, int]]:
    entry = struct.Struct(f"{order}{'QQ' if wide else 'II'}")
    for segment in segments:
        if segment.kind == _PT_DYNAMIC:
            whole = segment.size - segment.size % entry.size
            yield from entry.iter_unpack(content[segment.offset : segment.offset + whole])


def _offset(segments: Iterable[_Segment], address: int) -> int:
    """Find where in the file lies what is loaded at `address`."""
    for segment in segments:
        if segment.kind == _PT_LOAD and 0 <= address - segment.address < segment.size:
            return segment.offset + address - segment.address
    raise NotElf(f"address {address:#x} is in no segment")


def _find(name: str, by: Object, loader: Path) -> Path:
    for folder in _folders(by, loader):
        candidate = folder / name
        try:
            if read_object(candidate).kind == by.kind:
                return candidate
        except (OSError, NotElf):
            continue
    raise FileNotFoundError(f"{by.path} needs {name}, which is in none of the usual folders")


def _folders(by: Object, loader: Path) -> Iterator[Path]:
    for folder in by.folders:
        for origin in ("$ORIGIN", "${ORIGIN}"):
            folder = folder.replace(origin, str(by.path.resolve().parent))  # noqa: PLW2901
        yield Path(folder)
    yield loader.parent
    yield loader.resolve().parent
    yield from _configured(Path("/etc/ld.so.conf"))
    yield from map(Path, _USUAL_FOLDERS)


def _configured(file: Path) -> Iterator[Path]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == "include":
            for pattern in words[1:]:
                for included in sorted(file.parent.glob(pattern.removeprefix(f"{file.parent}/"))):
                    yield from _configured(included)
        else:
            yield Path(words[0])
