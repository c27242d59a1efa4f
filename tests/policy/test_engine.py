"""What does the engine do when something is wrong? Cedar alone would often allow; the engine never does."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from tiprouter.domain.duty import Span
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Notice, Ruling, verdict_of
from tiprouter.domain.vocabulary import AgeBand, Basis, Category, DutyState, Outcome, RecipientKind, Role, SpanUnit
from tiprouter.policy.annotations import Effect
from tiprouter.policy.bundle import Bundle, Parsed, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.questions import entities_for, requests_for

from .facts_strategy import ALL_GRANTED, BASE, DANGER, facts, numbered

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CONSENTED = facts(consents=ALL_GRANTED, basis=Basis.CONSENT)
OVERFLOW = "9223372036854775807 + 1 > 0"


def _fails_closed(ruling: Ruling, facts: Facts) -> Iterator[str]:
    """Assert that nothing leaves on a ruling and that it says why; yield the error classes."""
    assert not ruling.permitted
    assert not ruling.report
    assert not ruling.review
    verdict = verdict_of(Finding(facts, None, None), ruling, NOW)
    assert verdict.outcome is Outcome.HOLD_ERROR
    assert not verdict.leaves
    yield from ruling.errors


def _errors_of(ruling: Ruling, facts: Facts) -> list[str]:
    return list(_fails_closed(ruling, facts))


def _errors(engine: Engine, facts: Facts) -> list[str]:
    return _errors_of(engine.rule(facts), facts)


def _spoilt(folder: Path, cedar: str) -> Bundle:
    text = '@id("tenant.spoilt")\n@basis("Spoilt.")\n@cite("None")\n' + cedar
    (folder / "spoilt.cedar").write_text(text)
    return load(folder)


def _with_schema(bundle: Bundle, old: str, new: str) -> Bundle:
    text = str(bundle.parsed.schema)
    assert old in text
    schema = cedarpy.Schema.from_str(text.replace(old, new))
    return replace(bundle, parsed=Parsed(bundle.parsed.policies, schema))


def _cedar_alone(bundle: Bundle, entities: str) -> cedarpy.AuthzResult:
    """What Cedar answers about the incident when its errors are not looked at and entities are not checked."""
    policies, schema = bundle.parsed
    return cedarpy.is_authorized(requests_for(CONSENTED)[0], policies, entities, schema)


def test_an_erring_guard_opens_cedar_but_not_the_engine(folder: Path) -> None:
    """Cedar skips a forbid that overflows and allows; the engine names the policy and permits nothing."""
    bundle = _spoilt(folder, f'forbid (principal, action in Action::"disclose", resource) when {{ {OVERFLOW} }};')
    assert _cedar_alone(bundle, entities_for(CONSENTED)).allowed
    assert _errors(Engine(bundle), CONSENTED) == ["policy-error:tenant.spoilt"]


def test_a_guard_that_asks_for_a_missing_entity_fails_closed(folder: Path) -> None:
    """A forbid about an agency that is not in the request errs; Cedar would skip it."""
    bundle = _spoilt(folder, 'forbid (principal, action, resource) when { Recipient::"elsewhere".usable };')
    assert _cedar_alone(bundle, entities_for(CONSENTED)).allowed
    assert _errors(Engine(bundle), CONSENTED) == ["policy-error:tenant.spoilt"]


def test_cedar_alone_allows_when_the_recipient_is_missing(bundle: Bundle) -> None:
    """The probe that makes every diagnostic error fatal: an implicated agency left out of the store is allowed."""
    person_only = json.dumps(json.loads(entities_for(replace(CONSENTED, implicated=True)))[1:])
    result = _cedar_alone(bundle, person_only)
    assert result.allowed
    assert result.diagnostics.errors
    assert not Engine(bundle).rule(replace(CONSENTED, implicated=True)).permitted


def test_a_missing_fact_fails_closed(bundle: Bundle) -> None:
    """When a policy may read a fact that is not given, nothing is decided at all."""
    wanting = _with_schema(bundle, "  basis: Basis,", "  basis: Basis,\n  mood: Answer,")
    assert _errors(Engine(wanting), CONSENTED) == ["engine-failure"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"usable": "yes"},
        {"fresh": None},
        {"age": "teenager"},
        {"age": True},
        {"recipient_kind": "neighbour"},
        {"consents": ("maybe",) * 7},
        {"consents": ALL_GRANTED[:-1]},
        {"consents": list(ALL_GRANTED)},
    ],
    ids=str,
)
def test_a_fact_of_the_wrong_type_or_vocabulary_fails_closed(engine: Engine, wrong: dict[str, Any]) -> None:
    """A value that no vocabulary knows is never read as false, and never as one that was seen before."""
    changed = replace(CONSENTED, **wrong)
    assert _errors(engine, changed) == ["engine-failure"]


def test_no_decision_fails_closed(bundle: Bundle) -> None:
    """A question that the schema does not know is answered by nobody."""
    unasked = _with_schema(bundle, 'action "review"', 'action "other"')
    assert _errors(Engine(unasked), CONSENTED) == ["no-decision"]


def test_a_policy_nobody_knows_fails_closed(bundle: Bundle) -> None:
    """A determining policy without a note has no basis to cite, so it decides nothing."""
    notes = {identifier: note for identifier, note in bundle.notes.items() if identifier != "core.consent"}
    assert _errors(Engine(replace(bundle, notes=notes)), CONSENTED) == ["unknown-policy"]


def test_an_answer_its_policies_do_not_explain_fails_closed(bundle: Bundle) -> None:
    """An allow by a policy known as a forbid is not believed."""
    note = replace(bundle.notes["core.consent"], effect=Effect.FORBID)
    notes = {**bundle.notes, "core.consent": note}
    assert _errors(Engine(replace(bundle, notes=notes)), CONSENTED) == ["unexplained"]


def test_failures_are_not_remembered(bundle: Bundle) -> None:
    """A failure is asked again: what failed once may have been repaired."""
    engine = Engine(_with_schema(bundle, 'action "review"', 'action "other"'))
    engine.rule(CONSENTED)
    engine.rule(CONSENTED)
    assert (engine.stats().misses, engine.stats().size) == (2, 0)


def test_the_memory_is_bounded_and_changes_nothing(bundle: Bundle) -> None:
    """With room for eight answers, eight are kept, and every answer is what it is without memory."""
    remembering, forgetful = Engine(bundle, cache_size=8), Engine(bundle, cache_size=0)
    asked = [numbered(number) for number in (*range(12), *range(12), 11, 11)]
    assert [remembering.rule(each) for each in asked] == [forgetful.rule(each) for each in asked]
    assert remembering.stats().size == remembering.stats().limit == 8
    assert remembering.stats().hits >= 2
    assert (forgetful.stats().hits, forgetful.stats().size) == (0, 0)


def test_a_report_carries_its_deadlines_and_the_most_protective_notice(engine: Engine) -> None:
    """A child in danger: fifteen minutes for the danger, and notice only when safe; the table's rows say the rest."""
    ruling = engine.rule(facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, basis=Basis.DUTY, **DANGER))
    assert ruling.policies == ("core.child-duty", "core.child-report", "core.danger-minimum", "core.danger-report")
    assert ruling.within == (timedelta(minutes=15),)
    assert (ruling.written, ruling.call) == ((), False)
    assert ruling.notice is Notice.WHEN_SAFE


