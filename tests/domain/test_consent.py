"""What do one person's consents say about telling one recipient one category of data?"""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain import consent as consent_rules
from tiprouter.domain.consent import Consent, InformedItem, Question, changes_after, state_of
from tiprouter.domain.record import Guardian
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, Grantor, Purpose, RecipientKind

from .examples import CHILDREN, DAY, HOUR, NOW, POLICE, PROVIDER, agency, grant, refusal

CLEAR = (Guardian("aunt", Answer.NO),)
ADULT = Question(agency(), AgeBand.ADULT, minor_alone=False, guardians=CLEAR)
CHILD = Question(agency(), AgeBand.MINOR, minor_alone=False, guardians=CLEAR)
CHILD_ALONE = Question(agency(), AgeBand.MINOR, minor_alone=True, guardians=CLEAR)
INCIDENT = Category.INCIDENT

_spans = st.integers(-72, 72).map(lambda hours: NOW + hours * HOUR)
_spoken = st.integers(-72, 0).map(lambda hours: NOW + hours * HOUR)  # nobody has spoken in the future
_grants = st.builds(
    grant,
    id=st.sampled_from("abcd"),
    grantor=st.sampled_from(Grantor),
    guardian_implicated=st.sampled_from(Answer),
    kinds=st.sampled_from([(POLICE,), (PROVIDER,), (POLICE, PROVIDER)]),
    categories=st.sampled_from([(INCIDENT,), (Category.HEALTH,), tuple(Category)]),
    informed=st.booleans(),
    given_at=_spoken,
    valid_from=_spans,
    expires_at=st.none() | _spans,
    withdrawn_at=st.none() | _spoken,
)
_refusals = st.builds(refusal, id=st.sampled_from("efgh"), given_at=_spoken)
_consents = st.lists(_grants | _refusals, max_size=5)
_questions = st.builds(
    Question,
    st.just(agency()),
    st.sampled_from(AgeBand),
    minor_alone=st.booleans(),
    guardians=st.sampled_from([(), CLEAR]),
)


def _state(*consents: Consent, question: Question = ADULT, category: Category = INCIDENT) -> ConsentState:
    return state_of(consents, question, category, NOW)


@pytest.mark.parametrize(
    "change",
    [{"informed": False}, {"informed": ()}, {"expires_at": None}]
    + [{"informed": tuple(one for one in InformedItem if one is not gap)} for gap in InformedItem],
)
def test_a_grant_without_checklist_or_end_is_void(change: dict[str, Any]) -> None:
    """Rule 1: no expiry means invalid, not for ever; told all but one thing is not told."""
    assert _state(grant()) is ConsentState.GRANTED
    assert _state(grant(informed=tuple(reversed(InformedItem)))) is ConsentState.GRANTED
    assert _state(grant(**change)) is ConsentState.VOID


def test_what_was_not_told_is_named_item_by_item() -> None:
    """Rule 1: a bare yes is all of it and a bare no nothing; a list is itself, in the vocabulary's order."""
    two = (InformedItem.RISKS, InformedItem.RECIPIENTS)
    assert grant(informed=two).checklist == (InformedItem.RECIPIENTS, InformedItem.RISKS)
    assert set(grant(informed=two).untold) == set(InformedItem) - set(two)
    assert (grant(informed=True).checklist, grant(informed=True).untold) == (tuple(InformedItem), ())
    assert (grant(informed=False).checklist, grant(informed=False).untold) == ((), tuple(InformedItem))


def test_consent_to_a_provider_is_not_consent_to_police() -> None:
    """Rule 2: a kind that is not named is out of scope."""
    assert _state(grant(PROVIDER)) is ConsentState.OUT_OF_SCOPE
    provider = Question(agency(PROVIDER), AgeBand.ADULT, minor_alone=False)
    assert _state(grant(PROVIDER), question=provider) is ConsentState.GRANTED


@pytest.mark.parametrize(
    "scope",
    [
        {"kinds": (CHILDREN,)},
        {"kinds": (), "recipients": ("example-other",)},
        {"kinds": (), "recipients": ()},
        {"purposes": (Purpose.SERVICES,)},
        {"purposes": ()},
        {"categories": (Category.HEALTH,)},
        {"categories": ()},
    ],
)
def test_a_grant_counts_only_inside_its_scope(scope: dict[str, Any]) -> None:
    """Rule 2: recipient or kind, purpose and category; an empty scope of a grant grants nothing."""
    assert _state(replace(grant(), **scope)) is ConsentState.OUT_OF_SCOPE


def test_a_named_recipient_is_in_scope_whatever_its_kind() -> None:
    """Rule 2: naming the agency is enough."""
    assert _state(replace(grant(), kinds=(), recipients=(agency().id,))) is ConsentState.GRANTED


@pytest.mark.parametrize(
    ("scope", "state"),
    [
        ({}, ConsentState.REFUSED),
        ({"kinds": (POLICE,)}, ConsentState.REFUSED),
        ({"recipients": (agency().id,)}, ConsentState.REFUSED),
        ({"categories": (INCIDENT,)}, ConsentState.REFUSED),
        ({"kinds": (PROVIDER,)}, ConsentState.GRANTED),
        ({"categories": (Category.HEALTH,)}, ConsentState.GRANTED),
        ({"purposes": (Purpose.SERVICES,)}, ConsentState.GRANTED),
    ],
)
def test_a_refusal_wins_where_it_covers(scope: dict[str, Any], state: ConsentState) -> None:
    """Rule 3: a refusal without a scope is of everything, one with a scope of that alone."""
    assert _state(grant(), refusal(id="later", given_at=NOW - HOUR, **scope)) is state


