"""The page of the OWASP API Security Top 10 names tests that there are, for each of the ten."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security" / "owasp-api.md"
RISKS = tuple(
    " ".join(line.split("|")[1].split()) for line in PAGE.read_text().splitlines() if line.startswith("| API")
)
_NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def missing(text: str) -> list[str]:
    """The tests that a text names and nobody wrote."""
    return [f"{file}::{name}" for file, name in _NAMED.findall(text) if name not in names_in(ROOT / file)]


def names_in(file: Path) -> set[str]:
    """The names of a file's tests; none where there is no file."""
    if not file.is_file():
        return set()
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_all_ten_risks_have_a_row_in_their_order() -> None:
    """API1 to API10, each once."""
    assert [risk.split()[0] for risk in RISKS] == [f"API{number}" for number in range(1, 11)]


@pytest.mark.parametrize("risk", RISKS)
def test_every_test_that_a_row_names_is_there(risk: str) -> None:
    """At least three of each risk, all of them in the suite."""
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {risk} |")]
    assert len(_NAMED.findall(row)) >= 3
    assert row.count("`tests/") == len(_NAMED.findall(row))
    assert missing(row) == []


def test_a_test_that_is_gone_is_noticed() -> None:
    """A name without a test, a file without a place."""
    gone = "`tests/house/test_owasp.py::test_nothing` `tests/house/test_no_file.py::test_nothing`"
    assert len(missing(gone)) == 2
