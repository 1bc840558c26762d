"""One word for one thing: the words that docs/words.md retires do not come back."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from harness.services.process import ROOT

RETIRED = r"rooms?|doors?|said|told|heard"
IN_CODE = re.compile(rf"(?<![a-z])({RETIRED})(?![a-z])", re.IGNORECASE)  # parts of names, too
IN_PROSE = re.compile(rf"\b({RETIRED})\b", re.IGNORECASE)
HOLD = re.compile(r"\b(holds?|holding)\b|\bheld\b(?! notification)", re.IGNORECASE)  # but the status and the policy
CODE = ("project", "users", "notifications", "dlq", "harness", "benchmarks", "clients")
PROSE = ("clients", "docs", "tests", "README.md")
ALLOWED = {Path("docs/words.md"), Path("tests/project/test_words.py")}


def files(names: tuple[str, ...], *endings: str) -> Iterator[Path]:
    for name in names:
        root = ROOT / name
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.suffix in endings and path.relative_to(ROOT) not in ALLOWED:
                yield path


def found(pattern: re.Pattern[str], paths: Iterator[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def test_no_retired_word_is_in_names_comments_and_texts_of_the_code() -> None:
    assert found(IN_CODE, files(CODE, ".py", ".html")) == []


def test_no_retired_word_is_in_the_documentation_and_the_tests() -> None:
    assert found(IN_PROSE, files(PROSE, ".md", ".py")) == []


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the comments and docstrings of a file, by line, without what stands in backticks."""
    with path.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
                for number, line in enumerate(token.string.splitlines(), token.start[0]):
                    yield number, re.sub(r"`[^`]*`", "", line)


def test_hold_is_the_status_and_the_policy_alone() -> None:
    """In comments and docstrings: they write the policy as `hold`, and the status as `held` or of a notification."""
    assert [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files(CODE, ".py")
        if path.parent.name != "migrations"  # they stay as they were applied
        for number, line in prose_of(path)
        if HOLD.search(line)
    ] == []


def test_every_word_is_listed_once() -> None:
    words = re.findall(r"^\| ([a-z][a-z ,]+) \|", (ROOT / "docs" / "words.md").read_text(), re.MULTILINE)
    assert len(words) == len(set(words)) > 30