def test_a_disclosure_by_consent_is_due_in_a_day(engine: Engine) -> None:
    """A consent's own deadline stands alone, and no notice is owed to somebody who consented."""
    ruling = engine.rule(CONSENTED)
    assert ruling.within == (timedelta(hours=24),)
    assert (ruling.written, ruling.call) == ((), False)
    assert ruling.notice is Notice.NOT_REQUIRED


def test_a_denial_names_its_guards_and_default_deny_names_nobody(engine: Engine) -> None:
    """What nothing permits has no determining policy; what guards forbid names every one of them."""
    denied = engine.rule(BASE)
    assert denied.policies == (
        "guard.adult-minimum",
        "guard.adult-personal",
        "guard.immigration",
        "guard.signaler-identity",
    )
    silent = facts(
        role=Role.ALLEGED_TRAFFICKER,
        recipient_kind=RecipientKind.SERVICE_PROVIDER,
        basis=Basis.DUTY,
        consents=ALL_GRANTED,
    )
    assert engine.rule(silent).policies == ()
    assert verdict_of(Finding(silent, None, None), engine.rule(silent), NOW).policies == ("default-deny",)


def test_a_blocked_duty_names_the_duty_and_what_blocked_it(engine: Engine) -> None:
    """Both are needed by the human who must find another authority."""
    ruling = engine.rule(facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, basis=Basis.DUTY, implicated=True))
    assert ruling.report
    assert not ruling.permitted
    assert {"core.child-report", "guard.implicated"} <= set(ruling.policies)


