"""Every transform's examples are its tests."""

import ast
from pathlib import Path

import pytest

from refactor.registry import Entry, entries
from refactor.testing import check

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_examples(entry: Entry) -> None:
    assert check(entry.transform) >= 5


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
def test_what_is_read_without_an_import(entry: Entry) -> None:
    assert (entry.id, entry.triggers, entry.default) == (
        entry.transform.id,
        entry.transform.triggers,
        entry.transform.default,
    )


@pytest.mark.parametrize("path", sorted((ROOT / "transforms").glob("[!_]*.py")), ids=str)
def test_imports_only_what_refactor_exports(path: Path) -> None:
    standard = {"collections", "dataclasses", "re", "enum", "functools", "itertools"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= standard
        elif isinstance(node, ast.ImportFrom):
            doors = ("refactor", "refactor.structure")
            assert node.module in doors or (node.module or "").partition(".")[0] in standard
