"""From the record to the outcome: does taking a consent back ever tell anybody more?"""

from dataclasses import replace
from datetime import UTC, datetime
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
    place,
    record,
    refusal,
    row,
    situation,
)
from tiprouter.domain.facts import Situation, findings_for
from tiprouter.domain.outcome import narrowed, verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Age, Person, Signaler, Violence
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, Grantor, Outcome, Perception, Relationship, Role
from tiprouter.policy.engine import Engine

REFS = ("a", "b", "c")
LATER = datetime(2027, 3, 1, 12, tzinfo=UTC)
"""While the shipped duty table is relied on: it was compared with its sources in November 2026."""
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


def _permitted(of: Situation, recipient: Recipient, engine: Engine) -> dict[str, frozenset[Category]]:
    findings = findings_for(of, recipient)
    return {ref: narrowed(each.facts, engine.rule(each.facts)).permitted for ref, each in findings.items()}


def _leaving(of: Situation, recipient: Recipient, engine: Engine) -> dict[str, frozenset[Category]]:
    findings = findings_for(of, recipient)
    return {ref: verdict_of(each, engine.rule(each.facts), NOW).categories for ref, each in findings.items()}


@settings(max_examples=100, deadline=None)
@given(situations(), _recipients, st.sampled_from(REFS), st.integers(0, 2))
def test_withdrawing_a_consent_tells_nobody_more(
    engine: Engine, sharing_engine: Engine, of: Situation, recipient: Recipient, whose: str, which: int
) -> None:
    """Whoever withdraws whatever: for each person of the record, what leaves is a part of what left before."""
    known = list(of.consents[whose])
    after = [replace(each, withdrawn_at=NOW) if number == which else each for number, each in enumerate(known)]
    for asked in (engine, sharing_engine):
        before, now = (
            _leaving(replace(of, consents={**of.consents, whose: consents}), recipient, asked)
            for consents in (known, after)
        )
        assert all(now[ref] <= before[ref] for ref in REFS)


@settings(max_examples=100, deadline=None)
@given(situations(), _recipients, st.sampled_from(REFS), st.sampled_from([(), (Category.LOCATION,)]))
def test_a_refusal_permits_nobody_more(
    engine: Engine,
    sharing_engine: Engine,
    of: Situation,
    recipient: Recipient,
    whose: str,
    categories: tuple[Category, ...],
) -> None:
    """Whoever refuses whatever, now: what may be told of anybody is a part of what might have been before.

    May be told: a refusal can end a review, which held back what the person had consented to beside it.
    """
    said = refusal(id="said", given_at=NOW, categories=categories)
    after = replace(of, consents={**of.consents, whose: [*of.consents[whose], said]})
    for asked in (engine, sharing_engine):
        before, now = (_permitted(each, recipient, asked) for each in (of, after))
        assert all(now[ref] <= before[ref] for ref in REFS)


def test_the_law_of_the_shipped_table_outlives_a_withdrawal(engine: Engine) -> None:
    """A Californian child's report is owed with its call and its report in writing, whatever anybody takes back."""
    heard: dict[str, Any] = {"signaled_at": LATER, "received_at": LATER, "jurisdictions": (place("US-CA"),)}
    about = record(person("a", age=Age(years=9)), **heard)
    said = {"given_at": LATER - HOUR, "valid_from": LATER - HOUR, "expires_at": LATER + HOUR}
    toward = agency(CHILDREN, jurisdictions=("US-CA",), agreement_until=None)
    both = []
    for withdrawn in (None, LATER):
        of = Situation(about, {"a": [grant(CHILDREN, **said, withdrawn_at=withdrawn)]}, engine.bundle.protocol, LATER)
        finding = findings_for(of, toward)["a"]
        both.append(verdict_of(finding, engine.rule(finding.facts), LATER))
    assert both[0] == replace(both[1], facts=both[0].facts)
    assert (both[0].outcome, both[0].call, both[0].deadline) == (Outcome.REPORT, True, LATER + HOUR)
    assert both[0].written_by == LATER + 36 * HOUR
    assert "duty.us-ca" in both[0].policies


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
