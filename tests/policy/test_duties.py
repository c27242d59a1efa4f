"""The shipped duty table: complete, honest about its gaps, and as cautious as its sources are unsure."""

import pytest

from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.policy.bundle import Bundle

POLICE, CHILDREN = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI"
)
CHILD_PROTECTION_ALONE = "AR FL IL MA MI MO MS MT ND NH NJ NY OK PA RI VA VT"
UNSOURCED = "AS GU MP VI"


def _codes(words: str) -> set[str]:
    return {f"US-{word}" for word in words.split()}


def test_every_jurisdiction_has_its_row(bundle: Bundle) -> None:
    """Fifty states, the district and five territories."""
    assert set(bundle.protocol.duties) == _codes(STATES)
    assert len(bundle.protocol.duties) == 56


def test_what_is_not_sourced_says_so(bundle: Bundle) -> None:
    """A row without a source, or without a receiver, is unknown and so leads to review."""
    unsourced = {code for code, row in bundle.protocol.duties.items() if not row.sourced}
    assert unsourced == _codes(UNSOURCED)
    assert all(not bundle.protocol.duties[code].receivers for code in unsourced)


def test_receivers_are_child_protection_alone_or_with_the_police(bundle: Bundle) -> None:
    """Child protection is named everywhere; the police wherever a source names them for the situation."""
    duties = bundle.protocol.duties
    alone = {code for code, row in duties.items() if row.receivers == {CHILDREN}}
    both = {code for code, row in duties.items() if row.receivers == {CHILDREN, POLICE}}
    assert alone == _codes(CHILD_PROTECTION_ALONE)
    assert both == set(duties) - alone - _codes(UNSOURCED)


@pytest.mark.parametrize(
    ("code", "hours", "written"),
    [
        ("US-AK", 24, None),
        ("US-AL", None, None),
        ("US-CA", None, 36),
        ("US-CT", 12, 48),
        ("US-IA", 24, 48),
        ("US-LA", None, 120),
        ("US-MN", 24, 72),
        ("US-MP", 24, None),
        ("US-TX", None, None),
        ("US-WA", 48, None),
        ("US-WV", 24, None),
    ],
)
def test_deadlines_are_the_sources_and_the_earlier_of_two(
    bundle: Bundle, code: str, hours: int | None, written: int | None
) -> None:
    """Hours as sourced; where sources differ (Texas, West Virginia) the earlier, and empty is immediately."""
    row = bundle.protocol.duties[code]
    assert (row.hours, row.written_hours) == (hours, written)


def test_alabama_protects_until_nineteen(bundle: Bundle) -> None:
    """The one jurisdiction whose reports cover people under nineteen."""
    assert {code for code, row in bundle.protocol.duties.items() if row.threshold != 18} == {"US-AL"}
    assert bundle.protocol.duties["US-AL"].threshold == 19


def test_some_states_want_a_voice(bundle: Bundle) -> None:
    """Where the source names the telephone and nothing electronic, a webhook discharges nothing."""
    voices = {code for code, row in bundle.protocol.duties.items() if row.telephone_only}
    assert voices == _codes("CA LA ME NE OH WI")


def test_no_minor_is_left_alone_without_research(bundle: Bundle) -> None:
    """No row says that a minor may consent alone: nobody has looked it up."""
    assert not any(row.minor_alone for row in bundle.protocol.duties.values())


def test_every_sourced_row_cites(bundle: Bundle) -> None:
    """A source, its date and the statute stand beside every sourced row, and conflicts stay readable."""
    sourced = [row for row in bundle.protocol.duties.values() if row.sourced]
    assert all(row.source and row.source_date and row.citation for row in sourced)
    assert "SOURCES CONFLICT" in bundle.protocol.duties["US-WV"].citation
    assert "CONFLICT RULE" in bundle.protocol.duties["US-NV"].citation