def test_a_grant_after_a_refusal_grants_again() -> None:
    """Rule 3: the last word counts."""
    assert _state(refusal(given_at=NOW - 2 * DAY), grant()) is ConsentState.GRANTED


def test_of_two_words_at_once_the_narrower_counts() -> None:
    """Rule 3: whatever the ids are called."""
    assert _state(grant(id="z"), refusal(id="a")) is ConsentState.REFUSED
    assert _state(grant(id="a"), refusal(id="z")) is ConsentState.REFUSED


def test_a_withdrawal_wins_over_every_grant_given_before_it() -> None:
    """Rule 3: a renewal given before the withdrawal does not outlive it; a grant given afterwards does."""
    withdrawn = grant(id="first", given_at=NOW - 3 * DAY, withdrawn_at=NOW - HOUR)
    assert _state(withdrawn, grant(id="renewal", given_at=NOW - DAY)) is ConsentState.WITHDRAWN
    assert _state(withdrawn, grant(id="again", given_at=NOW - HOUR / 2)) is ConsentState.GRANTED


@pytest.mark.parametrize("grantor", [Grantor.GUARDIAN, Grantor.BOTH])
@pytest.mark.parametrize("implicated", [Answer.YES, Answer.UNKNOWN])
def test_an_implicated_guardian_makes_the_grant_void(grantor: Grantor, implicated: Answer) -> None:
    """Rule 4: unknown is not no."""
    consent = grant(grantor=grantor, guardian_implicated=implicated)
    assert _state(consent, question=CHILD) is ConsentState.VOID


def _allowed_by(grantors: list[Grantor], implicated: list[Answer]) -> int:
    """How many questions of all there are such grants allow, everything else about them being in order."""
    spaces = itertools.product(grantors, implicated, AgeBand, (False, True), RecipientKind, Category)
    return sum(
        _state(
            grant(kind, grantor=grantor, guardian_implicated=answer),
            question=Question(agency(kind), age, minor_alone=alone, guardians=CLEAR),
            category=category,
        )
        is ConsentState.GRANTED
        for grantor, answer, age, alone, kind, category in spaces
    )


def test_an_implicated_guardian_allows_nothing_over_the_whole_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4, for every age, law, recipient and category; without the rule there would be something to allow."""
    guardians, perhaps = [Grantor.GUARDIAN, Grantor.BOTH], [Answer.YES, Answer.UNKNOWN]
    assert _allowed_by(guardians, perhaps) == 0
    assert _allowed_by(guardians, [Answer.NO]) > 0
    monkeypatch.setattr(consent_rules, "_may_grant", lambda *_: True)
    assert _allowed_by(guardians, perhaps) > 0


@pytest.mark.parametrize(
    ("grantor", "question", "state"),
    [
        (Grantor.SELF, ADULT, ConsentState.GRANTED),
        (Grantor.BOTH, ADULT, ConsentState.GRANTED),
        (Grantor.GUARDIAN, ADULT, ConsentState.VOID),
        (Grantor.SELF, CHILD, ConsentState.VOID),
        (Grantor.BOTH, CHILD, ConsentState.GRANTED),
        (Grantor.GUARDIAN, CHILD, ConsentState.VOID),
        (Grantor.SELF, CHILD_ALONE, ConsentState.GRANTED),
        (Grantor.GUARDIAN, CHILD_ALONE, ConsentState.VOID),
    ],
)
def test_who_may_grant_depends_on_age(grantor: Grantor, question: Question, state: ConsentState) -> None:
    """Rule 5: a minor with a guardian, or alone where the law says so; an adult themselves."""
    assert _state(grant(grantor=grantor), question=question) is state


def test_nothing_asked_is_not_out_of_scope() -> None:
    """Rule 6."""
    assert _state() is ConsentState.NOT_ASKED


@pytest.mark.parametrize(
    ("begins", "ends", "state"),
    [
        (NOW, NOW + HOUR, ConsentState.GRANTED),
        (NOW + HOUR, NOW + DAY, ConsentState.NOT_ASKED),
        (NOW - DAY, NOW, ConsentState.EXPIRED),
        (NOW - DAY, NOW + timedelta(microseconds=1), ConsentState.GRANTED),
    ],
)
def test_a_grant_holds_from_its_start_until_before_its_end(
    begins: datetime, ends: datetime, state: ConsentState
) -> None:
    """Rule 1: the end itself is outside."""
    assert _state(grant(valid_from=begins, expires_at=ends)) is state


@given(_consents, _questions, st.integers(0, 4))
def test_withdrawing_never_grants(consents: list[Consent], question: Question, which: int) -> None:
    """Narrowing is immediate: no category becomes granted by a withdrawal."""
    after = [replace(each, withdrawn_at=NOW) if number == which else each for number, each in enumerate(consents)]
    for category in Category:
        if state_of(after, question, category, NOW) is ConsentState.GRANTED:
            assert state_of(consents, question, category, NOW) is ConsentState.GRANTED


@given(_consents, _questions)
def test_a_refusal_of_everything_is_the_end_of_it(consents: list[Consent], question: Question) -> None:
    """Rule 3: after a refusal nothing that was said before is granted."""
    last = refusal(id="last", given_at=NOW + 99 * HOUR)
    assert {state_of([*consents, last], question, each, NOW) for each in Category} == {ConsentState.REFUSED}


@given(_consents, _questions, st.integers(0, 99))
def test_a_state_holds_until_the_next_change(consents: list[Consent], question: Question, hours: int) -> None:
    """Before the first of `changes_after`, time alone changes nothing."""
    later = NOW + hours * HOUR
    if all(later < change for change in changes_after(consents, NOW)):
        for category in Category:
            assert state_of(consents, question, category, later) is state_of(consents, question, category, NOW)
