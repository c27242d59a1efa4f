"""Which guardian's grant counts? Of nobody who is implicated, unknown to the record, or whom nobody vouched for."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiprouter.domain import consent as consent_rules
from tiprouter.domain.consent import Consent, Guardianship, InformedItem, Question, gaps_of, state_of
from tiprouter.domain.facts import findings_for
from tiprouter.domain.record import Age, Guardian, Person
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, Grantor, Role
from tiprouter.domain.widening import received

from .examples import AUNT, HOUR, NOW, POLICE, PROVIDER, agency, grant, person, record, refusal, situation

NAMES = (None, "g", "h")
WHO: tuple[Guardianship | None, ...] = (
    None,
    *(
        replace(one, ref=ref)
        for ref in NAMES
        for one in (
            AUNT,
            replace(AUNT, relationship=" "),
            replace(AUNT, attested_by=None),
            replace(AUNT, attested_by=" "),
            replace(AUNT, attested_at=None),
            replace(AUNT, attested_by="g"),
        )
    ),
)
"""Every way in which a grant may say who its guardian is, or not say it; a guardian who attests to themselves too."""
RECORDED: tuple[tuple[Guardian, ...], ...] = tuple(
    tuple(Guardian("aunt", implicated, ref) for ref, implicated in some)
    for size in (0, 1, 2)
    for some in itertools.product(itertools.product(NAMES, Answer), repeat=size)
)
"""Every way in which a record may know nobody, one guardian or two."""


def grants() -> Iterator[Consent]:
    """Every grant of a guardian, alone or with the person."""
    for grantor, implicated, who in itertools.product((Grantor.GUARDIAN, Grantor.BOTH), Answer, WHO):
        yield grant(grantor=grantor, guardian_implicated=implicated, guardian=who)


def doubtful(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    """Whether anything at all is said against the guardian, or something is not said for them."""
    who = consent.guardian
    if who is None or consent.guardian_implicated in (Answer.YES, Answer.UNKNOWN):
        return True
    if who.relationship == " " or who.attested_by in (None, " ") or who.attested_at is None:
        return True
    answers = {one.implicated for one in recorded if who.ref is None or one.ref == who.ref}
    return answers != {Answer.NO} or who.ref == who.attested_by


def counted() -> Iterator[tuple[Consent, tuple[Guardian, ...], bool]]:
    """Every grant beside every record: whether it counts for anybody of any age under any law."""
    ages = tuple(itertools.product(AgeBand, (True, False)))
    for consent, recorded in itertools.product(grants(), RECORDED):
        asked = (Question(agency(), age, minor_alone=alone, guardians=recorded) for age, alone in ages)
        states = {state_of([consent], question, Category.INCIDENT, NOW) for question in asked}
        yield consent, recorded, ConsentState.GRANTED in states


def a_doubtful_one_counts() -> bool:
    """Whether any doubtful grant counts; the search ends at the first."""
    return any(counts and doubtful(consent, recorded) for consent, recorded, counts in counted())


def test_no_doubtful_guardian_ever_consents_over_the_whole_space() -> None:
    """Consent rule 4: implicated, perhaps implicated, unknown or unattested; and a clear one does consent, with her."""
    good = 0
    for consent, recorded, counts in counted():
        if doubtful(consent, recorded):
            assert not counts, (consent.guardian, consent.guardian_implicated, recorded)
        else:
            assert counts is (consent.grantor is Grantor.BOTH), (consent.guardian, recorded)
            good += counts
    assert good > 0


def _all_must_be_implicated(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    bad = bool(recorded) and all(one.implicated is not Answer.NO for one in recorded)
    return consent.vouched and consent.guardian_implicated is Answer.NO and not bad


def _nobody_attests(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    named = None if consent.guardian is None else consent.guardian.ref
    meant = [one for one in recorded if named in (None, one.ref)]
    return (
        consent.guardian_implicated is Answer.NO and bool(meant) and all(one.implicated is Answer.NO for one in meant)
    )


def _nobody_need_be_known(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    named = None if consent.guardian is None else consent.guardian.ref
    meant = [one for one in recorded if named in (None, one.ref)]
    return (
        consent.vouched
        and consent.guardian_implicated is Answer.NO
        and all(one.implicated is Answer.NO for one in meant)
    )


def _unknown_is_no(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    named = None if consent.guardian is None else consent.guardian.ref
    meant = [one for one in recorded if named in (None, one.ref)]
    clear = bool(meant) and all(one.implicated is not Answer.YES for one in meant)
    return consent.vouched and consent.guardian_implicated is Answer.NO and clear


@pytest.mark.parametrize(
    "fault",
    [_all_must_be_implicated, _nobody_attests, _nobody_need_be_known, _unknown_is_no],
    ids=lambda one: one.__name__,
)
def test_a_laxer_rule_is_found_out(
    fault: Callable[[Consent, tuple[Guardian, ...]], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: each way in which the rule was, or might be, laxer lets a doubtful grant count."""
    monkeypatch.setattr(consent_rules, "_guardian_clear", fault)
    assert a_doubtful_one_counts()


_guardians = st.lists(
    st.builds(Guardian, st.just("aunt"), st.sampled_from(Answer), st.sampled_from([None, "b", "t", "a"])), max_size=3
).map(tuple)
_given = st.builds(
    grant,
    st.sampled_from([POLICE, PROVIDER]),
    grantor=st.sampled_from([Grantor.GUARDIAN, Grantor.BOTH]),
    guardian_implicated=st.sampled_from(Answer),
    guardian=st.sampled_from(WHO) | st.sampled_from(["a", "b", "t"]).map(lambda ref: replace(AUNT, ref=ref)),
)


