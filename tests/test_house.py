"""The plan of the code, where `lint-imports` cannot see it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import genolstm

PACKAGE = Path(genolstm.__file__).parent


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module takes from which module of the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genolstm"):
            for alias in node.names:
                yield str(node.module), alias.name


def test_private_names_stay_in_their_folder() -> None:
    leaks, seen = [], 0
    for path in PACKAGE.rglob("*.py"):
        folder = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        for module, name in _imports(path):
            seen += 1
            private = name.startswith("_") and not name.startswith("__")
            if private and module.rpartition(".")[0] != folder:
                leaks.append(f"{path.relative_to(PACKAGE)}: {module}.{name}")
    assert seen > 300
    assert leaks == []


def test_every_folder_says_what_it_is_in_one_sentence() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            (line,) = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
            assert line.endswith(".")


def test_scripts_benchmarks_and_notebooks_import_what_there_is() -> None:
    """They are not run by the tests, except for the notebooks: a name that moved would go unnoticed."""
    root = Path(__file__).parents[1]
    missing, seen = [], 0
    for path in (p for folder in ("scripts", "benchmarks", "notebooks") for p in (root / folder).rglob("*.py")):
        for module, name in _imports(path):
            seen += 1
            found = import_module(module)
            if not hasattr(found, name) and find_spec(f"{module}.{name}") is None:
                missing.append(f"{path.relative_to(root)}: {module}.{name}")
    assert seen > 100
    assert missing == []
