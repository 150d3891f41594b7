"""The root of all errors, and how they quote what nobody has vetted."""

from __future__ import annotations

from collections.abc import Sequence


class LiftlockError(Exception):
    """Root of everything that Liftlock raises on purpose; its text is one whole sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self._all: tuple[LiftlockError, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what it is made of: subclasses are not called with their sentence."""
        return _unpickled, (type(self), self.args), self.__dict__

    @property
    def violations(self) -> tuple[LiftlockError, ...]:
        """All that was wrong with the request; just this error unless several rules refused."""
        return self._all or (self,)

    def among(self, violations: Sequence[LiftlockError]) -> LiftlockError:
        """Return this error, speaking for all of `violations` (itself among them)."""
        self._all = tuple(violations)
        return self


def _unpickled(kind: type[LiftlockError], args: tuple[object, ...]) -> LiftlockError:
    return kind.__new__(kind, *args)


def shown(text: str, most: int = 120) -> str:
    """Quote untrusted `text`: cut, and with nothing in it that a terminal would act upon."""
    cut = text if len(text) <= most else text[:most] + "…"
    return repr(cut)
