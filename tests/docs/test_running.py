"""The runner of the examples notices when a page is wrong: each case is a way in which a page could be wrong unseen."""

from pathlib import Path

import pytest

from tests.docs.pages import Example
from tests.docs.running import Reader

EVENT = '{"specversion": "1.0", "type": "trace.recorded", "source": "r", "id": "1", "subject": "a", "data": %s}'


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path, {}, {"http://shown": "http://real"})


def example(language: str, text: str, answer: tuple[str, str] | None = None) -> Example:
    below = Example("page.md", 9, *answer) if answer else None
    return Example("page.md", 1, language, text, below)


RIGHT = [
    pytest.param(example("sh", "# why\necho one; echo two\n# one\n# two\n"), id="comments at the end"),
    pytest.param(example("sh", "echo one; echo two; echo three\n# one\n# …\n# three\n"), id="any lines"),
    pytest.param(example("sh", "echo 12 ms\n# … ms\n"), id="anything in a line"),
    pytest.param(example("sh", "echo http://shown\n# http://real\n"), id="the real address"),
    pytest.param(example("console", "$ echo one\none\n$ echo \\\n> two\ntwo\n"), id="a console"),
    pytest.param(example("python", "print('one')\n# one\n"), id="python"),
    pytest.param(example("sh", "echo one\n", ("text", "one\n")), id="the text below"),
    pytest.param(
        example("sh", """echo '{"a": 1, "b": ["x-1"], "c": 0}'\n""", ("json", '{"a": 1, "b": ["x-…"], "…": "…"}')),
        id="the JSON below",
    ),
    pytest.param(example("json", EVENT % '{"trace_id": "t", "count": 1}'), id="an event"),
    pytest.param(example("text", "a --> b\n"), id="a picture"),
]
WRONG = [
    pytest.param(example("sh", "false\n"), id="a command that fails"),
    pytest.param(example("sh", "false | true\n"), id="a command that fails in a pipe"),
    pytest.param(example("sh", "echo $UNSET\n"), id="a variable that is not set"),
    pytest.param(example("sh", "echo one\n# two\n"), id="other output"),
    pytest.param(example("sh", "echo one; echo two\n# one\n"), id="more output"),
    pytest.param(example("sh", "echo onetwo\n# one\n"), id="a longer line"),
    pytest.param(example("console", "$ echo one\none\n$ echo two\nthree\n"), id="the second command of a console"),
    pytest.param(example("console", "echo one\n"), id="a console without a prompt"),
    pytest.param(example("python", "raise SystemExit(1)\n"), id="a program that fails"),
    pytest.param(example("sh", "echo one\n", ("text", "two\n")), id="another text below"),
    pytest.param(example("sh", "echo '{\"a\": 1}'\n", ("json", '{"a": 2}')), id="another value in JSON"),
    pytest.param(example("sh", "echo '{\"a\": 1}'\n", ("json", '{"a": true}')), id="another kind of value in JSON"),
    pytest.param(example("sh", "echo '{\"a\": 1}'\n", ("json", "{}")), id="a field that is not shown"),
    pytest.param(example("sh", "echo '{}'\n", ("json", '{"a": 1, "…": "…"}')), id="a field that is not there"),
    pytest.param(example("json", "{"), id="no JSON"),
    pytest.param(example("json", EVENT % '{"trace_id": "t", "count": 0}'), id="an event that the ledger refuses"),
    pytest.param(example("ruby", "puts 1\n"), id="a language that nothing runs"),
    pytest.param(example("", "make run\n"), id="no language"),
]


@pytest.mark.parametrize("shown", RIGHT)
def test_a_right_example_passes(shown: Example, reader: Reader) -> None:
    reader.runs(shown)


@pytest.mark.parametrize("shown", WRONG)
def test_a_wrong_example_is_noticed(shown: Example, reader: Reader) -> None:
    with pytest.raises((AssertionError, ValueError)):
        reader.runs(shown)


def test_what_an_example_sets_the_next_one_has(reader: Reader) -> None:
    reader.runs(example("sh", "NAME='two words'\n"))
    reader.runs(example("sh", 'echo "$NAME"\n# two words\n'))
    reader.runs(example("python", "import os\nprint(os.environ['NAME'])\n# two words\n"))


def test_a_named_program_can_be_used_by_the_next_one(reader: Reader) -> None:
    reader.runs(example("python", "# mine.py\nONE = 1\n"))
    reader.runs(example("python", "from mine import ONE\nprint(ONE)\n# 1\n"))
