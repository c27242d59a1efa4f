"""What no fact may ever lead to, whatever else is true (docs/decision-rules.md)."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.domain.facts import VICTIM_ROLES, Facts, Finding
from tiprouter.domain.outcome import Verdict, verdict_of
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Outcome,
    Perceived,
    RecipientKind,
    Role,
)
from tiprouter.policy.engine import Engine

from .facts_strategy import DANGER, OPEN, any_facts
from .test_engine import NOW

MINIMUM = {Category.INCIDENT, Category.LOCATION}
AUTHORITIES = [kind for kind in RecipientKind if kind is not RecipientKind.SERVICE_PROVIDER]
OTHERS = [role for role in Role if role is not Role.ALLEGED_TRAFFICKER]
ENOUGH = settings(max_examples=40, deadline=None)


def _verdict(engine: Engine, facts: Facts) -> Verdict:
    return verdict_of(Finding(facts, None, None), engine.rule(facts), NOW)


def _granted(facts: Facts) -> set[Category]:
    return {category for category in Category if facts.consent(category) is ConsentState.GRANTED}


def _imminent(facts: Facts) -> bool:
    stated = facts.immediate is Answer.YES and facts.escalating is Answer.YES
    return stated and facts.perceived is Perceived.FIRST_HAND and facts.fresh


def _police_in_danger(facts: Facts) -> bool:
    return facts.recipient_kind is RecipientKind.LAW_ENFORCEMENT and _imminent(facts)


@ENOUGH
@given(any_facts(implicated=True))
def test_an_implicated_recipient_gets_nothing(engine: Engine, facts: Facts) -> None:
    """Rule 4.9, even when a duty names it."""
    assert not engine.rule(facts).permitted


@ENOUGH
@given(any_facts(usable=False))
def test_a_suspended_recipient_gets_nothing(engine: Engine, facts: Facts) -> None:
    """Rule 4.1: suspension is not a detail of delivery."""
    assert not engine.rule(facts).permitted


@ENOUGH
@given(st.sampled_from(AUTHORITIES).flatmap(lambda kind: any_facts(age=AgeBand.ADULT, recipient_kind=kind)))
def test_an_adult_goes_to_an_authority_by_consent_or_in_danger(engine: Engine, facts: Facts) -> None:
    """Rules 4.4 and 4.6: without consent only the police, only in imminent danger, only the minimum."""
    if facts.role is Role.ALLEGED_TRAFFICKER:
        return
    unconsented = engine.rule(facts).permitted - _granted(facts)
    assert unconsented <= (MINIMUM if _police_in_danger(facts) else set())


@ENOUGH
@given(st.sampled_from(AUTHORITIES).flatmap(lambda kind: any_facts(recipient_kind=kind)))
def test_immigration_never_goes_to_an_authority(engine: Engine, facts: Facts) -> None:
    """Not even with consent."""
    assert Category.IMMIGRATION not in engine.rule(facts).permitted


@ENOUGH
@given(st.sampled_from(OTHERS).flatmap(lambda role: any_facts(age=AgeBand.UNKNOWN, role=role)))
def test_unknown_age_leaves_only_in_danger(engine: Engine, facts: Facts) -> None:
    """Rule 4.2: unknown is neither adult nor minor, whatever was consented."""
    assert engine.rule(facts).permitted <= (MINIMUM if _police_in_danger(facts) else set())


@ENOUGH
@given(any_facts(recipient_kind=RecipientKind.SERVICE_PROVIDER))
def test_a_provider_is_told_only_what_was_granted(engine: Engine, facts: Facts) -> None:
    """Rule 4.8; of an accused person a provider chosen by the victim learns what happened."""
    accused = facts.role is Role.ALLEGED_TRAFFICKER and facts.basis is Basis.CONSENT
    extra = {Category.INCIDENT} if accused else set()
    assert engine.rule(facts).permitted <= _granted(facts) | extra


@ENOUGH
@given(any_facts())
def test_who_signaled_is_told_only_when_granted(engine: Engine, facts: Facts) -> None:
    """Rule 4.7."""
    if Category.SIGNALER_IDENTITY in engine.rule(facts).permitted:
        assert facts.consent(Category.SIGNALER_IDENTITY) is ConsentState.GRANTED


@ENOUGH
@given(
    st.sampled_from(VICTIM_ROLES).flatmap(lambda role: any_facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, role=role))
)
def test_a_childs_duty_is_never_lost(engine: Engine, facts: Facts) -> None:
    """Rule 4.5: it is reported, or it is blocked and somebody is told."""
    assert _verdict(engine, facts).outcome in (Outcome.REPORT, Outcome.DUTY_BLOCKED)


@ENOUGH
@given(
    st.tuples(st.sampled_from(VICTIM_ROLES), st.sampled_from(AUTHORITIES)).flatmap(
        lambda both: any_facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, role=both[0], recipient_kind=both[1], **OPEN)
    )
)
def test_a_child_is_reported_to_the_authority_that_is_named(engine: Engine, facts: Facts) -> None:
    """Rule 4.5: with what happened and where, whatever anybody consented to."""
    verdict = _verdict(engine, facts)
    assert verdict.outcome is Outcome.REPORT
    assert verdict.categories >= MINIMUM


@ENOUGH
@given(
    st.sampled_from(VICTIM_ROLES).flatmap(
        lambda role: any_facts(recipient_kind=RecipientKind.LAW_ENFORCEMENT, role=role, **DANGER)
    )
)
def test_imminent_danger_is_never_silent(engine: Engine, facts: Facts) -> None:
    """Rule 4.6: the police are told, or a human is."""
    assert _verdict(engine, facts).outcome in (Outcome.REPORT, Outcome.DUTY_BLOCKED)


@ENOUGH
@given(
    st.sampled_from(VICTIM_ROLES).flatmap(
        lambda role: any_facts(age=AgeBand.UNKNOWN, duty=DutyState.UNKNOWN, role=role)
    )
)
def test_nobody_who_may_be_a_child_is_forgotten(engine: Engine, facts: Facts) -> None:
    """Rule 4.2: unknown age under an unknown duty is at least a review."""
    assert _verdict(engine, facts).outcome not in (Outcome.WITHHOLD, Outcome.DISCLOSE)


@settings(max_examples=100, deadline=None)
@given(any_facts(), st.sets(st.sampled_from(Category), min_size=1), st.sampled_from(ConsentState))
def test_removing_consent_never_releases_more(
    engine: Engine, facts: Facts, removed: set[Category], state: ConsentState
) -> None:
    """What leaves after a granted consent became anything else is a part of what left before."""
    granted = ConsentState.GRANTED
    pairs = list(zip(Category, facts.consents, strict=True))
    before = replace(facts, consents=tuple(granted if each in removed else known for each, known in pairs))
    after = replace(facts, consents=tuple(state if each in removed else known for each, known in pairs))
    assert _verdict(engine, after).categories <= _verdict(engine, before).categories


@ENOUGH
@given(any_facts(role=Role.SIGNALER))
def test_a_signaler_leaves_by_name_or_not_at_all(engine: Engine, sharing_engine: Engine, facts: Facts) -> None:
    """Rule 4.7, under both bundles: nothing of somebody who only called, unless they may be known to have called."""
    for each in (engine, sharing_engine):
        verdict = _verdict(each, facts)
        assert not verdict.categories or Category.SIGNALER_IDENTITY in verdict.categories


@ENOUGH
@given(any_facts(), st.sets(st.sampled_from(["us-ca", "us-tx", "us-mn", "us-la"])))
def test_a_law_more_tells_nobody_more_and_nobody_less(
    engine: Engine, sharing_engine: Engine, facts: Facts, rows: set[str]
) -> None:
    """Rule 4.5: a duty row says why, by when and how; who is told what is core's."""
    for each in (engine, sharing_engine):
        with_rows, without = (_verdict(each, replace(facts, rows=some)) for some in (tuple(sorted(rows)), ()))
        assert (with_rows.outcome, with_rows.categories) == (without.outcome, without.categories)
        assert with_rows.review == without.review


