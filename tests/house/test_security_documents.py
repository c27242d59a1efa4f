"""Do the security documents say what is there: every requirement answered, every named test in its place?"""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASVS, THREATS = ROOT / "docs/security/asvs.md", ROOT / "docs/threat-model.md"
SECTIONS = {
    "V1": {1: 2, 2: 9, 3: 11, 4: 3, 5: 2},
    "V2": {1: 3, 2: 3, 3: 4, 4: 1},
    "V3": {2: 2, 3: 4, 4: 6, 5: 5, 7: 2},
    "V4": {1: 3, 2: 1, 3: 2, 4: 4},
    "V5": {1: 1, 2: 3, 3: 2, 4: 3},
    "V6": {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    "V7": {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    "V8": {1: 2, 2: 3, 3: 1, 4: 1},
    "V9": {1: 3, 2: 4},
    "V10": {1: 2, 2: 2, 3: 4, 4: 11, 5: 5, 6: 2, 7: 3},
    "V11": {1: 2, 2: 3, 3: 3, 4: 4, 5: 1, 6: 1},
    "V12": {1: 3, 2: 2, 3: 4},
    "V13": {1: 1, 2: 5, 3: 2, 4: 5},
    "V14": {1: 2, 2: 4, 3: 3},
    "V15": {1: 3, 2: 3, 3: 7},
    "V16": {1: 1, 2: 5, 3: 4, 4: 3, 5: 3},
    "V17": {1: 1, 2: 4, 3: 2},
}
"""ASVS 5.0.0: how many requirements of level 1 and 2 each section begins with; one of them comes after level 3's."""
BEHIND = {"V17.2.8"}
REQUIRED = {
    f"{chapter}.{section}.{number}"
    for chapter, sections in SECTIONS.items()
    for section, last in sections.items()
    for number in range(1, last + 1)
} | BEHIND
ANSWERS = {"met", "not applicable", "open"}
_ROW = re.compile(r"\| (V[0-9.]+) \| ([a-z ]+) \| ([^|]+) \| ([^|]*)\|")
_NAMED = re.compile(r"`(tests/[a-z_/]+\.py)(?:::(\w+))?`")


def rows(text: str) -> list[tuple[str, str, str, str]]:
    """The rows of the document: id, answer, control, what shows it."""
    return [(one[1], one[2], one[3], one[4]) for one in _ROW.finditer(text)]


def faults(text: str) -> list[str]:
    """What is wrong with the table."""
    found, counted = rows(text), Counter(one for one, *_ in rows(text))
    said = [f"{one} is there {times} times" for one, times in counted.items() if times > 1]
    said += [f"{one} is missing" for one in sorted(REQUIRED - set(counted))]
    said += [f"{one} is no requirement of these levels" for one in sorted(set(counted) - REQUIRED)]
    said += [f"{one} is answered {answer!r}" for one, answer, *_ in found if answer not in ANSWERS]
    said += [f"{one} is met by nothing" for one, answer, _, by in found if answer == "met" and not _NAMED.search(by)]
    said += [f"{one} says a test and is {answer}" for one, answer, _, by in found if answer != "met" and by.strip()]
    return said + absent(text)


def absent(text: str) -> list[str]:
    """The tests that a document names and nobody finds."""
    return sorted(
        f"{file}::{test}" if test else file
        for file, test in set(_NAMED.findall(text))
        if not (ROOT / file).exists() or (test and not re.search(rf"def {test}\b", (ROOT / file).read_text()))
    )


def test_every_requirement_is_answered_once_and_every_named_test_exists() -> None:
    """Levels 1 and 2, by id; what is met names what shows it."""
    assert faults(ASVS.read_text()) == []


def test_the_threat_models_tests_exist() -> None:
    """By file, and by name where one is named."""
    assert absent(THREATS.read_text()) == []


def test_the_count_in_the_text_is_the_tables() -> None:
    """What the document claims of itself."""
    text = ASVS.read_text()
    counted = Counter(answer for _, answer, *_ in rows(text))
    assert (
        f"{counted['met']} are met, {counted['not applicable']} are not applicable, {counted['open']} are open." in text
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("| V6.2.1 |", "| V6.2.2 |", "V6.2.1 is missing"),
        ("| V6.2.1 |", "| V6.2.99 |", "V6.2.99 is no requirement of these levels"),
        ("| V8.3.1 | met |", "| V8.3.1 | done |", "V8.3.1 is answered 'done'"),
        ("::test_every_cell_of_the_table", "::test_no_cell_of_the_table", "test_no_cell_of_the_table"),
    ],
)
def test_a_slip_of_the_pen_is_found(before: str, after: str, said: str) -> None:
    """Planted: a row lost, a row of no standard, a word of no answer, a test of no file."""
    text = ASVS.read_text()
    assert before in text
    assert any(said in one for one in faults(text.replace(before, after)))


def test_what_is_met_by_nothing_is_found() -> None:
    """Planted: a control without a test."""
    text = re.sub(r"(\| V8\.3\.1 \| met \| [^|]+ \|)[^|]*\|", r"\1 |", ASVS.read_text())
    assert "V8.3.1 is met by nothing" in faults(text)
