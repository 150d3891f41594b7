"""The command line's one table from errors to exit codes."""

from __future__ import annotations

import errno
import os
import re
from fractions import Fraction

import pytest

from liftlock import errors as core
from liftlock.errors import LiftlockError
from liftlock_cli import errors


def leaves(root: type[LiftlockError]) -> set[type[LiftlockError]]:
    below = root.__subclasses__()
    return {leaf for kind in below for leaf in leaves(kind)} if below else {root}


def made(kind: type[LiftlockError]) -> LiftlockError:
    return kind.__new__(kind)


@pytest.mark.parametrize("leaf", sorted(leaves(LiftlockError), key=lambda kind: kind.__name__))
def test_each_leaf_error_has_exactly_one_exit_code(leaf: type[LiftlockError]):
    families = [family for family in errors.EXIT_CODES if issubclass(leaf, family)]
    assert len(families) == 1
    assert errors.exit_code(made(leaf)) == errors.EXIT_CODES[families[0]]


def test_each_family_has_its_own_exit_code_and_none_is_taken():
    codes = list(errors.EXIT_CODES.values())
    taken = {0, errors.UNFORESEEN, errors.FORBIDDEN, errors.INTERRUPTED, errors.PIPE_CLOSED}
    assert len(set(codes)) == len(codes)
    assert not taken & set(codes)


def test_the_families_are_those_of_the_core():
    assert set(errors.EXIT_CODES) == set(LiftlockError.__subclasses__())


def test_an_error_of_no_family_is_unforeseen():
    assert errors.exit_code(LiftlockError("Something.")) == errors.UNFORESEEN


def test_every_violation_is_told(capsys):
    first = core.TagMoved("a/b:1", "absent", "sha256:aa")
    second = core.Conflict("Something else.")
    assert errors.tell(first.among([first, second])) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"Error: {first}\nError: {second}\n"


def test_a_sentence_cannot_steer_the_terminal(capsys):
    errors.tell(core.PromotionInvalid("\x1b[31mred\x9b1m\nError: forged"))
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "\x9b" not in err
    assert "\\x1b[31mred\\x9b1m\\nError: forged" in err


def test_what_the_machine_refuses_is_said_without_a_traceback(capsys):
    refused = PermissionError(errno.EACCES, "Permission denied", "/store")
    assert errors.tell_machine(refused) == errors.UNAVAILABLE
    said = capsys.readouterr().err
    assert said.startswith(
        "Error: The machine refused: /store: Permission denied. This process runs "
    )
    assert "belongs to root" in said
    assert said.count("\n") == 1


def test_another_os_error_is_not_explained_away(capsys):
    assert errors.tell_machine(OSError(errno.EBADF, "Bad file descriptor")) is None
    assert capsys.readouterr().err == ""


def test_the_unforeseen_has_an_id_by_which_the_log_tells_more(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(ZeroDivisionError) as raised:
        Fraction(1, 0)
    assert errors.tell_unforeseen(raised.value) == 1
    err = capsys.readouterr().err
    log = tmp_path / "liftlock" / "failures.log"
    found = re.search(r"ZeroDivisionError\): failure ([0-9a-f]{8}), .* in (.*)\.\n", err)
    assert found
    assert found[2] == str(log)
    assert "Traceback" not in err
    text = log.read_text()
    assert f"failure {found[1]}\n" in text
    assert "Fraction(1, 0)" in text


def test_a_home_that_cannot_be_written_is_no_further_failure(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert errors.tell_unforeseen(KeyError("x")) == 1
    assert str(tmp_path / "liftlock-") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (core.NameTaken("dev"), "`liftlock registry show dev`"),
        (core.RegistryUnknown("dev"), "`liftlock ls`"),
        (core.RepositoryUnknown("dev/app"), "`liftlock ls REGISTRY`"),
        (core.ManifestUnknown("dev/app", "1"), "`liftlock ls dev/app`"),
        (core.PromotionUnknown(7), "`liftlock promotion list`"),
    ],
)
def test_what_is_said_ends_with_what_to_do(capsys, error, todo):
    errors.tell(error)
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {error} ")
    assert said.rstrip(".\n").rpartition(". ")[2].count(todo) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EMFILE, errno.EPERM])
def test_what_the_machine_refuses_has_a_remedy(capsys, number):
    assert errors.tell_machine(OSError(number, "No", "/nowhere/at/all")) == errors.UNAVAILABLE
    assert f"{os.strerror(number)}. " in capsys.readouterr().err
