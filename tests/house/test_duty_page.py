"""The duty page says what the duty table says, and first of all what it is not."""

from pathlib import Path

import pytest

from tiprouter.domain.duty import Protocol
from tiprouter.policy.bundle import load
from tiprouter.policy.duty_page import page
from tiprouter.policy.duty_words import words
from tiprouter.policy.files import shipped

PAGE = Path(__file__).parents[2] / "docs" / "duties.md"
BUNDLE = "survivor-led"


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    """The shipped tables."""
    return load(shipped(BUNDLE)).protocol


def test_the_page_is_what_the_generator_makes(protocol: Protocol) -> None:
    """Rule 1: after a change of the table, `tiprouter duties page survivor-led > docs/duties.md`."""
    assert PAGE.read_text() == page(protocol, BUNDLE)


def test_the_page_warns_before_it_tells(protocol: Protocol) -> None:
    """Transcriptions, not legal advice, and counsel must compare every row: above everything else."""
    said = page(protocol, BUNDLE)
    warned = said.index("not legal advice")
    assert "Counsel must compare every row" in said
    assert warned < said.index("## How to read it") < said.index("## Summary") < said.index("### Alabama (US-AL)")


def test_every_row_is_told_with_what_stands_behind_it(protocol: Protocol) -> None:
    """Rule 2: words, law, source and date, the day it was compared, and the note."""
    said = page(protocol, BUNDLE)
    for rows in protocol.rows.values():
        for row in rows:
            assert f"- `{row.id}`: {words(row)}\n" in said, row.id
            assert f"Law: {row.citation}." in said, row.id
            assert not row.source or f"Source: <{row.source}>, {row.source_date}." in said, row.id
            assert f"confidence {row.confidence}." in said
            assert row.note in said, row.id


def test_where_nothing_can_be_relied_on_is_said_last(protocol: Protocol) -> None:
    """Rule 3: the four places whose rows nobody sourced."""
    _, _, last = page(protocol, BUNDLE).partition("## Where every child's situation goes to review\n\n")
    assert last.splitlines() == [
        "- American Samoa (US-AS): us-as has no source.",
        "- Guam (US-GU): us-gu has no source.",
        "- Northern Mariana Islands (US-MP): us-mp has no source.",
        "- U.S. Virgin Islands (US-VI): us-vi has no source.",
    ]


def test_a_rule_reads_like_one(protocol: Protocol) -> None:
    """Who, by whom harmed, how soon, to whom, how, in writing, from when, under what age."""
    said = {row.id: words(row) for rows in protocol.rows.values() for row in rows}
    assert said["us-la.sex-trafficking"] == (
        "The situation of a sexually exploited child is reported immediately to child protection, by telephone. "
        "A report in writing follows within 5 days of the first report, when that was made orally. "
        "A child is anybody under 18. In effect from 2023-01-01."
    )
    assert said["us-az.other"].startswith(
        "The situation of a child whom somebody not responsible for its care harms is reported immediately to law "
    )
    assert "to law enforcement and clearinghouse" in said["us-ca.csec-missing"]
    assert said["us-gu"] == "No duty is transcribed."