def test_each_category_is_asked_with_its_own_consent(engine: Engine) -> None:
    """One granted category lets that category leave and no other."""
    for category in Category:
        consents = tuple(
            ALL_GRANTED[0] if each is category else state for each, state in zip(Category, BASE.consents, strict=True)
        )
        toward = facts(consents=consents, recipient_kind=RecipientKind.SERVICE_PROVIDER)
        assert engine.rule(toward).permitted == {category}


def test_a_row_that_the_bundle_does_not_have_fails_closed(engine: Engine) -> None:
    """Facts of another bundle's table cannot be decided by this one; nor can a row without a source be asked."""
    child = facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, basis=Basis.DUTY)
    unsourced = [row.id for rows in engine.bundle.protocol.rows.values() for row in rows if not row.sourced]
    known = next(iter(engine.bundle.slices))
    for rows in (("us-xx",), (known, "us-xx"), *((name,) for name in unsourced)):
        assert _errors(engine, replace(child, rows=rows)) == ["unknown-policy"]
        assert _errors_of(engine.suppose(replace(child, rows=rows)), child) == ["unknown-policy"]


def test_the_order_of_rows_decides_nothing(engine: Engine) -> None:
    """Neither does naming one twice: what is asked is a set of policies."""
    child = facts(age=AgeBand.MINOR, duty=DutyState.REQUIRED, basis=Basis.DUTY)
    first, second = list(engine.bundle.slices)[:2]
    ruling = engine.rule(replace(child, rows=(first, second)))
    assert not ruling.errors
    assert engine.rule(replace(child, rows=(second, first))) == ruling
    assert engine.rule(replace(child, rows=(second, first, second))) == ruling


@pytest.mark.parametrize(
    ("annotations", "call", "written"),
    [
        ('@channel("telephone")', True, ()),
        ('@channel("oral")', True, ()),
        ('@channel("oral_or_electronic")', False, ()),
        ('@channel("any")', False, ()),
        ('@written("3bd")', False, (Span(3, SpanUnit.BUSINESS_DAYS),)),
        ('@channel("oral")\n@written("36h")', True, (Span(36, SpanUnit.HOURS),)),
    ],
)
def test_a_tenants_permit_may_oblige_too(folder: Path, annotations: str, call: bool, written: tuple[Span, ...]) -> None:  # noqa: FBT001 - a table
    """A protocol of the tenant's own asks for a call or a report in writing like a duty row does."""
    permit = f'{annotations}\npermit (principal, action == Action::"incident", resource) when {{ resource.fresh }};'
    engine = Engine(_spoilt(folder, permit))
    ruling = engine.rule(replace(CONSENTED, fresh=True))
    assert (ruling.call, ruling.written) == (call, written)
    silent = engine.rule(CONSENTED)
    assert (silent.call, silent.written) == (False, ())


def test_a_policy_that_determines_nothing_obliges_to_nothing(folder: Path) -> None:
    """A permit that a guard overrules is not heard: nobody is called about what nobody may be told."""
    engine = Engine(
        _spoilt(
            folder, '@channel("oral")\n@written("5d")\npermit (principal, action == Action::"immigration", resource);'
        )
    )
    ruling = engine.rule(CONSENTED)
    assert Category.IMMIGRATION not in ruling.permitted
    assert (ruling.call, ruling.written) == (False, ())


def test_supposing_says_what_asking_says(engine: Engine) -> None:
    """The explanation's ruling is the decision's, fact by fact, to the determining policies, those of rows too."""
    rows = list(engine.bundle.slices)
    for number in range(300):
        supposed = replace(numbered(number), rows=tuple(rows[number % 7 : number % 11]))
        assert engine.suppose(supposed) == engine.rule(supposed)


def test_supposing_an_erring_policy_permits_nothing(folder: Path) -> None:
    """What could not be decided cannot be supposed either."""
    extra = folder / "drill.cedar"
    extra.write_text(
        '@id("drill.error")\n@basis("Fails.")\n@cite("Rule 1")\n'
        'forbid (principal, action in Action::"disclose", resource) when { 9223372036854775807 + 1 > 0 };\n'
    )
    ruling = Engine(load(folder)).suppose(BASE)
    assert (ruling.permitted, ruling.report, ruling.review) == (frozenset(), False, False)
    assert ruling.errors == ("policy-error:drill.error",)
