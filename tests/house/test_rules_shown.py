"""Is every rule of the decision shown by a story, by a law or a property, and by a golden row?

1. The page has one row for each rule, in order and by the name it has in docs/decision-rules.md.
2. A named test is a test function of the named file, a named law is proved by the gate and told by its title, a named
   golden row is one of a shipped bundle. Nothing else is named.
3. A rule has at least one story; and at least one proved law, hypothesis property, or test of every case there is.
4. A rule that the policy decides has a proved law or a hypothesis property, and a golden row. The others have none, say
   so, and say why.
5. No law that the gate proves and no story that was written for a rule is missing from the page; a law stands only in
   the rows of the rules that its title cites.

Not checked here: that a test shows what its rule says. Its docstring is for people to read.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from tiprouter.policy.files import shipped
from tiprouter.policy.gate import laws
from tiprouter.policy.gate.check import ALL
from tiprouter.policy.golden import golden_rows

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STORIES = ("tests/acceptance/", "tests/attacks/", "tests/api/")
WRITTEN_FOR_RULES = "tests/acceptance/test_rules*.py"
NOT_A_POLICYS = ("3", "10", "12", "13")
LAWS = {law.__name__: laws.title(law) for law in ALL}
COLUMNS = 4
REASON_WORDS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One rule of the page: its number, its name, and the other three cells as they stand there."""

    number: str
    name: str
    stories: str
    laws: str
    golden: str


def rows_of(page: str) -> list[Row]:
    """The table's rows. A row with another number of cells is an error."""
    found = []
    for line in page.splitlines():
        if re.match(r"\| \d", line):
            rule, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            assert len(cells) == COLUMNS - 1, line
            number, _, name = rule.partition(". ")
            found.append(Row(number, name, *cells))
    return found


def named(cell: str) -> list[str]:
    """What a cell names, between backticks."""
    return re.findall(r"`([^`]+)`", cell)


