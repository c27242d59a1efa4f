"""From the record to the outcome: does taking a consent back ever tell anybody more?"""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.examples import (
    CHILDREN,
    HOUR,
    NOW,
    POLICE,
    PROVIDER,
    agency,
    grant,
    person,
    record,
    refusal,
    row,
    situation,
)
from tiprouter.domain.facts import Situation, findings_for
from tiprouter.domain.outcome import verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Age, Person, Signaler, Violence
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, Grantor, Perception, Relationship, Role
from tiprouter.policy.engine import Engine

REFS = ("a", "b", "c")
HEARD = Violence(Answer.YES, Answer.YES, Perception.HEARD, NOW - HOUR)
CALM = Violence(Answer.NO, Answer.NO)

_consents = st.lists(
    st.builds(
        grant,
        id=st.sampled_from("xyz"),
        kinds=st.sampled_from([(POLICE,), tuple({POLICE, CHILDREN, PROVIDER})]),
        grantor=st.sampled_from([Grantor.SELF, Grantor.BOTH]),
        categories=st.sampled_from([tuple(Category), (Category.INCIDENT,), (Category.LOCATION, Category.HEALTH)]),
        given_at=st.integers(1, 9).map(lambda hours: NOW - hours * HOUR),
    )
    | st.builds(refusal, id=st.just("w"), given_at=st.integers(1, 9).map(lambda hours: NOW - hours * HOUR)),
    max_size=3,
)
_recipients = st.builds(
    agency,
    st.sampled_from([POLICE, CHILDREN, PROVIDER]),
    agreement_until=st.sampled_from([None, NOW + HOUR]),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Three people in some trouble, with consents."""
    persons: list[Person] = []
    for ref in REFS:
        age = draw(st.sampled_from([Age(years=9), Age(years=30), Age(belief=AgeBand.UNKNOWN)]))
        role = draw(st.sampled_from([Role.POTENTIAL_VICTIM, *Role]))
        persons.append(person(ref, age=age, role=role))
    values: dict[str, Any] = {
        "violence": draw(st.sampled_from([CALM, HEARD, replace(HEARD, perceived=Perception.RELAYED)])),
        "signaler": Signaler(draw(st.sampled_from(Relationship))),
    }
    receivers = draw(st.sampled_from([(POLICE, CHILDREN), (CHILDREN,)]))
    return situation(record(*persons, **values), row("US-TX", *receivers), **{ref: draw(_consents) for ref in REFS})


def _leaving(of: Situation, recipient: Recipient, engine: Engine) -> dict[str, frozenset[Category]]:
    findings = findings_for(of, recipient)
    return {ref: verdict_of(each, engine.rule(each.facts), NOW).categories for ref, each in findings.items()}


@settings(max_examples=100, deadline=None)
@given(situations(), _recipients, st.sampled_from(REFS), st.integers(0, 2))
def test_withdrawing_a_consent_tells_nobody_more(
    engine: Engine, of: Situation, recipient: Recipient, whose: str, which: int
) -> None:
    """Whoever withdraws whatever: for each person of the record, what leaves is a part of what left before."""
    known = list(of.consents[whose])
    after = [replace(each, withdrawn_at=NOW) if number == which else each for number, each in enumerate(known)]
    before, now = (
        _leaving(replace(of, consents={**of.consents, whose: consents}), recipient, engine)
        for consents in (known, after)
    )
    assert all(now[ref] <= before[ref] for ref in REFS)


def test_a_withdrawal_does_not_uncover_the_accused(engine: Engine) -> None:
    """A child's duty stands behind an adult's consent: the accused person's data is the same before and after.

    Were consent the stronger basis, an agency without an agreement would learn of the accused by the withdrawal.
    """
    people = (person("a"), person("b", age=Age(years=9)), person("c", role=Role.ALLEGED_TRAFFICKER))
    toward = agency(CHILDREN, agreement_until=None)
    before = situation(record(*people), a=[grant(CHILDREN)])
    after = situation(record(*people), a=[grant(CHILDREN, withdrawn_at=NOW)])
    told = _leaving(before, toward, engine)
    assert Category.INCIDENT in told["c"]
    assert told["a"] == frozenset()
    assert _leaving(after, toward, engine) == told