def _people(guardians: tuple[Guardian, ...], band: AgeBand) -> tuple[Person, ...]:
    age = Age(years={AgeBand.MINOR: 9, AgeBand.ADULT: 30}.get(band))
    return person("a", age=age, guardians=guardians), person("b"), person("t", role=Role.ALLEGED_TRAFFICKER)


def _by(ref: str | None) -> Consent:
    return grant(PROVIDER, grantor=Grantor.BOTH, guardian=replace(AUNT, ref=ref))


@example((Guardian("aunt", Answer.NO, "t"),), _by("t"), AgeBand.MINOR)
@example((Guardian("aunt", Answer.NO, "t"),), _by(None), AgeBand.MINOR)
@example((Guardian("aunt", Answer.NO, "a"),), _by("a"), AgeBand.MINOR)
@example((Guardian("aunt", Answer.NO, "b"),), _by("b"), AgeBand.MINOR)
@given(_guardians, _given, st.sampled_from(AgeBand))
def test_what_the_policy_sees_of_a_doubtful_guardians_grant_is_never_granted(
    guardians: tuple[Guardian, ...], consent: Consent, band: AgeBand
) -> None:
    """Facts rule 8: the accused and the person themselves are nobody's guardian, whatever is said of the guardian."""
    known = tuple(replace(one, implicated=Answer.YES) if one.ref == "t" else one for one in guardians if one.ref != "a")
    facts = findings_for(situation(record(*_people(guardians, band)), a=[consent]), agency(consent.kinds[0]))["a"].facts
    if doubtful(consent, known) or consent.grantor is Grantor.GUARDIAN:
        assert not facts.any_granted
    else:
        assert facts.any_granted


def test_of_two_guardians_the_one_who_is_named_counts() -> None:
    """The aunt who harms nobody consents; in the uncle's name, in a stranger's or in nobody's nothing is consented."""
    both = Guardian("aunt", Answer.NO, "g"), Guardian("uncle", Answer.YES, "h")
    child = Question(agency(), AgeBand.MINOR, minor_alone=False, guardians=both)

    def said(ref: str | None) -> ConsentState:
        one = grant(grantor=Grantor.BOTH, guardian=replace(AUNT, ref=ref))
        return state_of([one], child, Category.INCIDENT, NOW)

    assert {ref: said(ref) for ref in ("g", "h", "x", None)} == {
        "g": ConsentState.GRANTED,
        "h": ConsentState.VOID,
        "x": ConsentState.VOID,
        None: ConsentState.VOID,
    }


@pytest.mark.parametrize(
    ("consent", "pointers"),
    [
        (grant(), []),
        (refusal(grantor=Grantor.GUARDIAN, guardian=None), []),
        (grant(grantor=Grantor.BOTH), []),
        (grant(grantor=Grantor.BOTH, guardian=None), ["/guardian"]),
        (
            grant(grantor=Grantor.GUARDIAN, guardian=Guardianship(" ")),
            ["/guardian/relationship", "/guardian/attested_by", "/guardian/attested_at"],
        ),
        (grant(grantor=Grantor.BOTH, guardian=replace(AUNT, ref="g", attested_by="g")), ["/guardian/attested_by"]),
    ],
)
def test_what_a_guardians_grant_lacks_is_named_by_its_place(consent: Consent, pointers: list[str]) -> None:
    """Consent rule 4: who they are, by whose word and when; a refusal needs nobody's word."""
    assert [pointer for pointer, _ in gaps_of(consent)] == pointers
    assert consent.choice is not grant().choice or consent.vouched is (not pointers)


@pytest.mark.parametrize(
    ("last", "new", "phase"),
    [
        (AUNT, AUNT, ConsentPhase.STANDING),
        (AUNT, replace(AUNT, attested_at=NOW), ConsentPhase.STANDING),
        (AUNT, replace(AUNT, relationship="uncle"), ConsentPhase.PENDING),
        (AUNT, replace(AUNT, attested_by="Example Friend"), ConsentPhase.PENDING),
        (AUNT, replace(AUNT, ref="g"), ConsentPhase.PENDING),
        (replace(AUNT, attested_at=None), AUNT, ConsentPhase.PENDING),
        (None, AUNT, ConsentPhase.PENDING),
        (None, None, ConsentPhase.PENDING),
    ],
)
def test_another_guardian_or_another_word_for_them_waits(
    last: Guardianship | None, new: Guardianship | None, phase: ConsentPhase
) -> None:
    """Widening rule 2: the same guardian by the same person's word adds nothing; after a void grant anything adds."""
    first = received([], grant(grantor=Grantor.BOTH, guardian=last), NOW)
    again = grant(id="again", grantor=Grantor.BOTH, guardian=new, given_at=NOW)
    assert received([first], again, NOW + HOUR).phase is phase


def test_after_a_yes_that_was_told_in_part_a_whole_one_waits() -> None:
    """Widening rule 2: what the person was not told of before is new to them, whoever fills the list in."""
    first = received([], grant(informed=tuple(InformedItem)[1:]), NOW)
    whole = grant(id="again", given_at=NOW)
    assert received([first], whole, NOW + HOUR).phase is ConsentPhase.PENDING
    assert received([received([], grant(), NOW)], whole, NOW + HOUR).phase is ConsentPhase.STANDING
