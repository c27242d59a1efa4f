"""Established facts, rules 1 to 4: they count where nothing is known, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.examples import NOW, POLICE, agency, person, place, record, row, scenes, situation
from tiprouter.domain.established import VALUES, Established, age_of
from tiprouter.domain.facts import Facts, Situation, bands_anywhere, findings_for
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Age, Violence
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    DutyState,
    Establishable,
    Perceived,
    Perception,
)

AGE, DUTY, PERCEIVED = Establishable
NOBODY = person("a", age=Age())


def seen(of: Situation, *found: Established, by: Recipient | None = None) -> Facts:
    """The first person's facts, with these findings."""
    return findings_for(replace(of, established=found), by or agency())["a"].facts


def test_an_unknown_age_is_what_was_established_last() -> None:
    """Rules 1 and 3, everywhere an age is looked at."""
    unknown = situation(record(NOBODY), row())
    assert seen(unknown).age is AgeBand.UNKNOWN
    first, last = Established("a", AGE, "adult"), Established("a", AGE, "minor")
    assert seen(unknown, first).age is AgeBand.ADULT
    assert seen(unknown, first, last).age is AgeBand.MINOR
    assert bands_anywhere(replace(unknown, established=(first, last)))["a"] is AgeBand.MINOR
    assert seen(unknown, Established("b", AGE, "minor")).age is AgeBand.UNKNOWN


@pytest.mark.parametrize("known", [AgeBand.ADULT, AgeBand.MINOR])
def test_a_known_age_is_not_contradicted(known: AgeBand) -> None:
    """Rule 2."""
    assert all(age_of((Established("a", AGE, value),), "a", known) is known for value in VALUES[AGE])


def test_a_duty_is_established_toward_one_recipient() -> None:
    """Rules 1 and 4: another agency's duty stays unknown; a denied one leaves no deadline and no rows."""
    of = situation(record(person("a", age=Age(years=12)), jurisdictions=(place("US-GA"),)))
    mine, other = (agency(id=name, jurisdictions=("US-GA",)) for name in ("example-mine", "example-other"))
    found = Established("a", DUTY, "required", mine.id)
    assert (seen(of, by=mine).duty, seen(of, found, by=mine).duty) == (DutyState.UNKNOWN, DutyState.REQUIRED)
    assert seen(of, found, by=mine).basis is Basis.DUTY
    assert seen(of, found, by=other).duty is DutyState.UNKNOWN
    denied = findings_for(replace(of, established=(replace(found, value="not_required"),)), mine)["a"]
    assert (denied.facts.duty, denied.duty_within, denied.duty_denied) == (DutyState.NOT_REQUIRED, None, True)
    assert not findings_for(of, mine)["a"].duty_denied


def test_a_known_duty_is_not_contradicted() -> None:
    """Rule 2: what the table says is not a reviewer's to say."""
    child = situation(record(person("a", age=Age(years=12))), row("US-TX", POLICE))
    assert seen(child).duty is DutyState.REQUIRED
    assert seen(child, Established("a", DUTY, "not_required", agency().id)).duty is DutyState.REQUIRED


def test_perceived_violence_is_established_for_the_record() -> None:
    """Rules 1, 2 and 4: first-hand where nothing was said; relayed stays relayed."""
    violence = Violence(Answer.YES, Answer.YES, Perception.UNKNOWN, NOW)
    of = situation(record(person("a"), violence=violence))
    found = Established("somebody-else", PERCEIVED, "first_hand")
    assert (seen(of).perceived, seen(of).basis) == (Perceived.UNKNOWN, Basis.NONE)
    assert (seen(of, found).perceived, seen(of, found).basis) == (Perceived.FIRST_HAND, Basis.DANGER)
    relayed = situation(record(person("a"), violence=replace(violence, perceived=Perception.RELAYED)))
    assert seen(relayed, found).perceived is Perceived.RELAYED


def _findings() -> st.SearchStrategy[list[Established]]:
    each = st.sampled_from([(fact, value.value) for fact, values in VALUES.items() for value in values])
    return st.lists(
        st.builds(lambda ref, found: Established(ref, found[0], found[1]), st.sampled_from("abc"), each),
        max_size=4,
    )


@given(scenes, _findings())
def test_whatever_is_established_only_unknown_facts_change(scene: tuple[Any, ...], found: list[Established]) -> None:
    """Rule 2, for any situation: an age, a duty and a perception that were known are what they were."""
    of, recipient = scene
    found = [replace(one, recipient_id=recipient.id) if one.fact is DUTY else one for one in found]
    before = findings_for(of, recipient)
    after = findings_for(replace(of, established=tuple(found)), recipient)
    for ref, finding in before.items():
        was, is_now = finding.facts, after[ref].facts
        for fact in Establishable:
            old, new = getattr(was, fact.value), getattr(is_now, fact.value)
            assert old in (new, "unknown"), fact


def test_every_fact_may_be_established_as_all_but_unknown() -> None:
    """Rule 1."""
    assert {fact: {str(value) for value in values} for fact, values in VALUES.items()} == {
        AGE: {"adult", "minor"},
        DUTY: {"required", "not_required"},
        PERCEIVED: {"first_hand", "relayed"},
    }
