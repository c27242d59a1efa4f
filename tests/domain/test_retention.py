"""How long each class of record is kept, and from when: the operator's page and the settings say the same."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.fictional import grant
from tests.support.service import START
from tiprouter.domain.consent import Choice
from tiprouter.domain.retention import (
    AS_RECORDS,
    RULES,
    SIX_YEARS,
    Retained,
    counted_until,
    counts_from,
    too_short,
)
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.settings import Settings
from tiprouter.wiring.keeping import retention_of

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
DAY = timedelta(days=1)
GRANT = replace(grant(RecipientKind.LAW_ENFORCEMENT), phase=ConsentPhase.STANDING)
REFUSAL = replace(GRANT, choice=Choice.REFUSE, expires_at=None)
END = START + timedelta(days=30)


@pytest.mark.parametrize("what", list(Retained))
def test_the_operators_page_tells_each_class_as_it_is(what: Retained) -> None:
    """Setting, what it counts from, what goes and what stays, word for word."""
    rule = RULES[what]
    setting = f"`TIPROUTER_RETENTION_{what.name}_DAYS`"
    days = "`TIPROUTER_RETENTION_DAYS`" if rule.days == AS_RECORDS else f"{rule.days:,}"
    row = f"| {what.value} | {setting} | {days} | {rule.counted_from} | {rule.goes} | {rule.stays} |"
    assert row in OPERATIONS.read_text()


@pytest.mark.parametrize("what", list(Retained))
def test_each_class_has_its_setting_with_its_default(what: Retained) -> None:
    """By its name, and tips and cases as the setting for records says unless they have their own."""
    assert Settings.model_fields[f"retention_{what.value}_days"].default == RULES[what].days
    kept = retention_of(Settings(retention_days=77))
    assert kept.keys() == set(Retained)
    assert kept[what] == timedelta(days=77 if RULES[what].days == AS_RECORDS else RULES[what].days)
    own = Settings.model_validate({"retention_days": 77, f"retention_{what.value}_days": 5_000})
    assert retention_of(own) == {**kept, what: timedelta(days=5_000)}


def test_no_period_and_one_of_no_days_keep() -> None:
    """Rule 1: what nobody set, and what was set to nothing, is never over."""
    assert counted_until({}, Retained.TIP, START) is None
    assert counted_until({Retained.TIP: timedelta()}, Retained.TIP, START) is None
    assert counted_until({Retained.TIP: DAY}, Retained.CASE, START) is None
    assert counted_until({Retained.TIP: DAY}, Retained.TIP, START) == START - DAY


@pytest.mark.parametrize(("days", "short"), [(2_191, True), (1, True), (2_192, False), (9_000, False), (0, False)])
def test_an_accounting_is_kept_six_years_at_least(days: int, short: bool) -> None:  # noqa: FBT001 - a parameter
    """Rule 3: any six years, leap days and all; for ever is not too short."""
    assert START.replace(year=START.year + 6) <= START + SIX_YEARS
    assert too_short({Retained.ACCOUNTING: timedelta(days=days)}) is short
    assert not too_short({})


@pytest.mark.parametrize(
    ("said", "since"),
    [
        ([(GRANT, START)], END),
        ([(GRANT, END + DAY)], END + DAY),
        ([(replace(GRANT, phase=None), START)], END),
        ([(replace(GRANT, phase=ConsentPhase.PENDING), START)], END),
        ([(replace(GRANT, phase=ConsentPhase.WITHDRAWN), START + DAY)], START + DAY),
        ([(replace(GRANT, phase=ConsentPhase.LAPSED), START + DAY)], START + DAY),
        ([(REFUSAL, START)], START),
        ([(REFUSAL, START), (GRANT, START)], END),
        ([(GRANT, START), (REFUSAL, END + DAY)], END + DAY),
    ],
    ids=[
        "a grant",
        "read late",
        "of old",
        "waiting",
        "withdrawn",
        "lapsed",
        "a refusal",
        "refused first",
        "refused last",
    ],
)
def test_consents_count_from_the_end_or_the_last_word(said: list[tuple[object, object]], since: object) -> None:
    """Rule 4: while one of a person's consents stands, none of them is over."""
    assert counts_from(said) == since  # type: ignore[arg-type] # the table above
