"""The shape of the code: folders that docs/architecture.md names, no circle of imports, no long file or function."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

from harness.services.process import ROOT

PRODUCT = ("project", "users", "notifications", "dlq")
BESIDE = ("harness", "benchmarks", "tests")
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROW = re.compile(r"^\| `([\w/]+/)` \|", re.MULTILINE)
SECTION = re.compile(r"^### `([\w/]+/)`\n\n((?:- .*\n)+)", re.MULTILINE)
MOST_LINES = 350
MOST_LINES_OF_A_FUNCTION = 40
MOST_IN_NOTIFICATIONS = 13


def sources(*packages: str) -> Iterator[Path]:
    """Every Python file of these packages except migrations, relative to the checkout."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT)


def folder_of(path: Path) -> str:
    """The folder as the page names it. A command belongs to the folder of its package `management`."""
    return f"{path.parent.as_posix().removesuffix('/commands')}/"


def folders() -> dict[str, set[str]]:
    """Each folder of the product with its files; an empty `__init__.py` is none."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources(*PRODUCT):
        folder = folder_of(path)
        if (ROOT / path).stat().st_size:
            found[folder].add(path.as_posix().removeprefix(folder))
    return dict(found)


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PRODUCT, *BESIDE)


def between_folders() -> dict[str, set[str]]:
    """Which folder imports which. The files directly in a package at the top stand for themselves."""
    graph = imports()
    packages = {module for module in graph.modules if graph.find_children(module)}

    def place_of(module: str) -> str:
        folder = module if module in packages else module.rpartition(".")[0]
        return folder if "." in folder else module

    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        place = place_of(module)
        found[place] |= {place_of(other) for other in graph.find_modules_directly_imported_by(module)} - {place}
    return found


def test_the_table_of_folders_is_the_list_of_folders() -> None:
    assert sorted(ROW.findall(PAGE)) == sorted(folders())


def test_the_files_of_each_folder_are_listed_below_the_table() -> None:
    listed = {folder: set(re.findall(r"`([\w/]+\.py)`", files)) for folder, files in SECTION.findall(PAGE)}
    for folder, files in folders().items():
        described = listed.get(folder, set())
        assert files - {"__init__.py"} <= described, f"{folder}: not in docs/architecture.md"
        assert described <= files, f"{folder}: only in docs/architecture.md"
    assert set(listed) <= set(folders())


def test_a_folder_imports_only_those_below_it_in_the_table() -> None:
    order = [folder.rstrip("/").replace("/", ".") for folder in ROW.findall(PAGE)]
    graph = between_folders()
    for position, folder in enumerate(order):
        above = {name for name in order[:position] if "." in name}
        assert not graph.get(folder, set()) & above, folder


def test_no_folders_import_each_other_in_a_circle() -> None:
    assert list(TopologicalSorter(between_folders()).static_order())


def test_notifications_has_few_entries() -> None:
    entries = {
        path.name for path in (ROOT / "notifications").iterdir() if not path.name.startswith(("__pycache__", "."))
    }
    assert len(entries) <= MOST_IN_NOTIFICATIONS, sorted(entries)


def test_no_file_is_long() -> None:
    assert [
        path
        for path in sources(*PRODUCT, *BESIDE, "clients")
        if len((ROOT / path).read_text().splitlines()) > MOST_LINES
    ] == []


def test_no_function_is_long() -> None:
    assert [
        f"{path}:{node.lineno} {node.name}"
        for path in sources(*PRODUCT, *BESIDE, "clients")
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
    ] == []


def test_the_tests_mirror_the_product() -> None:
    """A folder of tests for a part of the product has the part's name."""
    for path in sources(*(f"tests/{package}" for package in (*PRODUCT, "harness"))):
        if not path.name.startswith("test_"):
            continue
        folder = path.parent.relative_to("tests")
        assert (ROOT / folder).is_dir(), f"{path}: there is no {folder}/"
