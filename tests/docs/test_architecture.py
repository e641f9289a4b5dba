"""ARCHITECTURE.md names files, folders, functions and classes that exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
SPANS = sorted({span for line in PAGE.splitlines() for span in re.findall(r"`([^`]+)`", line)})
NAMES = [span for span in SPANS if re.fullmatch(r"[\w./-]+\.\w+::[\w.]+", span)]
TOP = {path.name for path in ROOT.iterdir()}
PATHS = [span for span in SPANS if "/" in span and "::" not in span and span.split("/")[0] in TOP]
RULES_MIN = 25


def names_in(file: Path) -> set[str]:
    """What a Python file defines at its top: `name`, and `Class.name` for what a class defines."""
    return set(_names(ast.parse(file.read_text(encoding="utf-8")).body))


def _names(body: list[ast.stmt], prefix: str = "") -> list[str]:
    found: list[str] = []
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                found += [prefix + name, *_names(node.body, f"{prefix}{name}.")]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.append(prefix + name)
            case ast.Assign(targets=targets):
                found += [prefix + each.id for target in targets for each in ast.walk(target) if _is_name(each)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.append(prefix + name)
            case ast.If():
                found += _names([*node.body, *node.orelse], prefix)
    return found


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


@pytest.mark.parametrize("span", NAMES)
def test_a_named_function_or_class_is_in_its_file(span: str) -> None:
    path, _, name = span.partition("::")
    assert name in names_in(ROOT / path)


@pytest.mark.parametrize("span", PATHS)
def test_a_named_file_or_folder_exists(span: str) -> None:
    assert (ROOT / span).exists()


def test_every_folder_of_the_program_is_on_the_map() -> None:
    folders = {f"ledger/{path.parent.name}/" for path in ROOT.glob("ledger/*/__init__.py")}
    folders |= {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")} - {"ledger/"}
    missing = {folder for folder in folders if f"| `{folder}` |" not in PAGE}
    assert missing == set()


def test_the_map_is_in_the_order_of_imports() -> None:
    """A folder comes after those that it may import, as the layers of pyproject.toml have it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    height = {name: -row for row, layer in enumerate(layers) for name in re.split(r" [|:] ", layer)}
    folders = [folder.rstrip("/").replace("/", ".") for folder in re.findall(r"^\| `([\w/]+/)` \|", PAGE, re.MULTILINE)]
    heights = [height[folder] for folder in folders if folder in height]
    assert heights == sorted(heights)


def test_the_page_says_where_many_rules_are() -> None:
    _, _, rules = PAGE.partition("## Where is the rule for …")
    rules, _, _ = rules.partition("## How to add …")
    rows = [line for line in rules.splitlines() if re.match(r"\| (?!the rule for|-)", line) and "::" in line]
    assert len(rows) >= RULES_MIN
