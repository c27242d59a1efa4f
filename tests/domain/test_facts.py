"""What may the policy see of one person and one recipient?"""

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.facts import Facts, Situation, bands_anywhere, findings_for
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Age, Guardian, Implicated, Signaler, Violence
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Grantor,
    Perceived,
    Perception,
    Relationship,
    Role,
    SignalerWish,
)

from .examples import CHILDREN, DAY, HOUR, NOW, POLICE, PROVIDER, agency, grant, person, place, record, row, situation

CHILD = Age(years=9)
HEARD = Violence(Answer.YES, Answer.YES, Perception.HEARD, NOW - HOUR)


def _facts(of: Situation, recipient: Recipient | None = None, ref: str = "a") -> Facts:
    return findings_for(of, recipient or agency())[ref].facts


def test_the_facts_are_closed_vocabularies_and_nothing_else() -> None:
    """Rules 1 and 2: what is stored and replayed is words and truth values, never a text of the record."""
    plain = _facts(situation(record(person("a", health="example illness")))).plain()
    assert set(plain) == {field.name for field in fields(Facts)}
    assert plain["consents"] == {category.value: "not_asked" for category in Category}
    assert plain["usable"] is True
    assert plain["recipient_kind"] == "law_enforcement"
    assert "illness" not in repr(plain)


@pytest.mark.parametrize(
    ("changes", "fact", "value"),
    [
        ({"status": RecipientStatus.SUSPENDED}, "usable", False),
        ({"agreement_until": None}, "agreement", False),
        ({"agreement_until": NOW}, "agreement", False),
        ({"agreement_until": NOW + HOUR}, "agreement", True),
        ({"jurisdictions": ("US-GA",)}, "in_jurisdiction", Answer.NO),
        ({"jurisdictions": ("US",)}, "in_jurisdiction", Answer.YES),
        ({"counties": ("48113",)}, "in_jurisdiction", Answer.UNKNOWN),
    ],
)
def test_the_recipients_facts(changes: dict[str, Any], fact: str, value: object) -> None:
    """Rules 2 and 3: a county nobody named is unknown, an agreement ends at its own moment."""
    assert getattr(_facts(situation(record()), agency(**changes)), fact) == value


@pytest.mark.parametrize(
    ("entry", "implicated"),
    [
        (Implicated(recipient_id="example-law_enforcement"), True),
        (Implicated(recipient_id="example-other"), False),
        (Implicated(kind=POLICE), True),
        (Implicated(kind=CHILDREN), False),
        (Implicated(kind=POLICE, jurisdiction="US-TX"), True),
        (Implicated(kind=POLICE, jurisdiction="US-GA"), False),
    ],
)
def test_an_accused_agency_is_implicated(entry: Implicated, implicated: bool) -> None:  # noqa: FBT001 - a table
    """Rule 1: by its id, or by its kind in a place."""
    assert _facts(situation(record(implicated=(entry,)))).implicated is implicated


@pytest.mark.parametrize(
    ("perceived", "observed", "fact", "fresh"),
    [
        (Perception.HEARD, NOW - HOUR, Perceived.FIRST_HAND, True),
        (Perception.OBSERVED, NOW - HOUR, Perceived.FIRST_HAND, True),
        (Perception.RELAYED, NOW - HOUR, Perceived.RELAYED, True),
        (Perception.UNKNOWN, NOW - HOUR, Perceived.UNKNOWN, True),
        (Perception.HEARD, NOW - 12 * HOUR, Perceived.FIRST_HAND, False),
        (Perception.HEARD, NOW - 12 * HOUR + timedelta(seconds=1), Perceived.FIRST_HAND, True),
        (Perception.HEARD, None, Perceived.FIRST_HAND, False),
    ],
)
def test_violence_is_first_hand_and_fresh_or_it_is_not(
    perceived: Perception,
    observed: Any,  # noqa: ANN401 - a moment or none
    fact: Perceived,
    fresh: bool,  # noqa: FBT001 - a table
) -> None:
    """Rule 4: undated violence is not fresh."""
    facts = _facts(situation(record(violence=Violence(Answer.YES, Answer.YES, perceived, observed))))
    assert (facts.perceived, facts.fresh) == (fact, fresh)


@pytest.mark.parametrize(
    ("role", "duty"),
    [
        (Role.POTENTIAL_VICTIM, DutyState.REQUIRED),
        (Role.DEPENDANT, DutyState.REQUIRED),
        (Role.WITNESS, DutyState.NOT_REQUIRED),
        (Role.SIGNALER, DutyState.NOT_REQUIRED),
        (Role.ALLEGED_TRAFFICKER, DutyState.NOT_REQUIRED),
    ],
)
def test_a_duty_is_about_victims_and_their_dependants(role: Role, duty: DutyState) -> None:
    """Rule 1: whose childhood makes a duty; its span comes with the finding."""
    finding = findings_for(situation(record(person("a", role=role))), agency())["a"]
    assert finding.facts.duty is duty
    assert finding.duty_within == (24 * HOUR if duty is DutyState.REQUIRED else None)


def test_the_band_is_by_the_most_protective_threshold_served() -> None:
    """Rule 1: an eighteen-year-old is a child toward whoever serves Alabama, and an adult toward Texas alone."""
    about = record(person("a", age=Age(years=18)), jurisdictions=(place("US-TX"), place("US-AL")))
    of = situation(about, row("US-TX"), row("US-AL", threshold=19))
    assert _facts(of, agency(jurisdictions=("US-TX",))).age is AgeBand.ADULT
    assert _facts(of, agency(jurisdictions=("US",))).age is AgeBand.MINOR
    assert bands_anywhere(of) == {"a": AgeBand.MINOR}