@lru_cache
def functions_of(file: str) -> dict[str, bool]:
    """The test functions of a file, and whether each is a hypothesis property."""
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return {
        node.name: any(ast.unparse(one).startswith("given(") for one in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@lru_cache
def golden() -> frozenset[str]:
    """The names of the golden rows of the shipped bundles."""
    texts = [(shipped(name) / "golden.csv").read_text() for name in ("survivor-led", "tip-sharing")]
    return frozenset(row.name for text in texts for row in golden_rows("golden.csv", text))


def complaints(page: str) -> list[str]:
    """What is wrong with the page (rules 1-5)."""
    rows = rows_of(page)
    rules = re.findall(r"^(\d+)\. \*\*(.+?)\.?\*\*", (DOCS / "decision-rules.md").read_text(), re.MULTILINE)
    told = [] if [(row.number, row.name) for row in rows] == rules else ["the rows are not the rules"]
    for row in rows:
        told += [f"rule {row.number}: {what}" for what in (*_stories(row), *_laws(row), *_golden(row))]
    return told + list(_missing(rows))


def _stories(row: Row) -> Iterator[str]:
    stories = named(row.stories)
    if not stories:
        yield "no story"
    for story in stories:
        if not story.startswith(STORIES):
            yield f"{story} is no story"
        yield from _unknown(story)


def _laws(row: Row) -> Iterator[str]:
    strong = False
    if not named(row.laws):
        yield "no law and no property"
    for name in named(row.laws):
        file, found, function = name.partition("::")
        if found:
            yield from _unknown(name)
            strong = strong or functions_of(file).get(function, False)
        elif name not in LAWS:
            yield f"{name} is no law that the gate proves"
        else:
            strong = True
            yield from _untitled(row, name)
    if not strong and row.number not in NOT_A_POLICYS:
        yield "neither a proved law nor a hypothesis property"


def _untitled(row: Row, law: str) -> Iterator[str]:
    if f"`{law}` ({LAWS[law]})" not in row.laws:
        yield f"the law {law} is not told by its title"
    cited = re.match(r"Rules? ([\d, ]+):", LAWS[law])
    if cited is not None and row.number not in re.findall(r"\d+", cited[1]):
        yield f"the law {law} is of other rules"


def _golden(row: Row) -> Iterator[str]:
    reason = row.golden.partition("not a policy's: ")[2]
    if reason:
        if row.number not in NOT_A_POLICYS or len(reason.split()) < REASON_WORDS:
            yield "no golden row, and no reason that counts"
    elif not named(row.golden):
        yield "no golden row"
    for name in named(row.golden):
        if name not in golden():
            yield f"{name} is no golden row"


def _unknown(test: str) -> Iterator[str]:
    file, _, function = test.partition("::")
    if function not in functions_of(file):
        yield f"there is no test {test}"


def _missing(rows: list[Row]) -> Iterator[str]:
    proved = {name for row in rows for name in named(row.laws)}
    yield from (f"the law {law} is nowhere" for law in LAWS if law not in proved)
    shown = {name for row in rows for name in named(row.stories)}
    for path in sorted(ROOT.glob(WRITTEN_FOR_RULES)):
        file = path.relative_to(ROOT).as_posix()
        yield from (
            f"the story {file}::{test} is nowhere" for test in functions_of(file) if f"{file}::{test}" not in shown
        )


@pytest.fixture(scope="module")
def page() -> str:
    """The page as it stands."""
    return (DOCS / "rules-shown.md").read_text()


def test_every_rule_is_shown_in_three_ways(page: str) -> None:
    """Rules 1 to 5: by a story, by a law or property, and by a golden row, all of which exist."""
    assert complaints(page) == []


def test_whatever_the_page_names_before_the_table_exists(page: str) -> None:
    """Rule 2, of the words above the table."""
    above, _, _ = page.partition("| rule |")
    tests = [name for name in named(above) if "::" in name]
    assert tests
    assert [one for test in tests for one in _unknown(test)] == []


IMPLICATED = "`implicated` (Rule 9: an implicated recipient gets nothing)"
SLIPS = [
    (r"\n\| 13\. .*", "", "the rows are not the rules"),
    (r"\| 4\. Adults decide", "| 4. Adults are decided for", "the rows are not the rules"),
    (r"(\| 2\. [^|]*\|)[^|]*\|", r"\1 |", "rule 2: no story"),
    (r"(\| 9\. [^|]*\|)[^|]*\|", r"\1 `tests/domain/test_age.py::test_nobody_grows_younger` |", "is no story"),
    (r"test_first_tip\.py::test_a_child_is", "test_first_tip.py::test_no_child_is", "rule 5: there is no test"),
    (r"test_first_tip\.py::test_a_child_is", "test_last_tip.py::test_a_child_is", "rule 5: there is no test"),
    (r"`providers` \(", "`suppliers` (", "suppliers is no law that the gate proves"),
    (
        r"Rule 9: an implicated recipient gets nothing",
        "Rule 9: it gets little",
        "rule 9: the law implicated is not told by its title",
    ),
    (r"`providers` \([^)]*\)", IMPLICATED, "rule 8: the law implicated is of other rules"),
    (r"`providers` \([^)]*\)<br>", "", "the law providers is nowhere"),
    (r"(\| 9\. [^|]*\|[^|]*\|)[^|]*\|", r"\1 |", "rule 9: no law and no property"),
    (
        r"(\| 9\. [^|]*\|[^|]*\|)[^|]*\|",
        r"\1 `tests/domain/test_routing.py::test_who_serves_or_may_serve_is_asked` |",
        "rule 9: neither a proved law nor a hypothesis property",
    ),
    (r"`adult withdrew`", "`adult withdraws`", "rule 11: adult withdraws is no golden row"),
    (r"(\| 2\. [^|]*\|[^|]*\|[^|]*\|)[^|]*\|", r"\1 |", "rule 2: no golden row"),
    (r"`perhaps a child`", "not a policy's: for many a good reason", "rule 2: no golden row, and no reason"),
    (r"not a policy's: facts [^|]*", "not a policy's: it is not ", "rule 3: no golden row, and no reason"),
    (r"`[^`]*::test_one_record_is_[^`]*`<br>", "", "test_one_record_is_decided_otherwise_by_another_duty_table is now"),
]


@pytest.mark.parametrize(
    ("before", "after", "said"), SLIPS, ids=[f"{n}-{slip[2][:24]}" for n, slip in enumerate(SLIPS)]
)
def test_a_slip_of_the_pen_is_found(page: str, before: str, after: str, said: str) -> None:
    """Each thing that could be wrong with the page, made wrong: it is told, and the page as it stands says nothing."""
    slipped = re.sub(before, after, page, count=1)
    assert slipped != page
    assert any(said in one for one in complaints(slipped)), complaints(slipped)
