"""Errors are data: each class has a sentence and a code of its own, also where Python has dropped the docstrings."""

import os
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import consumers
import ledger
import projectors
import schemas
from ledger.core.errors import LedgerError, UnknownPackage, error_of_code
from ledger.settings import Settings

ROOT = Path(__file__).parents[2]


def classes(kind: type[LedgerError] = LedgerError) -> Iterator[type[LedgerError]]:
    for each in kind.__subclasses__():
        yield each
        yield from classes(each)


@pytest.fixture(scope="module")
def of_the_tree() -> list[type[LedgerError]]:
    """Every class of the program; importing its modules makes them."""
    for package in (schemas, ledger, projectors, consumers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                import_module(module.name)
    found = [each for each in classes() if not each.__module__.startswith("tests.")]
    assert len(found) > 150
    return found


def test_each_class_says_its_own_sentence(of_the_tree: list[type[LedgerError]]) -> None:
    for each in of_the_tree:
        message = vars(each).get("message", "")
        assert message, each
        assert message == message.strip(" ."), each


def test_each_class_is_found_by_its_code(of_the_tree: list[type[LedgerError]]) -> None:
    assert [error_of_code(each.code) for each in of_the_tree] == of_the_tree
    assert error_of_code("never_heard_of") is None


def test_no_second_class_may_have_a_code() -> None:
    with pytest.raises(TypeError, match="UnknownPackage"):
        type("UnknownPackage", (LedgerError,), {"message": "It is something else", "__module__": "elsewhere"})
    assert error_of_code("unknown_package") is UnknownPackage


def test_an_error_carries_its_parts_also_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(UnknownPackage("gold", field="data.package")))
    assert (error.field, error.message, error.detail) == ("data.package", "The book has no such package", "gold")
    assert str(error) == "data.package: The book has no such package: gold"
    assert error.reason == "The book has no such package: gold"


def said(settings: Settings, options: list[str], words: list[str], **more: str) -> tuple[int, str]:
    environment = {**os.environ, "LEDGER_DATABASE": settings.database, "LEDGER_KAFKA": settings.kafka, **more}
    command = [sys.executable, *options, "-m", "ledger.cli", *words]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("words", "more", "expected"),
    [
        (["project"], {"LEDGER_API_PORT": "none"}, "The settings can't be used: LEDGER_API_PORT"),
        (["state", "acct_1", "--at", "yesterday"], {}, "--at: A time is a date and time"),
        (["state", "acct_unheard_of"], {}, "The ledger has no entry of this account"),
        (["deadletters", "show", "events/0/99999"], {}, "The record at this place is not a dead letter"),
        (["consume", "chores"], {}, "There is no consumer of this name: chores"),
    ],
    ids=["settings", "a bad argument", "an unknown account", "no dead letter", "an unknown consumer"],
)
def test_without_docstrings_a_command_says_the_same(
    settings: Settings, words: list[str], more: dict[str, str], expected: str
) -> None:
    usual = said(settings, [], words, **more)
    assert expected in usual[1]
    assert said(settings, ["-OO"], words, **more) == usual