def test_basis_is_duty_then_consent_then_danger() -> None:
    """Rule 5: and without a potential victim there is none."""
    adult, child = person("a"), person("b", age=CHILD)
    consents = {"a": [grant()]}
    trafficker = person("t", role=Role.ALLEGED_TRAFFICKER)
    expected = [
        (record(adult, child, trafficker, violence=HEARD), consents, Basis.DUTY),
        (record(adult, child, trafficker, violence=HEARD), {}, Basis.DUTY),
        (record(adult, trafficker, violence=HEARD), consents, Basis.CONSENT),
        (record(adult, trafficker, violence=HEARD), {}, Basis.DANGER),
        (record(adult, trafficker), {}, Basis.NONE),
        (record(trafficker, violence=HEARD), {}, Basis.NONE),
    ]
    assert [_facts(situation(about, **given_), ref="t").basis for about, given_, _ in expected] == [
        basis for _, _, basis in expected
    ]


def test_basis_needs_the_victims_consent_to_the_incident() -> None:
    """Rule 5: neither a witness's consent nor a consent to something else opens the accused person's data."""
    trafficker, witness = person("t", role=Role.ALLEGED_TRAFFICKER), person("w", role=Role.WITNESS)
    about = record(person("a"), witness, trafficker)
    assert _facts(situation(about, w=[grant()]), ref="t").basis is Basis.NONE
    assert _facts(situation(about, a=[grant(categories=(Category.LOCATION,))]), ref="t").basis is Basis.NONE
    assert _facts(situation(about, a=[grant()]), ref="t").basis is Basis.CONSENT


def test_a_wish_to_stay_anonymous_narrows() -> None:
    """Rule 6: whatever was granted, and only about who signaled."""
    about = record(person("a"), signaler=Signaler(Relationship.SELF, SignalerWish.ANONYMOUS, "a"))
    facts = _facts(situation(about, a=[grant()]))
    assert facts.consent(Category.SIGNALER_IDENTITY) is ConsentState.REFUSED
    assert facts.consent(Category.INCIDENT) is ConsentState.GRANTED
    assert facts.reporter is Relationship.SELF


@pytest.mark.parametrize(
    ("guardians", "state"),
    [
        ([], ConsentState.GRANTED),
        ([Answer.NO], ConsentState.GRANTED),
        ([Answer.YES], ConsentState.VOID),
        ([Answer.UNKNOWN], ConsentState.VOID),
        ([Answer.YES, Answer.NO], ConsentState.GRANTED),
    ],
)
def test_a_childs_consent_needs_a_guardian_who_is_not_implicated(guardians: list[Answer], state: ConsentState) -> None:
    """Rule 8: the record's own word on the guardians counts beside the consent's."""
    child = person("a", age=CHILD, guardians=tuple(Guardian("parent", implicated) for implicated in guardians))
    of = situation(record(child), a=[grant(PROVIDER, grantor=Grantor.BOTH)])
    assert _facts(of, agency(PROVIDER)).consent(Category.INCIDENT) is state


def test_a_minor_may_consent_alone_only_where_every_law_says_so() -> None:
    """Rule 8: two jurisdictions, one of which does not."""
    about = record(person("a", age=CHILD), jurisdictions=(place("US-TX"), place("US-GA")))
    consents = {"a": [grant(PROVIDER)]}
    toward = agency(PROVIDER, jurisdictions=("US",))
    both = situation(about, row("US-TX", minor_alone=True), row("US-GA", minor_alone=True), **consents)
    one = situation(about, row("US-TX", minor_alone=True), row("US-GA"), **consents)
    assert _facts(both, toward).consent(Category.INCIDENT) is ConsentState.GRANTED
    assert _facts(one, toward).consent(Category.INCIDENT) is ConsentState.VOID


def test_facts_end_at_the_first_moment_that_changes_one() -> None:
    """Rule 3: freshness, agreement, birthdays and consents each end the facts of everybody in the record."""
    about = record(person("a"), person("b", age=Age(date_of_birth=date(2012, 6, 20))), violence=HEARD)
    until = {
        "fresh": NOW + 11 * HOUR,
        "consent": NOW + DAY,
        "birthday": NOW + 5 * DAY,
        "agreement": NOW + 9 * DAY,
    }
    of = situation(about, a=[grant(expires_at=until["consent"])])
    toward = agency(agreement_until=until["agreement"])
    seen = []
    for _ in until:
        found = findings_for(of, toward)["a"].valid_until
        assert found is not None
        seen.append(found)
        of = replace(of, now=found)
    assert seen == sorted(until.values())


@given(
    st.integers(1, 60),
    st.sampled_from([Age(years=17), Age(date_of_birth=date(2012, 6, 20)), Age(range_low=17, range_high=19), Age()]),
    st.integers(0, 24 * 400),
)
def test_before_valid_until_time_changes_no_fact(days: int, age: Age, hours: int) -> None:
    """Rule 3."""
    about = record(person("a", age=age), violence=HEARD)
    of = situation(about, a=[grant(expires_at=NOW + days * DAY)])
    finding = findings_for(of, agency())["a"]
    later = NOW + hours * HOUR
    if finding.valid_until is None or later < finding.valid_until:
        assert _facts(replace(of, now=later)) == finding.facts
