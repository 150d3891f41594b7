"""What is public, as text: every name, with its signature and types; `make api` writes it down.

It reads the sources and does not run them: so types stand as they are written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe

ENGINE = Path(__file__).parents[2] / "engine"
LISTING = Path(__file__).with_name("public_api.txt")
MODULES = (
    "liftlock",
    "liftlock.model",
    "liftlock.oci",
    "liftlock.errors",
    "liftlock.config",
    "liftlock.http",
)
SPECIAL = frozenset({"__init__", "__call__", "__enter__", "__exit__"})
"""Methods with underscores that callers use; the others do what the language says they do."""

Public = dict[str, dict[str, griffe.Object]]
"""What each module offers, by the name it has there."""


def load() -> Public:
    package = griffe.load(
        "liftlock", search_paths=[ENGINE], docstring_parser="google", resolve_aliases=True
    )
    modules = {path: package.modules_collection[path] for path in MODULES}
    assert all(module.exports is not None for module in modules.values()), "__all__ is missing"
    return {
        path: {str(name): resolved(module[str(name)]) for name in sorted(map(str, module.exports))}
        for path, module in modules.items()
    }


def resolved(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    return thing.final_target if isinstance(thing, griffe.Alias) else thing


def homes_of(public: Public) -> dict[str, str]:
    """Where each thing is listed in full: `liftlock` offers for short what the others have."""
    homes: dict[str, str] = {}
    for path in (*MODULES[1:], MODULES[0]):
        for name, thing in public[path].items():
            homes.setdefault(thing.path, f"{path}.{name}")
    return homes


def members(cls: griffe.Class, homes: Mapping[str, str]) -> Iterator[tuple[str, griffe.Object]]:
    """What a class has for its callers; what it inherits from another public one stands there."""
    is_ordered = "NamedTuple" in map(str, cls.bases)  # its order is part of it
    everything = cls.all_members.items()
    for name, member in everything if is_ordered else sorted(everything):
        if name.startswith("_") and (name not in SPECIAL or member.lineno is None):
            continue
        inner = resolved(member)
        is_elsewhere = inner.parent is not None and inner.parent.path in homes.keys() - {cls.path}
        if not is_elsewhere and not (name == "__init__" and is_handed_out(cls)):
            yield name, inner


def is_handed_out(cls: griffe.Class) -> bool:
    """Whether callers only ever get one: an engine from `open`, an error by catching it."""
    return cls.name == "Engine" or any(base.name == "LiftlockError" for base in (cls, *cls.mro()))


def type_of(attribute: griffe.Attribute) -> str:
    """The type of an attribute; of one that `__init__` sets, its parameter's; empty: none."""
    if attribute.annotation is not None:
        return str(attribute.annotation)
    maker = attribute.parent.members.get("__init__") if attribute.parent is not None else None
    if isinstance(maker, griffe.Function):
        for parameter in maker.parameters:
            if str(attribute.value) == parameter.name and parameter.annotation is not None:
                return str(parameter.annotation)
    return ""


def is_constant(attribute: griffe.Attribute) -> bool:
    """Whether its value is public: a constant, a member of an enumeration, a default."""
    return not {"class-attribute", "module-attribute"}.isdisjoint(attribute.labels)


def line_of(name: str, thing: griffe.Object) -> str:
    if isinstance(thing, griffe.Function):
        kinds = [label for label in ("classmethod", "staticmethod") if label in thing.labels]
        return " ".join([*kinds, str(thing.signature(name=name))])
    assert isinstance(thing, griffe.Attribute)
    kind = "property " if "property" in thing.labels else ""
    of_type = f": {type_of(thing)}" if type_of(thing) else ""
    value = f" = {thing.value}" if thing.value is not None and is_constant(thing) else ""
    return f"{kind}{name}{of_type}{value}"


def lines_of(
    name: str, thing: griffe.Object, where: str, homes: Mapping[str, str]
) -> Iterator[str]:
    home = homes[thing.path]
    if home != f"{where}.{name}":
        yield f"{name} = {home}"
    elif isinstance(thing, griffe.Module):
        yield f"module {name}"
    elif isinstance(thing, griffe.Class):
        yield f"class {name}({', '.join(map(str, thing.bases))})"
        for each, member in members(thing, homes):
            yield f"    {line_of(each, member)}"
    else:
        yield line_of(name, thing)


def listing() -> str:
    public = load()
    homes = homes_of(public)
    blocks = [
        "\n".join(
            [f"# {path}"]
            + [line for name, thing in names.items() for line in lines_of(name, thing, path, homes)]
        )
        for path, names in public.items()
    ]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    LISTING.write_text(listing())
    sys.stdout.write(f"{LISTING}\n")