@settings(max_examples=100, deadline=None)
@given(any_facts(), st.sets(st.sampled_from(Category), min_size=1))
def test_a_refusal_permits_nothing(
    engine: Engine, sharing_engine: Engine, facts: Facts, refused: set[Category]
) -> None:
    """Rule 4.8: whatever the state was before, not asked too: where third parties' tips are forwarded a no is a no."""
    pairs = list(zip(Category, facts.consents, strict=True))
    after = replace(facts, consents=tuple(ConsentState.REFUSED if one in refused else known for one, known in pairs))
    for each in (engine, sharing_engine):
        assert each.rule(after).permitted <= each.rule(facts).permitted


@settings(max_examples=100, deadline=None)
@given(any_facts())
def test_no_policy_ever_errs(engine: Engine, facts: Facts) -> None:
    """Over the whole space of facts, every question has an answer and every answer its policies."""
    ruling = engine.rule(facts)
    assert ruling.errors == ()
    assert set(ruling.policies) <= set(engine.bundle.notes)


@settings(max_examples=100, deadline=None)
@given(any_facts(), any_facts(), st.sampled_from([{}, DANGER]))
def test_a_violence_indicator_widens_nothing_but_the_report_of_danger(
    engine: Engine, sharing_engine: Engine, facts: Facts, other: Facts, danger: dict[str, Any]
) -> None:
    """Rule 6: short of imminent danger it tells nobody anything; in it the police hear the minimum, and nobody more."""
    said = {name: getattr(other, name) for name in DANGER} | danger
    calm, alarmed = (replace(facts, **DANGER | {"immediate": Answer.NO}), replace(facts, **said))
    for each in (engine, sharing_engine):
        more = each.rule(alarmed).permitted - each.rule(calm).permitted
        assert more <= (MINIMUM if _police_in_danger(alarmed) else set())
